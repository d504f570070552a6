"""Arithmetic that stays inside 30 bits."""

import random

import micropython

from drivers.timing import Meter, muldiv, ticks_diff


def test_muldiv_is_exact_and_rounds():
    random.seed(4)
    for bits in (1, 4, 10, 20, 28):
        for _ in range(300):
            a = random.getrandbits(bits)
            c = random.getrandbits(28) + 1
            b = random.getrandbits(30)
            want = (2 * a * b + c) // (2 * c)
            if want < 1 << 30:
                assert muldiv(a, b, c) == want, (a, b, c)


def test_muldiv_at_the_edges():
    assert muldiv(0, 5, 3) == 0 and muldiv(5, 0, 3) == 0
    assert muldiv((1 << 30) - 1, (1 << 28) - 1, (1 << 28) - 1) == (1 << 30) - 1
    assert muldiv(1, 1, 2) == 1 and muldiv(1, 1, 3) == 0


def test_muldiv_and_meter_need_no_heap():
    meter = Meter(512000000, 6667)
    micropython.heap_lock()
    try:
        muldiv((1 << 30) - 1, (1 << 28) - 1, (1 << 28) - 1)
        for _ in range(50):
            meter.add(100_000_000, 900)
            meter.frames_in((1 << 30) - 1)
    finally:
        micropython.heap_unlock()


def test_meter_is_nominal_until_it_has_seen_enough():
    meter = Meter(1000000, 100)
    meter.add(110000, 10)
    assert meter.frames_in(1000000) == 100
    meter.add(330000, 30)
    assert meter.frames_in(1100000) == 100
    meter.reset()
    assert meter.frames_in(1000000) == 100


def test_meter_with_slack_is_nominal_until_it_is_contradicted():
    meter = Meter(1000000, 100, slack=1)
    meter.add(4000000, 401)
    assert meter.frames_in(400000000) == 40000 and meter.ticks_in(40000) == 400000000
    meter.add(4000000, 401)
    assert meter.frames_in(400000000) == 40100 and abs(meter.ticks_in(40100) - 400000000) <= 1
    meter.reset()
    meter.add(4000000, 398)
    assert meter.frames_in(400000000) == 39800


def test_meter_follows_a_rate_that_changes():
    meter = Meter(1000000, 100)
    for _ in range(1000):
        meter.add(1000000, 90)
    assert abs(meter.frames_in(10000000) - 900) <= 1
    for _ in range(3000):
        meter.add(1000000, 110)
    assert abs(meter.frames_in(10000000) - 1100) <= 2


def test_meter_leaves_out_what_it_cannot_hold():
    meter = Meter(1000000, 100)
    meter.add(1 << 28, 5)
    meter.add(-1, 5)
    assert (meter.ticks, meter.frames) == (0, 0)


def test_ticks_diff_over_the_wrap():
    last = 0x3FFFFFFF
    assert ticks_diff(4, last) == 5 and ticks_diff(last, 4) == -5 and ticks_diff(7, 7) == 0
    assert ticks_diff(0x1FFFFFFF, 0) == 0x1FFFFFFF and ticks_diff(0x20000000, 0) == -0x20000000
    assert ticks_diff((1 << 40) + 3, (1 << 40) - 3) == 6  # a clock that wraps later
    micropython.heap_lock()
    try:
        for _ in range(3):
            ticks_diff(last, 0)
            ticks_diff(0, last)
            ticks_diff(0x20000000, 0)
    finally:
        micropython.heap_unlock()
