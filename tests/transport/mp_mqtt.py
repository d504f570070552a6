"""MQTT on the board without a network: packets, the parser, ids, pieces; each of umqtt's defects has its test here."""

import asyncio
import gc
import os
import sys

from mptest import SkipTest
from transport import mqtt_packets as packets
from transport.errors import GARBAGE, LOST, REFUSED, TransportError
from transport.mqtt_client import Client
from transport.mqtt_commands import Commands
from transport.mqtt_delivery import Message


class Link:
    """A link that takes everything, notes each write and says what `say` adds."""

    timeout_ms = 100

    def __init__(self):
        self.writes = []
        self.said = []
        self.is_over = False

    async def open(self):
        pass

    def close(self):
        self.is_over = True

    def arm(self):
        pass

    async def wait(self):
        await asyncio.sleep_ms(1)

    def say(self, data):
        self.said.append(memoryview(data))

    def poll(self):
        return self.said.pop(0) if self.said else None

    async def receive(self):
        return self.poll()

    def write(self, view):
        self.writes.append(bytes(view))
        return len(view)

    async def send(self, view):
        return self.write(view)


class Owner:
    """Has `messages` to send; notes what was acknowledged."""

    on_the_way = ()

    def __init__(self, messages=()):
        self.messages = list(messages)
        self.done = []
        self.heard = []

    def next_message(self, room):
        return self.messages.pop(0) if room and self.messages else None

    def ready(self, message):
        return True

    def puback(self, message):
        self.done.append(message)

    def received(self, topic, payload, retained):
        self.heard.append((topic, None if payload is None else bytes(payload), retained))

    def wake(self):
        pass


def connected(owner):
    link = Link()
    client = Client(link, b"CONNECT", [b"t"], owner, window=4, keepalive_s=60)
    link.say(b"\x20\x02\0\0")
    asyncio.run(opened(client, link))
    return link, client


async def opened(client, link):
    """As `open`, but the test takes the turns."""
    client._subscribed = False
    present, rest = await client._introduce()
    client._take_up(present)
    link.say(b"\x90\x03" + client._subscribe_id.to_bytes(2, "big") + b"\x01")
    await client._turn()
    del link.writes[:]


def pid_of(packet):
    """Of a PUBLISH with the topic t and a short payload."""
    return packet[5] << 8 | packet[6]


def test_bug_the_65536th_publish():
    """umqtt counts its ids to 65,536, which is sent as 0, and waits for ever. Ours begin again, past those in use."""
    owner = Owner()
    link, client = connected(owner)
    stuck = Message(b"t", b"stuck")
    owner.messages.append(stuck)
    asyncio.run(client._turn())
    assert pid_of(link.writes.pop()) == 2  # SUBSCRIBE had 1
    client._last_id = 65534

    async def main():
        seen = []
        for _ in range(4):
            owner.messages.append(Message(b"t", b"x"))
            await client._turn()
            seen.append(pid_of(link.writes.pop()))
            link.say(packets.puback(seen[-1]))
            await client._turn()
        return seen

    assert asyncio.run(main()) == [65535, 1, 3, 4]
    assert stuck.pid == 2 and len(owner.done) == 4 and client._flight == [stuck]


def test_bug_the_time_out_was_lost_in_wait_msg():
    """umqtt sets the socket back to blocking when it waits: a broker that falls silent holds it for ever."""
    owner = Owner([Message(b"t", b"x")])
    _, client = connected(owner)

    async def main():
        for _ in range(10000):
            await client._turn()

    try:
        asyncio.run(main())
    except TransportError as error:
        assert "acknowledgement took longer than 100 ms" in error.message
    else:
        raise AssertionError("it waits for ever")


def test_bug_many_small_writes():
    """umqtt writes length, topic, id and payload one by one, and Nagle's algorithm makes it wait for each."""
    owner = Owner()
    link, client = connected(owner)
    owner.messages.append(Message(b"t", b"x" * 100))
    asyncio.run(client._turn())
    assert [len(data) for data in link.writes] == [2 + 3 + 2 + 100], link.writes
    owner.messages.append(Message(b"t", b"y" * 10000))
    del link.writes[:]
    asyncio.run(client._turn())
    assert [len(data) for data in link.writes] == [4096, 4096, 3 + 3 + 2 + 10000 - 8192]
    assert b"".join(link.writes)[8:] == b"y" * 10000


def test_bug_a_peer_that_closes_during_connect():
    """umqtt raises IndexError or TypeError then, which no caller expects; ours is a TransportError, at every length."""
    connect = umqtt()
    for answer in (b"", b"\x20", b"\x20\x02", b"\x20\x02\0"):
        assert kind_of(connect.judge, answer) == LOST, answer
    for code in range(1, 256):
        assert kind_of(connect.judge, bytes((0x20, 2, 0, code))) == REFUSED
    for answer in (b"HTTP", b"\x30\x02\0\0", b"\x20\x03\0\0"):
        assert kind_of(connect.judge, answer) == GARBAGE, answer


def test_bug_reconnect_never_gives_up():
    """umqtt.robust tries for ever, blocking. Here each `open` is one attempt that ends."""
    link = Link()
    client = Client(link, b"CONNECT", [b"t"], Owner(), window=4, keepalive_s=60)
    umqtt()
    for _ in range(3):
        link.is_over = False
        link.say(b"\x20\x02\0\x03")
        try:
            asyncio.run(client.open())
        except TransportError as error:
            assert error.kind == REFUSED and link.is_over
        else:
            raise AssertionError("it is open")
    assert len(link.writes) == 3


