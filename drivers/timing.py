"""Time arithmetic for the drivers: no result above 30 bits, so nothing here allocates on a 32-bit port."""

try:
    from time import sleep_ms, ticks_us
except ImportError:  # CPython, where the drivers run in tests
    import time

    def sleep_ms(ms):
        time.sleep(ms / 1000)

    def ticks_us():
        return time.monotonic_ns() // 1000 & 0x3FFFFFFF


__all__ = ("Meter", "muldiv", "sleep_ms", "ticks_diff", "ticks_us")

_LONGEST = 1 << 27  # longest single interval that is measured, in clock ticks
_ENOUGH = 1 << 28  # past this sum the older half of the memory fades


def ticks_diff(end, start):
    """-> microseconds from ``start`` to ``end``, -2**29 .. 2**29 - 1: for any clock that counts modulo 2**30, or
    further.

    (The Unix port's own ``time.ticks_diff`` wraps only at 2**62, and so does not fit a clock made to behave like a
    board's.)
    """
    diff = (end - start) & 0x3FFFFFFF
    return diff if diff < 0x20000000 else diff - 0x20000000 - 0x20000000


def muldiv(a, b, c):
    """-> a * b / c rounded to nearest, without a wide product. 0 <= a, b, result < 2**30, 0 < c < 2**29."""
    whole = b // c
    rest = b % c
    q = 0
    r = 0
    bit = 1 << 29
    while bit > a:
        bit >>= 1
    while bit:
        q <<= 1
        r <<= 1
        if r >= c:
            r -= c
            q += 1
        if a & bit:
            q += whole
            r += rest
            if r >= c:
                r -= c
                q += 1
        bit >>= 1
    return q + 1 if r + r >= c else q


class Meter:
    """How many frames a clock's ticks stand for: the nominal ratio at first, the measured one once it is known better.

    Only intervals without any loss may be added, and each must begin where the one before ended (so that the
    uncertainty of one frame at either end does not add up).
    """

    def __init__(self, ticks, frames, trusted=32, slack=-1):
        """The nominal rate: ``frames`` in ``ticks`` (< 2**29). It holds until ``trusted`` frames were measured, and for
        as long as it is within ``slack`` frames of what was measured."""
        self._nominal_ticks = ticks
        self._nominal_frames = frames
        self._trusted = trusted
        self._slack = slack
        self.reset()

    def reset(self):
        """Forget what was measured."""
        self.ticks = 0
        self.frames = 0

    def add(self, ticks, frames):
        """``frames`` came in ``ticks``, none lost."""
        if not 0 < ticks < _LONGEST or frames < 0:
            return
        if self.ticks + ticks > _ENOUGH:
            half = self.frames >> 1
            self.ticks = muldiv(self.ticks, half, self.frames) if half else 0
            self.frames = half
        self.ticks += ticks
        self.frames += frames

    def frames_in(self, ticks):
        """-> frames made in ``ticks`` (0 .. 2**30 - 1), rounded."""
        if self._is_nominal():
            return muldiv(ticks, self._nominal_frames, self._nominal_ticks)
        return muldiv(ticks, self.frames, self.ticks)

    def ticks_in(self, frames):
        """-> ticks that ``frames`` take (0 .. 2**30 - 1), rounded."""
        if self._is_nominal():
            return muldiv(frames, self._nominal_ticks, self._nominal_frames)
        return muldiv(frames, self.ticks, self.frames)

    def _is_nominal(self):
        if self.frames < self._trusted:
            return True
        off = muldiv(self.ticks, self._nominal_frames, self._nominal_ticks) - self.frames
        return -self._slack <= off <= self._slack
