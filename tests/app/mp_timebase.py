"""The time base by itself: it runs under late anchors, follows drift and steps, wraps, and allocates nothing."""

import random

import micropython

from app.edge import Edge
from app.timebase import MASK, TimeBase, plus

PERIOD_US = 9413.7  # 104 Hz, 2 % fast


def feed(base, n, start_us=0.0, late_us=lambda: 0, first=0, every=32, period_us=PERIOD_US):
    """Anchors of frames first, first + every, ... -> the frame behind them."""
    for i in range(n):
        frame = first + i * every  # no range can count beyond a small integer
        t_us = int(start_us + frame * period_us + late_us())
        base.add(frame & MASK, t_us & MASK, t_us >> 30)
    return first + n * every


def off_us(base, frame, start_us=0.0, period_us=PERIOD_US):
    """-> how far the estimate for a frame is from the truth."""
    truth = start_us + frame * period_us
    return base.until(frame & MASK, int(truth) & MASK) - truth % 1


def test_exact_anchors_give_the_line():
    base = TimeBase(104)
    assert not base.is_known
    frame = feed(base, 200)
    assert base.is_known and abs(off_us(base, frame + 1000)) < 5
    assert abs(base.duration(1000) - 1000 * PERIOD_US) < 2


def test_late_anchors_do_not_move_it():
    random.seed(1)
    base = TimeBase(104)
    frame = feed(base, 400, late_us=lambda: 60000 if random.getrandbits(4) else 0)
    assert abs(off_us(base, frame)) < 20


def test_quality_of_an_anchor_is_its_lateness():
    base = TimeBase(104)
    frame = feed(base, 200)
    t_us = int(frame * PERIOD_US) + 777
    assert abs(base.add(frame, t_us & MASK, t_us >> 30) - 777) < 5


def test_time_and_frame_numbers_wrap():
    start_us = 3.0 * (MASK + 1) - 20e6
    base = TimeBase(104)
    first = MASK + 1 - 2000
    frame = feed(base, 400, start_us - first * PERIOD_US, first=first)
    assert frame > MASK and abs(off_us(base, frame, start_us - first * PERIOD_US)) < 5


def test_nothing_is_forgotten_when_the_clock_wraps():
    """Late anchors behind the place where the window leaves the wrap: the tight ones in front of it still count."""
    start_us = MASK - 20e6
    base = TimeBase(104)
    frame = feed(base, 210, start_us)
    feed(base, 30, start_us, lambda: 5000, frame)
    assert abs(off_us(base, frame, start_us)) < 20


def test_a_step_is_followed():
    """A loss whose length was misjudged by one frame, either way."""
    for step_us in (PERIOD_US, -PERIOD_US):
        base = TimeBase(104)
        frame = feed(base, 300)
        frame = feed(base, 200, start_us=step_us, first=frame)
        assert abs(off_us(base, frame, step_us)) < 20, off_us(base, frame, step_us)


def test_restart_keeps_the_rate_and_forgets_the_place():
    base = TimeBase(104)
    frame = feed(base, 300)
    base.restart()
    assert not base.is_known
    feed(base, 2, start_us=5e6, first=frame)
    assert abs(off_us(base, frame + 1000, 5e6)) < 20


def test_after_a_long_silence_it_begins_anew():
    """Also when it is longer than the clock's 30 bits can tell."""
    for silence_us in (600e6, 1.5 * (MASK + 1), MASK + 5e6):
        base = TimeBase(104)
        frame = feed(base, 300)
        feed(base, 10, start_us=silence_us, first=frame)
        assert abs(off_us(base, frame + 320, silence_us)) < 20, silence_us


def test_rates_from_slow_to_fast():
    random.seed(2)
    for rate_hz, every in ((1.6, 1), (12.5, 8), (1000, 64), (6667, 256), (48000, 1024)):
        period_us = 1e6 / (rate_hz * 0.97)
        base = TimeBase(rate_hz)
        frame = feed(base, 600, every=every, period_us=period_us, late_us=lambda: 30 * random.random())
        assert -5 < off_us(base, frame, period_us=period_us) < 40, rate_hz


def test_sums_stay_small():
    for a, b in ((0, 0), (MASK, 0), (MASK, 1), (MASK, MASK), (5, MASK - 5), (5, MASK - 4)):
        assert plus(a, b) == (a + b) & MASK


def test_no_heap():
    random.seed(3)
    base = TimeBase(104)
    anchors = []
    for i in range(800):
        t_us = int(MASK - 40e6 + i * 32 * PERIOD_US + 9000 * random.random())
        anchors.append(((MASK - 5000 + 32 * i) & MASK, t_us & MASK, t_us >> 30))
    micropython.heap_lock()
    try:
        for i in range(800):
            anchor = anchors[i]
            base.add(anchor[0], anchor[1], anchor[2])
            base.until(anchor[0], anchor[1])
    finally:
        micropython.heap_unlock()


class Pin:
    """A port with soft interrupts only."""

    IRQ_RISING = 1

    def irq(self, handler, trigger, hard=False):
        if hard:
            raise ValueError("hard IRQ not supported")
        self.rise = lambda: handler(self)


class Watched:
    """An edge at 32 frames of 10 ms, and the time that its clock shows."""

    def __init__(self):
        self.now = MASK - 50000
        self.pin = Pin()
        self.edge = Edge(self.pin, 32, lambda: self.now & MASK)
        self.base = TimeBase(100)

    def age_us(self, waiting, held=0, left=0, rise_us=None, look_us=0):
        """Arm with `left` frames waiting; the pin rises `rise_us` later, the next look is at `look_us`."""
        self.edge.arm(left, held)
        start = self.now
        if rise_us is not None:
            self.now = start + rise_us
            self.pin.rise()
        self.now = start + look_us
        return self.edge.age_us(self.now & MASK, waiting, self.base)


def test_a_stamp_that_fits_the_level_is_believed():
    assert Watched().age_us(33, rise_us=320000, look_us=332000) == 12000
    assert Watched().age_us(35, held=2, left=2, rise_us=330000, look_us=342000) == 12000
    assert Watched().age_us(32, rise_us=380000, look_us=381000) == 1000  # late, but true


def test_doubtful_stamps_are_dropped():
    assert Watched().age_us(33, look_us=332000) == -1  # none
    assert Watched().age_us(31, rise_us=5, look_us=312000) == -1  # the level says that there was no edge
    assert Watched().age_us(33, rise_us=5, look_us=332000) == -1  # of an edge before the last drain, served behind it
    assert Watched().age_us(40, left=32, rise_us=320000, look_us=332000) == -1  # the pin was high all the time


def test_the_first_of_several_edges_counts():
    watched = Watched()
    watched.edge.arm(0, 0)
    for _ in range(3):
        watched.now += 10000
        watched.pin.rise()
    assert watched.edge.age_us(watched.now & MASK, 34, watched.base) == 20000


def test_a_hard_interrupt_allocates_nothing():
    class Hard(Pin):
        def irq(self, handler, trigger, hard=False):
            assert hard
            self.rise = handler

    pin = Hard()
    edge = Edge(pin, 32)
    edge.arm(0, 0)
    rise = pin.rise
    micropython.heap_lock()
    try:
        rise(pin)
    finally:
        micropython.heap_unlock()
