"""Shipping by MQTT against brokers that behave and brokers that do not, on real MicroPython with the real umqtt.

Each case shows that nothing is acknowledged that the collector did not answer for, and that everything is acknowledged
exactly once when broker and collector behave again.
"""

import json

import pytest

from tests.tools.board_libs import board_libs
from tests.tools.micropython import SEARCH_PATH
from tests.transport import naughty_mqtt as naughty
from tests.transport.conftest import Bench
from tests.transport.evil_mqtt import EVIL
from tests.transport.naughty_mqtt import DEVICE, Broker, ack, cut, puback, publish
from tests.transport.test_https import TIMEOUTS_S, errors

TIMEOUT_S = 1  # where a wait ends in one
MANY = 100  # names
PATIENCE_S = (0.2, 2, 10)  # longer on a machine too busy for the first


class MqttBench(Bench):
    """Ships `Files` by MQTT."""

    def ship(self, files, url, mqtt=None, **options):
        return super().ship(files, url, mqtt=mqtt or {}, **options)


@pytest.fixture
def bench(micropython, tmp_path, authority):  # noqa: F811
    bench = MqttBench(micropython, tmp_path, authority)
    bench.env = {"MICROPYPATH": f"{board_libs('umqtt/robust')}:{SEARCH_PATH}"}
    return bench


def complete(files, result, broker):
    """Everything is at the collector, with the right bytes, and was acknowledged once each."""
    assert result["left"] == 0
    assert sorted(e for e in result["events"] if e[0] == "ack") == files.acks
    assert broker.stored.keys() == {name for name, _ in files.names}
    for name, parts in files.names:
        assert broker.stored[name] == b"".join(files.content["/" + part[0]] for part in parts)
    return True


def test_good_broker_gets_everything_once_and_in_order(bench):
    files = bench.files(40)
    with Broker() as broker:
        result = bench.ship(files, broker.url)
    assert complete(files, result, broker) and result["events"] == files.acks
    assert [name for name, _, _ in broker.seen] == [name for name, _ in files.names]
    assert not any(dup for _, _, dup in broker.seen) and result["status"]["connections"] == 1


def test_tls_and_big_segments_within_the_heap_and_without_holding_up_the_board(bench, tls):  # noqa: F811
    files = bench.files(2, 1_000_000)
    with Broker(tls=tls) as broker:
        result = bench.ship(files, broker.url, mqtt={"max_message_kb": 1024}, tick=True, collect=True)
    assert complete(files, result, broker)
    assert result["heap"] < 24 * 1024 + 12 * 1024  # TLS and its context take the rest


def test_a_big_segment_takes_24_kb_at_most(bench):
    files = bench.files(2, 1_000_000)
    with Broker() as broker:
        result = bench.ship(files, broker.url, mqtt={"max_message_kb": 1024}, tick=True, collect=True)
    assert complete(files, result, broker) and result["heap"] < 24 * 1024


@pytest.mark.parametrize("name", EVIL)
def test_evil_broker_is_named_and_loses_nothing(bench, name):
    behaviour, kind, words = EVIL[name]
    files = bench.files(3)
    for timeout_s in TIMEOUTS_S if kind == "timeout" else [60]:
        with Broker([behaviour]) as broker:
            result = bench.ship(files, broker.url, timeout_s=timeout_s, tick=True)
        assert complete(files, result, broker)
        first, message = errors(result)[0]
        if words in message:
            break
    assert first == kind and words in message
    assert kind != "timeout" or message.endswith(f" took longer than {timeout_s * 1000} ms")


async def held_puback(server, session):
    """Takes all of a window before it acknowledges, in reverse order, twice, with forged ids among them."""
    await session.welcome(server)
    await session.subscribed()
    messages = [await session.publish() for _ in range(4)]
    for message in reversed(messages):
        free = message.pid + 100
        await session.say(puback(free) + puback(message.pid) + puback(message.pid) + puback(0) + puback(65535))
    for message in messages[1:] + messages[:1]:
        payload = naughty.collector(server, message)
        await session.say(publish(DEVICE + "ack", payload, pid=7) + publish(DEVICE + "ack", payload, pid=7, dup=True))
    await naughty.obey_on(server, session)


def test_acknowledgements_that_are_reordered_doubled_and_forged(bench):
    files = bench.files(10)
    with Broker([held_puback]) as broker:
        result = bench.ship(files, broker.url)
    assert complete(files, result, broker) and errors(result) == []
    assert len(broker.seen) == 10


