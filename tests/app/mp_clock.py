"""The 64-bit clock: monotonic over the wraps of ticks_us, and no allocation."""

import time

import micropython

from app.clock import Clock, join, rtc_fix


class Ticks:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now & 0x3FFFFFFF


def test_it_goes_on_over_wraps():
    ticks = Ticks(0x3FFFFF00)
    clock = Clock(ticks)
    start = clock.t_us()
    for step in range(1, 40):
        ticks.now += 600_000_000  # ten minutes: more than one wrap in two steps
        assert clock.t_us() - start == step * 600_000_000


def test_it_stands_still_when_the_ticks_do():
    clock = Clock(Ticks(5))
    assert clock.t_us() == clock.t_us() == 5


def test_join():
    assert join(5, 0) == 5 and join(0, 1) == 1 << 30 and join(0x3FFFFFFF, 3) == (1 << 32) - 1


def test_tick_needs_no_heap():
    clock = Clock()
    micropython.heap_lock()
    try:
        for _ in range(100):
            clock.tick()
    finally:
        micropython.heap_unlock()


def test_an_unset_rtc_gives_no_fix():
    import app.clock as module

    class Unset:
        gmtime = staticmethod(lambda *args: (2000, 1, 1, 0, 0, 0, 5, 1))
        time = staticmethod(lambda: 0)

    real = module.time
    module.time = Unset
    try:
        assert rtc_fix(1) is None
    finally:
        module.time = real


def test_a_set_rtc_gives_a_fix_in_utc():
    t_us, utc_us, uncertainty_us, source = rtc_fix(77)
    assert t_us == 77 and source == "rtc" and uncertainty_us == 1000000
    year = time.gmtime(utc_us // 1000000 + (time.gmtime(0)[0] == 2000) * -946684800)[0]
    assert year == time.gmtime()[0]


def test_what_the_counter_missed_is_made_up_for():
    ticks = Ticks(0x3FFFFF00)
    clock = Clock(ticks)
    true = start = clock.t_us()
    for skipped in (0, 1, 1000, 0x3FFFFFFF, 0x40000000, 3600_000_000, 86400_000_000):
        ticks.now += 1234567
        true += 1234567 + skipped
        clock.skip(skipped)
        assert clock.t_us() == true and clock.ticks_us() == true & 0x3FFFFFFF
    assert true - start > 86400_000_000
