"""MQTT through a real Mosquitto to the real collector: each of the two links, the broker, the collector and its disk
fail.
"""

import functools
import gc
from collections import Counter

import aiomqtt
import pytest

from tests.chaos import truth
from tests.chaos.collector import POINTS, Mortal, Receiver
from tests.chaos.wire import Chance, Cut, Doubled, Swapped, Wire, sweep
from tests.tools import mosquitto
from tests.tools.mosquitto import Mosquitto
from tests.transport.certificates import Authority

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x80, 0x90
pytestmark = pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET)
only_64_bit = pytest.mark.parametrize("micropython", ["64-bit"], indirect=True)


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


def all_hit(wire, plan):
    """Each fault came to pass, once."""
    return Counter(fault for fault, _ in wire.hits) == Counter(plan)


def kinds(wire, way):
    return {kind & 0xF0 for fault, kind in wire.hits if fault.way == way}


def test_cut_in_every_packet_of_the_boards_link(board, authority, broker):
    """CONNECT, SUBSCRIBE, PUBLISH; CONNACK, SUBACK, PUBACK and the collector's acknowledgement; in 71 connections."""
    first = Cut("down", 1)  # the SUBACK: later, what the broker has kept for the session may come before it
    plan = [first, *sweep(range(6), range(8))]
    files = board.record(260)
    with Receiver(board.out, authority, broker.port), Wire(broker.port, "mqtt", plan) as wire:
        said = board.mqtt(wire.port)
    truth.delivered(said, board.out, files)
    truth.flat(said)
    assert all_hit(wire, plan)
    assert kinds(wire, "up") >= {CONNECT, SUBSCRIBE, PUBLISH}
    assert kinds(wire, "down") >= {CONNACK, SUBACK, PUBLISH, PUBACK}
    assert {cause for _, cause, _ in said.errors} <= {"link", "collector_down"}, said.errors


FRONT = {  # CONNECT, two SUBSCRIBEs, acknowledgements; CONNACK, two SUBACKs, data
    "some": sweep((0, 1, 3), (0, 3), ("middle",)),
    "all": sweep(range(4), range(5), ("middle", "after")),
}


@only_64_bit
@pytest.mark.parametrize("which", ["some", pytest.param("all", marks=pytest.mark.slow)])
def test_cut_in_the_packets_of_the_collectors_link(board, authority, broker, monkeypatch, caplog, which):
    """The front waits shorter than usual; the board's patience is what most of the time goes to."""
    monkeypatch.setattr("aiomqtt.Client", functools.partial(aiomqtt.Client, timeout=0.3))
    plan = FRONT[which]
    files = board.record(40)
    with Wire(broker.port, "mqtt", plan) as wire, Receiver(board.out, authority, wire.port):
        said = board.mqtt(broker.port, patience_s=0.2)
    truth.delivered(said, board.out, files)
    assert all_hit(wire, plan)
    assert kinds(wire, "up") >= {CONNECT, SUBSCRIBE, PUBLISH} and kinds(wire, "down") >= {CONNACK, PUBLISH}
    gc.collect()  # a future that nobody asked says so when it goes
    assert not [record for record in caplog.records if "never retrieved" in record.getMessage()]


@only_64_bit
@pytest.mark.parametrize("how", ["stall", "swallow"])
def test_half_open_in_every_packet_of_the_boards_link(board, authority, broker, how):
    plan = sweep((0, 1, 2, 4), (0, 1, 2, 3, 5), ("middle", "after"), (how,))
    files = board.record(60)
    with Receiver(board.out, authority, broker.port), Wire(broker.port, "mqtt", plan) as wire:
        said = board.mqtt(wire.port, timeout_s=0.4)
    truth.delivered(said, board.out, files)
    assert all_hit(wire, plan)
    assert {kind for kind, _, _ in said.errors} == {"timeout"}


