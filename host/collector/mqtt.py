"""The collector's MQTT front: MQTT 5 to any broker, as one of any number of workers (docs/mqtt.md has the contract).

Workers share the subscription `$share/<group>/<prefix>/+/data`: the broker gives each message to one of them. It is
answered on `<prefix>/<device>/ack` when the files are on durable storage, and only then is the broker told that we have
it. So a worker that is killed has answered for nothing that is not stored; what it held comes to another worker, from
the broker or, when that has dropped it, from the board. No more than `in_flight` messages are in memory at a time.
"""

import asyncio
import json
import random

import aiomqtt

from host.collector.ingest import Ingest
from host.collector.manifest import MAX_LINE_BYTES, Unanswerable, Wrong, parse
from host.collector.status import log
from host.mqtt_broker import Broker, told
from host.store import Refused, check_name

GROUP = "collectors"
IN_FLIGHT = 16
MAX_REPORT_BYTES = 16384
RETRY_S = (1, 60)
SHUTDOWN_S = 5


class MqttFront:
    """Receives data messages and the boards' own status for `ingest`, and connects again for ever, with a back-off."""

    name = "mqtt"

    def __init__(self, ingest: Ingest, broker: Broker, *, group: str = GROUP, in_flight: int = IN_FLIGHT):
        self._ingest, self._broker, self._group, self._in_flight = ingest, broker, group, in_flight
        self._state, self._why = "stopped", None
        self._task: asyncio.Task | None = None
        self._running: set[asyncio.Task] = set()

    async def start(self) -> None:
        """Begins to connect; a broker that is not there is waited for."""
        self._state = "connecting"
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Answers what is being stored, then leaves the broker."""
        if self._task is None:
            return
        if self._running:
            await asyncio.wait(self._running, timeout=SHUTDOWN_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._state = "stopped"

    def status(self) -> dict:
        """`state`: connected, connecting or stopped; `why` it is not connected; the broker; the group of workers."""
        broker = {"broker": str(self._broker), "group": self._group}
        return {"state": self._state, "why": self._why, "in_flight": len(self._running), **broker}

    async def _run(self) -> None:
        wait_s = RETRY_S[0]
        while True:
            try:
                async with self._client() as client:
                    _hear(client)  # a link that broke at once has been given another future
                    await self._subscribe(client)
                    log.info("mqtt: connected to %s", self._broker)
                    self._state, self._why, wait_s = "connected", None, RETRY_S[0]
                    await self._receive(client)
            except aiomqtt.MqttError as error:
                if told(error) != self._why:
                    log.warning("mqtt: %s: %s", self._broker, told(error))
                self._state, self._why = "connecting", told(error)
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))  # workers must not come back all at once
            wait_s = min(2 * wait_s, RETRY_S[1])

    def _client(self) -> aiomqtt.Client:
        largest = self._ingest.max_bytes + MAX_LINE_BYTES + (1 << 20)  # data, manifest, and a sidecar with the topic
        client = self._broker.client(receive_maximum=self._in_flight, max_packet=largest)
        client._client.manual_ack_set(True)  # paho's: aiomqtt has no door to it
        _hear(client)
        return client

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        """Status at QoS 0: it is retained, and must not wait behind data."""
        data = f"$share/{self._group}/{self._broker.prefix}/+/data"
        for topic, qos in ((f"{self._broker.prefix}/+/status", 0), (data, 1)):
            for code in await client.subscribe(topic, qos=qos):
                if code.is_failure:
                    raise aiomqtt.MqttError(f"the broker refuses the subscription to {topic}: {code}")

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            _, _, topic = message.topic.value.partition(self._broker.prefix + "/")
            device, _, kind = topic.partition("/")
            if kind == "status":
                self._report(device, message.payload)
            elif message.qos == 0:  # nothing would bound their number
                wrong = Refused(400, "data is published with QoS 1, a message with QoS 0 is dropped")
                self._ingest.refused(self.name, device, "", wrong, is_device=False)
            else:
                task = asyncio.create_task(self._answer(client, device, message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _answer(self, client: aiomqtt.Client, device: str, message: aiomqtt.Message) -> None:
        """Stores a message, says so to the board, then to the broker."""
        try:
            said = await self._store(device, message.payload)
            if said is not None:
                topic = f"{self._broker.prefix}/{device}/ack"
                await client.publish(topic, json.dumps(said, separators=(",", ":")), qos=1)
        except aiomqtt.MqttError as error:
            log.info("mqtt: %s was not answered: %s", device[:100], told(error))
            return  # without our acknowledgement the broker gives it to somebody else
        except Exception:  # a defect of ours must not keep a place of those in flight: the board sends it again
            log.exception("mqtt: a message of %a", device[:100])
        client._client.ack(message.mid, message.qos)

    async def _store(self, device: str, payload: bytes) -> dict | None:
        """The acknowledgement, None when there is nobody to answer."""
        try:
            check_name(device)
            manifest = parse(payload, device)
        except Wrong as error:
            status, why = self._ingest.refused(self.name, device, error.name, error)
            return {"name": error.name, "sha256": error.sha256, "status": status, "why": why}
        except Refused as error:
            self._ingest.refused(self.name, device, "", error, is_device=isinstance(error, Unanswerable))
            return None
        status, why = await self._ingest.deliver(self.name, *manifest.place, manifest.files)
        return {"name": manifest.name, "sha256": manifest.sha256, "status": status, "why": why}

    def _report(self, device: str, payload: bytes) -> None:
        """A board's own words about itself; an empty message clears a retained one."""
        try:
            check_name(device)
            report = json.loads(payload) if 0 < len(payload) <= MAX_REPORT_BYTES else {}
            if not isinstance(report, dict):
                raise Refused(400, "a status is a JSON object")
        except (Refused, ValueError, RecursionError) as error:
            refused = error if isinstance(error, Refused) else Refused(400, f"a status is JSON: {error}")
            self._ingest.refused(self.name, device, "status", refused, is_device=False)
            return
        self._ingest.devices.reported(device, report)


def _hear(client: aiomqtt.Client) -> None:
    """A link that breaks while we subscribe is told by the subscription; asyncio would print a traceback besides."""
    client._disconnected.add_done_callback(lambda broken: broken.cancelled() or broken.exception())
