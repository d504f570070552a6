"""HTTPS: the link, the collector and its disk fail, in every place of a connection."""

from collections import Counter

import pytest

from tests.chaos import truth
from tests.chaos.collector import POINTS, Mortal, Receiver
from tests.chaos.wire import Chance, Cut, Wire, sweep

HANDSHAKE = 22  # RFC 8446 section 5.1: the type of a TLS record
DATA = 23


def test_cut_in_every_record_of_a_connection(board, authority):
    """ClientHello, server's flight, Finished; head, first and last bytes of the body, answer; in 100 connections."""
    plan = sweep(range(10), range(10))
    files = board.record(190)
    with Receiver(board.out, authority) as receiver, Wire(receiver.port, "tls", plan) as wire:
        said = board.https(wire.port)
    truth.delivered(said, board.out, files)
    truth.flat(said)
    assert Counter(fault for fault, _ in wire.hits) == Counter(plan)
    for way in ("up", "down"):
        kinds = [kind for fault, kind in wire.hits if fault.way == way]
        assert kinds.count(HANDSHAKE) >= 5 and kinds.count(DATA) >= 10, kinds
    assert {cause for _, cause, _ in said.errors} <= {"link", "collector_down"}, said.errors


@pytest.mark.parametrize("micropython", ["64-bit"], indirect=True)
@pytest.mark.parametrize("how", ["stall", "swallow"])
def test_half_open_in_every_record_of_a_connection(board, authority, how):
    plan = sweep((0, 2, 4, 5), (0, 2, 4, 6), ("middle", "after"), (how,))
    files = board.record(30)
    with Receiver(board.out, authority) as receiver, Wire(receiver.port, "tls", plan) as wire:
        said = board.https(wire.port, timeout_s=0.4)
    truth.delivered(said, board.out, files)
    assert Counter(fault for fault, _ in wire.hits) == Counter(plan)
    assert {kind for kind, _, _ in said.errors} == {"timeout"}


def test_what_was_held_up_arrives_when_the_board_has_given_up_and_sends_it_again(board, authority):
    plan = sweep((3, 4, 5, 6), (5, 6, 7), ("before", "middle"), (0.6,))
    files = board.record(30)
    with Receiver(board.out, authority) as receiver, Wire(receiver.port, "tls", plan) as wire:
        said = board.https(wire.port, timeout_s=0.3)
    truth.delivered(said, board.out, files)
    assert wire.hits and said.errors


@pytest.mark.parametrize("micropython", ["64-bit"], indirect=True)
@pytest.mark.parametrize("point", POINTS)
def test_a_collector_killed_between_write_and_acknowledgement(board, authority, tmp_path, point):
    files = board.record(20)
    plan = [(point, 4), (point, 1), (point, 7)]
    with Mortal(board.out, tmp_path, plan, authority) as collector:
        said = board.https(collector.port)
    truth.delivered(said, board.out, files)
    assert collector.deaths == 3 and {cause for _, cause, _ in said.errors} <= {"link", "collector_down"}


def test_a_disk_that_is_full_for_a_while(board, authority):
    files = board.record(10)
    with Receiver(board.out, authority) as receiver:
        receiver.is_full = True
        said = board.https(receiver.port, drain_s=1)
        truth.kept(said, "disk_full", board.flash, files)
        receiver.is_full = False
        truth.delivered(board.https(receiver.port), board.out, files)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_one_record_in_a_hundred_is_cut_off_over_500_segments(board, authority, seed):
    files = board.record(500, 64)
    with Receiver(board.out, authority) as receiver, Wire(receiver.port, "tls", default=Chance(seed, 0.01)) as wire:
        said = board.https(wire.port, drain_s=280)
    truth.delivered(said, board.out, files)
    truth.flat(said)
    assert len(wire.hits) >= 5


@pytest.mark.slow
def test_every_record_of_the_first_two_dozen(board, authority):
    plan = sweep(range(24), range(24))
    files = board.record(1200, 32)
    with Receiver(board.out, authority) as receiver, Wire(receiver.port, "tls", plan) as wire:
        said = board.https(wire.port, drain_s=280)
    truth.delivered(said, board.out, files)
    assert len(wire.hits) == len(plan) and isinstance(wire.hits[0][0], Cut)