def test_what_was_held_up_arrives_when_the_board_has_given_up_and_sends_it_again(board, authority, broker):
    plan = sweep((2, 3, 5), (2, 3, 4, 6), ("before", "middle"), (0.6,))
    files = board.record(40)
    with Receiver(board.out, authority, broker.port), Wire(broker.port, "mqtt", plan) as wire:
        said = board.mqtt(wire.port, timeout_s=0.3)
    truth.delivered(said, board.out, files)
    assert wire.hits and said.errors


@pytest.mark.parametrize("change", [Doubled, Swapped])
def test_acknowledgements_that_come_twice_or_in_another_order(board, authority, broker, change):
    files = board.record(60)
    with Receiver(board.out, authority, broker.port), Wire(broker.port, "mqtt", change=change) as wire:
        said = board.mqtt(wire.port, patience_s=60)
    truth.delivered(said, board.out, files)
    assert said.errors == [] and wire.links == 1


@pytest.mark.parametrize("persistence", [True, False])
@only_64_bit
def test_a_broker_killed_again_and_again(board, authority, tmp_path, persistence):
    """-9 in the middle of the data, and started again on its port, with what it had kept or without."""
    files = board.record(120)
    deaths = []
    with Mosquitto(tmp_path / "broker", persistence=persistence) as broker:

        def kill():
            if len(deaths) < 3:
                deaths.append(broker.pid)
                broker.kill()
                broker.start()

        with Receiver(board.out, authority, broker.port), Wire(broker.port, "mqtt", every=(40_000, kill)) as wire:
            said = board.mqtt(wire.port)
    truth.delivered(said, board.out, files)
    truth.flat(said)
    assert len(deaths) == 3 and {cause for _, cause, _ in said.errors} <= {"link", "collector_down"}, said.errors


@only_64_bit
@pytest.mark.parametrize("point", POINTS)
def test_a_collector_killed_between_write_and_acknowledgement(board, authority, broker, tmp_path, point):
    files = board.record(30)
    plan = [(point, 4), (point, 2)]
    with Mortal(board.out, tmp_path, plan, authority, broker_port=broker.port) as collector:
        said = board.mqtt(broker.port, patience_s=0.3)
    truth.delivered(said, board.out, files)
    assert collector.deaths == 2 and {cause for _, cause, _ in said.errors} <= {"collector_down"}


def test_a_disk_that_is_full_for_a_while(board, authority, broker):
    files = board.record(10)
    with Receiver(board.out, authority, broker.port) as receiver:
        receiver.is_full = True
        said = board.mqtt(broker.port, drain_s=1, patience_s=60)
        truth.kept(said, "disk_full", board.flash, files)
        receiver.is_full = False
        truth.delivered(board.mqtt(broker.port), board.out, files)


def test_no_collector_is_named(board, broker):
    files = board.record(5)
    said = board.mqtt(broker.port, drain_s=1.5, patience_s=0.2)
    truth.kept(said, "collector_down", board.flash, files)


@pytest.mark.parametrize("trusted", ["another", "the same"])
def test_a_broker_whose_authority_is_unknown_gets_nothing(board, authority, tmp_path, trusted):
    authority.server()
    pem = max(authority.pem.parent.glob("server-*.pem"), key=lambda path: path.stat().st_mtime)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    files = board.record(3)
    with Mosquitto(tmp_path / "broker", tls=(authority.pem, pem, pem)) as broker:
        ca = str((other if trusted == "another" else authority).der)
        said = board.mqtt(broker.port, scheme="mqtts", drain_s=1, ca=ca, patience_s=0.2)
    truth.kept(said, "certificate" if trusted == "another" else "collector_down", board.flash, files)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_one_packet_in_a_hundred_is_cut_off_over_500_segments(board, authority, broker, seed):
    files = board.record(500, 64)
    random = Chance(seed, 0.01)
    with Receiver(board.out, authority, broker.port), Wire(broker.port, "mqtt", default=random) as wire:
        said = board.mqtt(wire.port, drain_s=280)
    truth.delivered(said, board.out, files)
    truth.flat(said)
    assert len(wire.hits) >= 5
