"""A device as the MQTT contract has it, simulated: MQTT 3.1.1, a persistent session, names published until their
acknowledgement has come from the collector.
"""

import asyncio
import hashlib
import json

import aiomqtt


def message(device: str, session: str, name: str, files: dict[str, bytes]) -> tuple[bytes, str]:
    """-> (payload, sha256 of the manifest's line)"""
    listed = [[file, len(content), hashlib.sha256(content).hexdigest()] for file, content in files.items()]
    line = json.dumps({"name": f"{device}/{session}/{name}", "files": listed}, separators=(",", ":")).encode()
    return line + b"\n" + b"".join(files.values()), hashlib.sha256(line).hexdigest()


class Device:
    """Ships names, `window` at a time, over as many connections as it takes, and each again when it has waited `ack_s`
    for its acknowledgement. `acknowledged`: (session, name) -> statuses. `published`: how many messages it took.
    """

    def __init__(self, name: str, port: int, *, window: int = 4, ack_s: float = 5, **login: str):
        self.name, self.acknowledged, self.published = name, {}, 0
        self._port, self._window, self._ack_s = port, window, ack_s
        self._login = login  # username, password
        self._waiting: dict[tuple[str, str], asyncio.Future] = {}

    async def ship(self, session: str, names: dict[str, dict[str, bytes]]) -> None:
        """Until every name (name -> its files) of a session is answered for good."""
        todo = dict(names)
        while todo:
            try:
                async with self._client() as client:
                    await client.subscribe(f"motelog/{self.name}/ack", qos=1)
                    await self._ship_all(client, session, todo)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.2)

    def _client(self) -> aiomqtt.Client:
        client = aiomqtt.Client(
            "127.0.0.1", self._port, identifier=f"motelog-{self.name}", clean_session=False, keepalive=60, timeout=60,
            will=aiomqtt.Will(f"motelog/{self.name}/status", b'{"state": "offline"}', 1, True),
            **self._login,
        )  # fmt: skip
        client.pending_calls_threshold = 1000
        return client

    async def _ship_all(self, client: aiomqtt.Client, session: str, todo: dict) -> None:
        room = asyncio.Semaphore(self._window)

        async def one(name: str) -> None:
            async with room:
                status = await self._ship(client, session, name, todo[name])
            self.acknowledged.setdefault((session, name), []).append(status)
            if status in (201, 412, 409):
                del todo[name]

        listener = asyncio.create_task(self._listen(client))
        shippers = asyncio.gather(*(one(name) for name in list(todo)))
        try:
            await asyncio.wait([listener, shippers], return_when=asyncio.FIRST_COMPLETED)
            if listener.done():
                listener.result()
            await shippers
        finally:
            shippers.cancel()
            listener.cancel()
            await asyncio.gather(listener, shippers, return_exceptions=True)

    async def _ship(self, client: aiomqtt.Client, session: str, name: str, files: dict[str, bytes]) -> int:
        """Publishes until it is answered. -> the answer's status"""
        payload, sha256 = message(self.name, session, name, files)
        key = (f"{self.name}/{session}/{name}", sha256)
        answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        while True:
            self.published += 1
            await client.publish(f"motelog/{self.name}/data", payload, qos=1)
            done, _ = await asyncio.wait([answer], timeout=self._ack_s)
            if done:
                return answer.result()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for incoming in client.messages:
            said = json.loads(incoming.payload)
            answer = self._waiting.get((said["name"], said["sha256"]))
            if answer and not answer.done():
                answer.set_result(said["status"])