def test_connect_is_umqtts():
    connect = umqtt()
    packet = connect.packet("motelog-d", "j\u00fcrgen", "pass", 60, b"t/status", b"off")
    rest = (
        b"\0\4MQTT\4" + b"\xec" + b"\0\x3c"  # user, password, will retained, will QoS 1, will; session kept; 60 s
        + b"\0\x09motelog-d" + b"\0\x08t/status" + b"\0\3off" + b"\0\7j\xc3\xbcrgen" + b"\0\4pass"
    )  # fmt: skip
    assert packet == bytes((0x10, len(rest))) + rest, packet


def umqtt():
    """-> the module that needs it; from the user's cache, where `deploy.py libs` puts it."""
    cache = (os.getenv("XDG_CACHE_HOME") or (os.getenv("HOME") or "") + "/.cache") + "/motelog/libs"
    if cache not in sys.path:
        sys.path.append(cache)
    try:
        from umqtt import robust  # noqa: F401
    except ImportError:
        raise SkipTest("no board package umqtt: get it with `python3 deploy.py libs`") from None
    from transport import mqtt_connect

    return mqtt_connect


def kind_of(call, argument):
    try:
        call(argument)
    except TransportError as error:
        return error.kind
    return None


def test_packets_cut_anywhere_are_the_same():
    stream = (
        b"\x40\x02\x12\x34" + b"\xd0\x00"
        + b"\x32" + packets.head(0x32, 3 + 2 + 600)[1:] + b"\0\1a\0\7" + b"p" * 600
        + b"\x30" + packets.head(0x30, 3 + 5000)[1:] + b"\0\1b" + b"q" * 5000
        + b"\x31\x05\0\1crr"
    )  # fmt: skip
    expected = taken_apart(stream, len(stream))
    for step in (1, 2, 3, 7, 64, 511, 512, 513):
        assert taken_apart(stream, step) == expected, step
    assert [(kind, length) for kind, _, length in expected] == [
        (0x40, 2), (0xD0, 0), (0x32, 605), (0x30, 5003), (0x31, 5),
    ]  # fmt: skip
    assert packets.parse_publish(*expected[2]) == (b"a", 7, b"p" * 600, False)
    assert packets.parse_publish(*expected[3]) == (b"b", 0, None, False)  # too long: skipped
    assert packets.parse_publish(*expected[4]) == (b"c", 0, b"rr", True)


def taken_apart(stream, step):
    """-> [(kind, what is kept of it, length)] of a stream that comes in pieces of `step` bytes."""
    found = []
    parser = packets.Parser(lambda kind, body, length: found.append((kind, bytes(body), length)), 4096)
    for start in range(0, len(stream), step):
        parser.feed(memoryview(stream)[start : start + step])
    return found


def test_lengths():
    """(2.2.3, table 2.4)"""
    for length, data in (
        (0, b"\0"), (127, b"\x7f"), (128, b"\x80\1"), (16383, b"\xff\x7f"), (16384, b"\x80\x80\1"),
        (2097152, b"\x80\x80\x80\1"), (packets.MAX_LENGTH, b"\xff\xff\xff\x7f"),
    ):  # fmt: skip
        assert packets.head(0x30, length) == b"\x30" + data


def test_the_parser_takes_no_memory_for_what_is_too_long():

    parser = packets.Parser(lambda *packet: None, 4096)
    piece = memoryview(bytes(4096))
    parser.feed(b"\x30\xff\xff\xff\x7f")
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(20):
        parser.feed(piece)
    gc.collect()
    assert gc.mem_alloc() <= before + 64


def test_commands_are_remembered_by_id():
    done = []

    def do(line):
        done.append(line)
        return True, "x" * 500

    commands = Commands(do)
    for number in range(9):
        reply = commands.obey(b'{"id": %d, "do": "c%d"}' % (number, number), False)
        assert b'"ok": true' in reply and len(reply) > 500
    again = commands.obey(b'{"id": 8, "do": "c8"}', False)
    assert len(again) < 300 and len(done) == 9
    commands.obey(b'{"id": 0, "do": "c0"}', False)  # the ninth before it: forgotten
    assert len(done) == 10


NESTED = b"[" * 4000  # as lists 200 KB and more


def hold_all_but(n_bytes):
    """-> what holds the rest of the heap."""
    held = []
    gc.collect()
    while gc.mem_free() > n_bytes:
        held.append(bytearray(n_bytes // 4))
    return held


def test_bug_an_acknowledgement_that_memory_does_not_hold_ended_each_connection():
    umqtt()
    from transport.mqtt import Mqtt

    class Spool:
        device = "d"

    mqtt = Mqtt(Spool(), url="mqtt://broker")
    held = hold_all_but(100000)
    mqtt.received(b"motelog/d/ack", memoryview(NESTED), False)
    assert mqtt.ignored == 1 and held


def test_bug_a_command_that_memory_does_not_hold_ended_each_connection():
    commands = Commands(None)
    held = hold_all_but(100000)
    assert b"not done" in commands.obey(memoryview(NESTED), False) and held
