"""A broker with a collector behind it for the MQTT tests, whose first connections misbehave as planned.

A behaviour is an async function `(server, session)`; `serve(behaviour)` makes one for `naughty.Server`. All bytes here
are made and read without the code under test.
"""

import asyncio
import functools
import hashlib
import json
from dataclasses import dataclass

from tests.transport.naughty import Server

DEVICE = "motelog/wrist-01/"


class Broker(Server):
    """`naughty.Server` that speaks MQTT: `plan` as there, of behaviours; after them connections do `obey`.

    `stored`: name -> the bytes of its files, acknowledged by the collector. `seen`: every data message as
    (name, packet id, dup). `status`, `replies`: what was published there. `present`: what CONNACK says of the session.
    """

    def __init__(self, plan=(), tls=None, *, present=False, status=201):
        super().__init__([serve(behaviour) for behaviour in plan], tls)
        self.url = f"mqtt{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.default = serve(obey)
        self.present = present
        self.answer_status = status
        self.seen = []
        self.status = []
        self.replies = []
        self.connects = []
        self.pings = 0


@dataclass
class Publish:
    topic: str
    pid: int
    dup: bool
    retain: bool
    payload: bytes


class Session:
    """One connection. `left`: bytes that it takes before `EOFError` (None: any number)."""

    def __init__(self, reader, writer, left=None):
        self.reader = reader
        self.writer = writer
        self.left = left

    async def take(self, count):
        if self.left is not None and self.left < count:
            await self.reader.readexactly(self.left)
            raise EOFError
        if self.left is not None:
            self.left -= count
        return await self.reader.readexactly(count)

    async def packet(self):
        """(first byte, body)"""
        first = (await self.take(1))[0]
        length = shift = 0
        while True:
            byte = (await self.take(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, await self.take(length)

    async def say(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def welcome(self, server, code=0):
        """CONNECT and CONNACK."""
        first, body = await self.packet()
        assert first == 0x10 and body[:7] == b"\0\4MQTT\4"
        server.connects.append(body)
        await self.say(b"\x20\x02" + bytes([server.present, code]))

    async def subscribed(self):
        """SUBSCRIBE and SUBACK."""
        first, body = await self.packet()
        assert first == 0x82
        await self.say(suback(body))

    async def publish(self):
        """The next PUBLISH, those of the status answered at once."""
        while True:
            first, body = await self.packet()
            if first & 0xF0 != 0x30:
                continue
            message = parse(first, body)
            if not message.topic.endswith("/status"):
                return message
            await self.say(puback(message.pid))


def suback(body, code=1):
    topics = body.count(b"motelog/wrist-01/")
    return bytes([0x90, 2 + topics]) + body[:2] + bytes([code]) * topics


def puback(pid):
    return b"\x40\x02" + pid.to_bytes(2, "big")


def publish(topic, payload, pid=0, retain=False, dup=False):
    rest = len(topic).to_bytes(2, "big") + topic.encode() + (pid.to_bytes(2, "big") if pid else b"") + payload
    length, n = bytearray(), len(rest)
    while n > 127:
        length.append(n & 127 | 128)
        n >>= 7
    length.append(n)
    return bytes([0x30 | (2 if pid else 0) | retain | dup << 3]) + bytes(length) + rest


def parse(first, body):
    assert first & 0x06 == 0x02, "the board publishes with QoS 1"
    end = 2 + int.from_bytes(body[:2], "big")
    pid = int.from_bytes(body[end : end + 2], "big")
    assert pid
    return Publish(body[2:end].decode(), pid, bool(first & 8), bool(first & 1), body[end + 2 :])


def taken_apart(payload):
    """-> (name, SHA-256 of the manifest, the files' bytes); everything is checked as a collector does."""
    line, _, rest = payload.partition(b"\n")
    manifest = json.loads(line)
    assert len(line) <= 4096
    for name, size, sha256 in manifest["files"]:
        assert "/" not in name and hashlib.sha256(rest[:size]).hexdigest() == sha256
        rest = rest[size:]
    assert rest == b""
    return manifest["name"], hashlib.sha256(line).hexdigest(), payload.partition(b"\n")[2]


def ack(payload, status=201, **changes):
    name, digest, _ = taken_apart(payload)
    return json.dumps({"name": name, "sha256": digest, "status": status, "why": "because"} | changes).encode()


async def obey(server, session, hold=0):
    """A good broker and a good collector."""
    await session.welcome(server)
    await obey_on(server, session)


async def obey_on(server, session):
    """... from the subscription on."""
    pid = 1000
    while True:
        first, body = await session.packet()
        kind = first & 0xF0
        if kind == 0x80:
            await session.say(suback(body))
        elif kind == 0xC0:
            server.pings += 1
            await session.say(b"\xd0\0")
        elif kind == 0xE0:
            return
        elif kind == 0x30:
            pid += 1
            await session.say(server_answer(server, parse(first, body), pid))


def server_answer(server, message, pid):
    """What broker and collector say to a PUBLISH."""
    topic = message.topic.removeprefix(DEVICE)
    if topic == "data":
        return puback(message.pid) + publish(DEVICE + "ack", collector(server, message), pid)
    if topic == "status":
        server.status.append((message.retain, json.loads(message.payload)))
    else:
        assert topic == "reply"
        server.replies.append(json.loads(message.payload))
    return puback(message.pid)


def collector(server, message):
    """Stores as the real one does; -> the acknowledgement's payload."""
    name, _, content = taken_apart(message.payload)
    server.seen.append((name, message.pid, message.dup))
    status = 412 if server.stored.get(name) == content else server.answer_status
    if status == 201:
        server.stored[name] = content
    return ack(message.payload, status)


def serve(behaviour):
    if getattr(behaviour, "before_tls", False):
        return behaviour

    @functools.wraps(behaviour)
    async def run(server, reader, writer):
        try:
            await behaviour(server, Session(reader, writer))
        except EOFError:  # IncompleteReadError is one
            pass

    return run


def cut(count, how="close"):
    """Takes `count` bytes of the board in all, a good broker so far; then closes or says nothing any more."""

    async def behaviour(server, session):
        session.left = count
        try:
            await obey(server, session)
        except asyncio.IncompleteReadError:
            return
        except EOFError:
            if how == "stall":
                await server.stall()

    return behaviour
