"""A sensor with an oscillator of its own, and the world around the sampler: what is true is known here to the
microsecond. For MicroPython.
"""

import math
import random

MASK = 0x3FFFFFFF


class Oscillator:
    """Frame k is made at `t(k)` us. The rate is `ratio` times the nominal one and drifts by `drift` in all over
    `span_s`: steadily ("ramp"), or up and down again ("swing").
    """

    def __init__(self, nominal_hz, ratio, drift, span_s, shape, start_us):
        self.period_us = 1e6 / (nominal_hz * ratio)
        self._drift = drift
        self._frames = span_s * 1e6 / self.period_us
        self._is_ramp = shape == "ramp"
        self._start_us = start_us

    def t(self, k):
        x = k / self._frames
        if self._is_ramp:
            warp = self._drift * (x * x - x) / 2
        else:
            warp = self._drift * (1 - math.cos(2 * math.pi * x)) / (4 * math.pi)
        return self._start_us + self.period_us * (k + self._frames * warp)


class World:
    """The time, one sensor (contract: Driver; one-byte-channel frames without content) and its interrupt pin.

    The program spends time by `pass_us`; the interrupt is served `latency` after its edge, but not while the program is
    at work on the bus (`is_busy`): then right behind.
    """

    IRQ_RISING = 1
    frame_bytes = 2
    held = 0

    def __init__(self, oscillator, rate_hz, fifo_frames=256, watermark=0, outliers=0.01):
        self.oscillator = oscillator
        self.rate_hz = rate_hz
        self.fifo_frames = fifo_frames
        self.watermark = watermark
        self.now = 0.0
        self.lost = self.overruns = 0
        self._outliers = outliers
        self._made = 0
        self._next_us = oscillator.t(0)
        self._read = 0
        self._handler = None
        self._served_us = []
        self._was_high = False

    # Time

    def ticks_us(self):
        return int(self.now) & MASK

    def pass_us(self, us):
        """Frames are made meanwhile, interrupts asked for, and served."""
        end = self.now + us
        while self._next_us <= end or (self._served_us and self._served_us[0] <= end):
            if self._served_us and self._served_us[0] <= self._next_us:
                self.now = max(self.now, self._served_us.pop(0))
                self._handler(None)
            else:
                self.now = max(self.now, self._next_us)
                self._made += 1
                self._next_us = self.oscillator.t(self._made)
                self._watch()
        self.now = max(self.now, end)

    def late_us(self):
        """A soft interrupt's latency, or a task's."""
        us = 40 - 80 * math.log(1 - random.random())
        if random.random() < self._outliers:
            us += 60000 * random.random() + 1000
        if random.random() < self._outliers / 4:
            us += 60000
        return us

    # The pin

    def irq(self, handler, trigger, hard=False):
        if hard:
            raise TypeError("extra keyword arguments given")
        self._handler = handler

    def _watch(self):
        is_high = 0 < self.watermark <= self._made - self._read
        if is_high and not self._was_high and self._handler:
            self._served_us.append(self.now + self.late_us())
            self._served_us.sort()
        self._was_high = is_high

    # The driver

    def available(self):
        self.pass_us(200)
        level = self._made - self._read
        self.pass_us(120 - 30 * math.log(1 - random.random()))
        return min(level, self.fifo_frames)

    def produced(self):
        return self._made

    def readinto(self, buf):
        missing = self._made - self._read - self.fifo_frames
        if missing > 0:
            self.lost += missing
            self.overruns += 1
            self._read += missing
        n = min(len(buf) // self.frame_bytes, self._made - self._read)
        self._read += n
        self._watch()
        self.pass_us(25 * 12 * n)
        return n