async def forged_acks(server, session):
    """PUBACKs everything, acknowledges in ways that are none, then goes: nothing of it may count."""
    await session.welcome(server)
    await session.subscribed()
    for _ in range(2):
        message = await session.publish()
        good = json.loads(ack(message.payload))
        wrong = [
            {"sha256": "0" * 64}, {"sha256": None}, {"sha256": good["sha256"][:-1]}, {"name": "wrist-01/x/imu-000000"},
            {"name": None}, {"name": ["a"]}, {"status": "201"}, {"status": None}, {"status": 201.0}, {"why": 3},
        ]  # fmt: skip
        texts = [json.dumps(good | change).encode() for change in wrong] + [b"", b"{", b"[]", b"null", b"\xff", b"[["]
        await session.say(b"".join(publish(DEVICE + "ack", text) for text in texts))
        await session.say(publish(DEVICE + "ack", json.dumps(good).encode(), retain=True))
        await session.say(publish("motelog/wrist-02/ack", json.dumps(good).encode()))
        await session.say(publish(DEVICE + "ack", json.dumps(good | {"why": "x" * 9999}).encode(), pid=8))
        await session.say(puback(message.pid))


def test_forged_acknowledgements_change_nothing(bench):
    files = bench.files(2)
    with Broker([forged_acks] * 2) as broker:
        result = bench.ship(files, broker.url, mqtt={"patience_s": 0.2})
    assert complete(files, result, broker)  # the good one, which comes after these, was asked for both
    assert result["conflicts"] == result["refused"] == {} and len(broker.connects) > 2


def test_no_ack_of_the_collector_is_named_and_sent_again_after_its_deadline(bench):
    async def deaf(server, session):
        """A broker without a collector."""
        await session.welcome(server)
        await session.subscribed()
        for _ in range(6):
            await session.say(puback((await session.publish()).pid))
        await naughty.obey_on(server, session)

    files = bench.files(3)
    for patience_s in PATIENCE_S:
        with Broker([deaf]) as broker:
            result = bench.ship(files, broker.url, mqtt={"patience_s": patience_s})
        assert complete(files, result, broker)
        if result["status"]["failures"] == 2:
            break
    assert {error[0] for error in errors(result)} == {"timeout"} and "no collector acknow" in errors(result)[0][1]
    assert result["status"]["failures"] == 2 and result["status"]["connections"] == 1
    assert not any(dup for _, _, dup in broker.seen)  # new messages, each with its own id


def test_one_lost_acknowledgement_is_no_failure(bench):
    async def loses_one(server, session):
        await session.welcome(server)
        await session.subscribed()
        await session.say(puback((await session.publish()).pid))
        await naughty.obey_on(server, session)

    files = bench.files(3)
    for patience_s in PATIENCE_S:
        with Broker([loses_one]) as broker:
            result = bench.ship(files, broker.url, mqtt={"patience_s": patience_s})
        assert complete(files, result, broker)
        if not errors(result):
            break
    assert errors(result) == []


@pytest.mark.parametrize(("present", "status"), [(False, "new"), (True, "dup")])
def test_what_was_not_acknowledged_is_sent_again(bench, present, status):
    """In the old session with its old id and DUP (4.4), in a new one as new."""
    seen = []

    async def takes_and_goes(server, session):
        await session.welcome(server)
        await session.subscribed()
        seen.extend([await session.publish() for _ in range(3)])

    files = bench.files(3)
    with Broker([takes_and_goes], present=present) as broker:
        result = bench.ship(files, broker.url)
    assert complete(files, result, broker)
    assert [dup for _, _, dup in broker.seen] == [present] * 3
    if present:
        assert [pid for _, pid, _ in broker.seen] == [message.pid for message in seen]


def test_an_acknowledgement_that_came_while_we_were_away_saves_sending(bench):
    """The board has restarted: it knows the collector's word by name and hash only."""
    async def at_once(server, session):
        await session.welcome(server)
        for payload in early:
            await session.say(publish(DEVICE + "ack", payload, pid=5))
        await naughty.obey_on(server, session)

    early = []
    files = bench.files(3)
    with Broker() as broker:
        broker.default = naughty.serve(collect_only(early))
        bench.ship(files, broker.url, mqtt={"ack": "broker"})
    assert len(early) == 3
    early[1] = early[1].replace(b'"sha256": "', b'"sha256": "0')[:-1] + b"}"
    with Broker([at_once]) as broker:
        result = bench.ship(files, broker.url)
    assert result["left"] == 0 and sorted(result["events"]) == files.acks
    assert [name for name, _, _ in broker.seen] == [files.names[1][0]]


