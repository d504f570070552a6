"""The collector's side of docs/mqtt.md on a real broker, in a thread, with aiomqtt, for tests of the board's side."""

import asyncio
import json
import threading

import aiomqtt

from tests.transport.naughty_mqtt import DEVICE, ack, taken_apart


class PeerCollector:
    """`with PeerCollector(port) as collector:` stores what comes. `stored`: name -> bytes; `count`: name -> how often.

    `device`: topic of the board up to its last slash. `states`: of the status messages, in order; `replies`: payloads.
    """

    def __init__(self, port, device=DEVICE, **options):
        self._port = port
        self._device = device
        self._options = options
        self.stored = {}
        self.count = {}
        self.states = []
        self.replies = []
        self.after = (0, None)  # when so many are stored, call that, once
        self._news = threading.Condition()

    def __enter__(self):
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._ready.wait(120)
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def wait_for(self, condition, seconds=120):
        """Until `condition()` holds; it is looked at after each message."""
        with self._news:
            assert self._news.wait_for(condition, seconds), (self.states, self.replies, self.count)

    def command(self, payload: bytes, **options):
        """Publish a command."""
        call = self._client.publish(self._device + "command", payload, qos=1, **options)
        asyncio.run_coroutine_threadsafe(call, self._loop).result(60)

    async def _run(self):
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        while True:
            try:
                await self._serve()
            except asyncio.CancelledError:
                return
            except aiomqtt.MqttError:
                await asyncio.sleep(0.1)  # the broker is gone for the moment

    async def _serve(self):
        options = {"hostname": "127.0.0.1", "port": self._port, "protocol": aiomqtt.ProtocolVersion.V5}
        async with aiomqtt.Client(**options, **self._options) as client:
            self._client = client
            for topic in ("data", "status", "reply"):
                await client.subscribe(self._device + topic, qos=1)
            self._ready.set()
            async for message in client.messages:
                await self._take(client, message)

    async def _take(self, client, message):
        topic = str(message.topic).removeprefix(self._device)
        if topic == "status":
            self.states.append(json.loads(message.payload)["state"])
        elif topic == "reply":
            self.replies.append(json.loads(message.payload))
        else:
            name, _, content = taken_apart(message.payload)
            self.count[name] = self.count.get(name, 0) + 1
            assert self.stored.setdefault(name, content) == content
            answer = ack(message.payload, 201 if self.count[name] == 1 else 412)
            await client.publish(self._device + "ack", answer, qos=1)
            if self.after[1] and len(self.stored) == self.after[0]:
                call, self.after = self.after[1], (0, None)
                await asyncio.to_thread(call)
        with self._news:
            self._news.notify_all()
