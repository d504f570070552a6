"""A 64-bit microsecond clock from MicroPython's ticks_us, which wraps after 17.9 minutes."""

import time

_MASK = 0x3FFFFFFF  # ticks_us counts modulo 2**30 on every port that runs on a board


class Clock:
    """Monotonic time since boot as two small integers, so that reading it never allocates on a 32-bit port.

    ``tick()`` reads the hardware and must run at least once per 17.9 minutes (every drain does it); ``lo`` (0 ..
    2**30-1 us) and ``hi`` (wraps seen) then hold the time, ``t_us()`` joins them. Where the counter stood still in
    light sleep, ``skip`` makes up for it. The clock is never stepped: see clock fixes.
    """

    def __init__(self, ticks_us=time.ticks_us):
        self._ticks_us = ticks_us
        self._behind = 0  # minus what the counter missed, modulo 2**30: a difference of two such numbers is a small int
        self.fixes = []  # what others said of the time lately (app/fixes.py)
        self.hi = 0
        self.lo = ticks_us() & _MASK

    def tick(self):
        """Take the time now into ``lo`` and ``hi``."""
        lo = self._ticks_us() - self._behind & _MASK
        if lo < self.lo:
            self.hi += 1
        self.lo = lo

    def ticks_us(self):
        """-> ``lo`` of the time now; for interrupts, which must not touch the rest."""
        return self._ticks_us() - self._behind & _MASK

    def skip(self, us):
        """The counter stood still for so long."""
        self.tick()
        self.hi += us >> 30
        self._behind = self._behind - us & _MASK

    def t_us(self):
        """-> the time now in us since boot (may allocate: not for the sampling path)."""
        self.tick()
        return join(self.lo, self.hi)


def join(lo, hi):
    """-> the 64-bit time of a (lo, hi) pair, in us."""
    return hi << 30 | lo


def rtc_fix(t_us):
    """-> a clock fix ``[t_us, utc_us, uncertainty_us, source]`` from the RTC, or None while the RTC is plainly unset.

    A MicroPython RTC counts whole seconds and may have been set by hand: its uncertainty is given as 1 s.
    """
    year = time.gmtime()[0]
    if not 2025 <= year < 2100:
        return None
    seconds = time.time()
    if time.gmtime(0)[0] == 2000:  # this port counts from 2000-01-01
        seconds += 946684800
    return [t_us, int(seconds) * 1000000, 1000000, "rtc"]