def collect_only(acks):
    async def behaviour(server, session):
        await session.welcome(server)
        await session.subscribed()
        while True:
            message = await session.publish()
            acks.append(ack(message.payload))
            await session.say(puback(message.pid))

    return behaviour


def test_with_ack_broker_its_word_is_enough(bench):
    files = bench.files(10)
    acks = []
    with Broker() as broker:
        broker.default = naughty.serve(collect_only(acks))
        result = bench.ship(files, broker.url, mqtt={"ack": "broker"})
    assert result["left"] == 0 and result["events"] == files.acks and len(acks) == 10


@pytest.mark.parametrize(
    ("status", "kind"), [(409, "conflicts"), (400, "refused"), (413, "refused"), (422, "refused"), (424, "refused")]
)
def test_what_the_collector_does_not_take(bench, status, kind):
    files = bench.files(2)
    with Broker(status=status) as broker:
        until = None if kind == "conflicts" else {"refused": 2, "here": lambda: len(broker.seen) > 2}
        result = bench.ship(files, broker.url, until=until)
    assert result["left"] == 2 and sorted(result[kind]) == [name for name, _ in files.names]
    assert all(f"({status}: because)" in reason for reason in result[kind].values())
    assert len(broker.seen) == 2 if kind == "conflicts" else len(broker.seen) > 2


@pytest.mark.parametrize(("status", "cause"), [(507, "disk_full"), (503, "collector_down"), (401, "credentials")])
def test_what_concerns_all_ends_the_round(bench, status, cause):
    files = bench.files(2)
    with Broker(status=status) as broker:
        result = bench.ship(files, broker.url, until={"failures": 1})
    assert result["left"] == 2 and errors(result)[0][0] == "refused" and str(status) in errors(result)[0][1]
    assert result["status"]["cause"] == cause and result["status"]["connections"] == 1


def test_cut_at_every_offset(bench):
    """In CONNECT, SUBSCRIBE, the head, the manifest, the data, the sidecar and between, in one drain."""
    offsets = [*range(0, 200, 9), *range(200, 4000, 160), *range(4000, 4600, 40)]
    bench.heap = "1M"
    files = bench.files(60)
    with Broker([cut(offset) for offset in offsets], present=True) as broker:
        result = bench.ship(files, broker.url)
    assert complete(files, result, broker)
    assert {error[0] for error in errors(result)} == {"link lost"}
    assert broker.connections == len(offsets) + 1


def test_half_open_in_the_middle(bench):
    files = bench.files(2)
    plan = [cut(offset, "stall") for offset in (30, 150, 1000, 5000)]
    with Broker(plan) as broker:
        result = bench.ship(files, broker.url, timeout_s=TIMEOUT_S)
    assert complete(files, result, broker) and {error[0] for error in errors(result)} == {"timeout"}


def test_ping_when_idle_and_a_broker_that_does_not_answer_it(bench):
    async def mute(server, session):
        """Good, but for PINGREQ."""
        await session.welcome(server)
        await session.subscribed()
        while True:
            first, _ = await session.packet()
            server.pings += first == 0xC0

    files = bench.files(0)
    with Broker([mute] * 999) as broker:
        until = {"here": lambda: broker.pings and broker.connections > 1, "said": "PINGREQ took longer"}
        bench.ship(files, broker.url, mqtt={"keepalive_s": 1}, timeout_s=TIMEOUT_S, until=until, runs=True)
    assert broker.pings and broker.connections > 1


def test_commands_and_replies(bench):
    def command(number, line, **options):
        return publish(DEVICE + "command", json.dumps({"id": number, "do": line}).encode(), **options)

    asked = [
        command("a", "stop", pid=1), command("a", "stop", pid=1, dup=True), command(2, "refuse", pid=2),
        command("r", "reboot", pid=3, retain=True), command("f", "fail", pid=4), command("l" * 65, "stop", pid=5),
        publish(DEVICE + "command", b"stop", pid=6), publish(DEVICE + "command", b'{"id": 1, "do": 2}', pid=7),
        command("big", "x" * 9000, pid=8), command("z", "label tea", pid=9),
    ]  # fmt: skip

    async def commanding(server, session):
        await session.welcome(server)
        await session.subscribed()
        for number, one in enumerate(asked):
            await session.say(one)
            ids = set()
            while len(server.replies) <= number or not ids:
                first, body = await session.packet()
                if first & 0xF0 == 0x30:
                    await session.say(naughty.server_answer(server, naughty.parse(first, body), 99))
                elif first == 0x40:
                    ids.add(int.from_bytes(body, "big"))
            assert ids == {int.from_bytes(one[-2:], "big")} or len(ids) == 1
        await naughty.obey_on(server, session)

    with Broker([commanding]) as broker:
        until = {"here": lambda: len(broker.replies) == len(asked)}
        result = bench.ship(bench.files(0), broker.url, until=until, runs=True)
    done = [event[1] for event in result["events"] if event[0] == "do"]
    assert done == ["stop", "refuse", "fail", "label tea"]
    replies = [(reply["id"], reply["ok"]) for reply in broker.replies]
    nothing = (None, False)
    assert replies == [("a", True), ("a", True), (2, False), ("r", False), ("f", False), nothing, nothing, nothing,
                       nothing, ("z", True)]  # fmt: skip
    texts = [reply["text"] for reply in broker.replies]
    assert texts[0] == texts[1] == "did stop" and "retain" in texts[3] and "4096" in texts[8]


