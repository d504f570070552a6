"""The grid of samples on a chip's clock: the truth always lies within what the driver thinks, and that gets narrow."""

import random
from time import ticks_add

from drivers.clocked import ClockedFifo

PERIOD = 96


class Chip(ClockedFifo):
    """A sample every PERIOD ticks from ``phase`` on; the clock is read up to ``late`` behind or ``early`` - 1 ahead of
    the level, and cuts off fractions.
    """

    def __init__(self, late, early):
        self._prepare(None, 100, 1, 0, 6, 100000, bytes(range(6)))
        self._prepare_clock(PERIOD, 39.0625)
        self._late = late
        self._early = early
        self.now = 12345.0
        self.phase = self.now + random.random() * PERIOD
        self.start()

    def _set_up(self):
        pass

    def _status(self):
        at = self.now + random.random() * (self._early - 1) - random.random() * self._late
        self._level = int((at - self.phase) // PERIOD) + 1
        self._ticks = int(self.now) & 0xFFFFFF

    def made(self):
        return int((self.now - self.phase) // PERIOD) + 1


def run(late, early, statuses):
    chip = Chip(late, early)
    for _ in range(statuses):
        chip.now += 2 * PERIOD + random.random() * 7 * PERIOD
        chip._look()
        have = chip._level - chip._reference_frames
        assert chip._fresh or chip._least() <= have <= chip._most(), (have, chip._least(), chip._most())
        chip._account()
        since = int(chip.now) - (chip.phase + (chip._level - 1) * PERIOD)
        assert chip._low - 0.01 <= since <= chip._high + 0.01, (chip._low, since, chip._high)
    assert chip._strikes == 0
    return chip._high - chip._low


def test_the_truth_lies_within():
    random.seed(1)
    for late, early in ((0, 1), (0, 12), (15, 1), (9, 9)):
        for _ in range(10):
            width = run(late, early, 200)
            assert width <= late + early + 6, (late, early, width)


def test_a_clock_that_has_nothing_to_do_with_the_samples_is_found_out():
    random.seed(2)
    chip = Chip(0, 1)
    for _ in range(2000):
        chip.now += 3 * PERIOD * 1.01
        chip._look()
        chip._level = int((chip.now - chip.phase) / 1.013 // PERIOD)
        chip._account()
    assert chip._strikes == 3


def test_the_clock_wraps():
    random.seed(3)
    chip = Chip(0, 1)
    for _ in range(40):
        chip.now += 2 * PERIOD + random.random() * 9 * PERIOD
        chip._look()
        chip._account()
    chip.now += (1 << 24) - 5 * PERIOD  # once around, nearly
    chip._us = chip._reference_us
    chip._status()
    have = chip._level - chip._reference_frames
    assert chip._least() <= have <= chip._most()
    chip.now += 20 * PERIOD
    chip._status()
    for _ in range(2):
        chip._us = ticks_add(chip._us, 655360000 // 2)  # the host's clock knows that it went around
    have = chip._level - chip._reference_frames
    assert chip._least() <= have <= chip._most(), (have, chip._least(), chip._most())