def test_status_is_retained_and_the_will_says_offline(bench):
    files = bench.files(1)
    with Broker() as broker:
        bench.ship(files, broker.url, report={"state": "recording", "n": 1})
    assert broker.status == [(True, {"state": "recording", "n": 1})]
    connect = broker.connects[0]
    flags = connect[7]
    assert flags & 0x02 == 0 and flags & 0x04 and flags & 0x20 and flags >> 3 & 3 == 1  # session kept; will retained
    assert b"motelog-wrist-01" in connect and connect.endswith(DEVICE.encode() + b'status\0\x14{"state": "offline"}')


def test_a_file_that_cannot_be_read_costs_only_itself(bench):
    files = bench.files(3)
    name, parts = files.names[1]
    (files.folder / parts[0][0].replace("/", "_")).write_bytes(b"short")
    with Broker() as broker:
        result = bench.ship(files, broker.url, until={"left": 1, "refused": 1})
    assert result["left"] == 1 and list(result["refused"]) == [name] and "cannot be read" in result["refused"][name]
    assert sorted(broker.stored) == [files.names[0][0], files.names[2][0]]


def test_more_than_the_largest_message_is_not_sent(bench):
    files = bench.files(1, 20000)
    with Broker() as broker:
        result = bench.ship(files, broker.url, mqtt={"max_message_kb": 16}, until={"refused": 1})
    assert "max_message_kb" in result["refused"][files.names[0][0]] and broker.seen == []


def test_cancelled_in_the_middle_nothing_stays_open(bench):
    files = bench.files(1, 3_000_000)

    async def slow(server, session):
        await session.welcome(server)
        await session.subscribed()
        session.reader._transport.pause_reading()
        await server.stall()

    with Broker([slow]) as broker:
        until = {"here": lambda: broker.stalls}
        result = bench.ship(files, broker.url, mqtt={"max_message_kb": 4096}, until=until, timeout_s=60, runs=True)
    assert result["left"] == 1 and result["events"] == [] and result["sockets"] == [1, 0]


def test_many_names_without_a_barrier(bench):
    bench.heap = "1M"  # for what the test itself notes
    files = bench.files(MANY, 200)
    with Broker() as broker:
        result = bench.ship(files, broker.url)
    assert complete(files, result, broker) and result["events"] == files.acks


def test_a_broker_that_sends_more_than_it_takes(bench):
    async def floods(server, session):
        await session.welcome(server)
        await session.subscribed()
        session.reader._transport.pause_reading()
        while True:
            await session.say(b"".join(publish(DEVICE + "ack", b"x", pid=pid) for pid in range(1, 400)))

    files = bench.files(1, 3_000_000)
    with Broker([floods]) as broker:
        result = bench.ship(files, broker.url, mqtt={"max_message_kb": 4096})
    assert complete(files, result, broker)
    assert errors(result)[0][0] == "garbage" and "more than it waits for" in errors(result)[0][1]


def test_nothing_is_acknowledged_before_its_last_byte_is_out(bench):
    async def hasty(server, session):
        await session.welcome(server)
        await session.subscribed()
        await session.take(5000)
        session.reader._transport.pause_reading()
        await session.say(b"".join(puback(pid) for pid in range(1, 9)))
        await server.stall()

    files = bench.files(1, 7_000_000)  # more than Linux keeps for a socket
    with Broker() as broker:
        broker.default = naughty.serve(hasty)
        until = {"here": lambda: broker.stalls, "said": "sending took longer"}
        mqtt = {"max_message_kb": 8192, "ack": "broker"}
        result = bench.ship(files, broker.url, mqtt=mqtt, until=until, timeout_s=0.3)
    assert result["left"] == 1 and {event[:2] == ["error", "timeout"] for event in result["events"]} == {True}
