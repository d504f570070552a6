"""When was frame n taken? A causal estimate from anchors, in small integers, without allocating.

An anchor `(frame, time)` says that this frame was the newest in the sensor at that time. Anchors are late, never
early: a poll notices a frame up to one frame period after it was made, an interrupt is served late, once in a while by
60 ms. So the line that is looked for runs *under* the anchors and touches the tightest ones: it is the lower edge of
their convex hull, 12 s back in a window of 48 s. Late anchors do not move it at all, and the window is short
enough for the drift of a sensor's oscillator.
"""

from array import array

from drivers.timing import muldiv

MASK = 0x3FFFFFFF  # frames and microseconds are counted modulo 2**30
POINTS = 24
FIRST_CELL_US = 250000
LAST_CELL_US = 2000000
LEAST_SPAN_US = 1000000  # a shorter line says less about the rate than the data sheet does
LONGEST_US = 1 << 29  # after such a time without anchors the estimate begins anew
LATEST_US = 1 << 16  # what is later counts as so late: products stay below 2**30
NONE = 1 << 29


def plus(a, b):
    """-> a + b modulo 2**30, without a number above."""
    a -= MASK - b
    return a - 1 if a > 0 else a + MASK


class TimeBase:
    """One stream's time line: `add` each anchor; `until` and `duration` look ahead, once `is_known`.

    The tightest anchor of each cell of 2 s (shorter at the start) becomes one of 24 points; with each new one the line
    is drawn anew.
    """

    def __init__(self, rate_hz):
        self._frames = array("i", [0] * POINTS)  # both relative to the origin, which is the oldest point
        self._times = array("i", [0] * POINTS)
        self._late = array("i", [0] * POINTS)
        self._us = 64000000  # the slope: so many microseconds ...
        self._per = max(1, round(64 * rate_hz))  # ... for so many frames
        self._most = max(1, int(rate_hz * 500))  # frames, as LONGEST_US
        self._frame0 = self._lo0 = self._hi0 = 0
        self._at = self._t = 0  # the line goes through frame _at at time _t
        self._best_frame = self._best_t = 0  # the tightest anchor of the open cell ...
        self.restart()

    def restart(self):
        """A new line with the old slope: nobody knows how many frames are missing in between."""
        self._n = 0
        self.is_known = False
        self._cell_us = FIRST_CELL_US
        self._cell_end = 0
        self._best = NONE  # ... and how late it is

    def add(self, frame, lo, hi):
        """`frame` (number modulo 2**30) was the newest at t_us = hi << 30 | lo. -> how late that is by the estimate so
        far, in microseconds; the tightest are at 0 or below.
        """
        f = (frame - self._frame0) & MASK
        t = (lo - self._lo0) & MASK
        if hi - self._hi0 > (lo < self._lo0) or t > LONGEST_US or f > self._most:
            self.restart()
        if not self._n and self._best == NONE:
            self._frame0 = frame
            self._lo0 = lo
            self._hi0 = hi
            self._at = self._t = f = t = 0
        if t >= self._cell_end:
            if self._best != NONE:
                self._close_cell()
                f = (frame - self._frame0) & MASK
                t = (lo - self._lo0) & MASK
            self._cell_end = t + self._cell_us
        late = t - self._line(f)
        if late < self._best and (not self._n or f > self._frames[self._n - 1]):
            self._best = late
            self._best_frame = f
            self._best_t = t
        return late

    def until(self, frame, lo):
        """-> microseconds from the time `lo` until `frame` (number modulo 2**30) is due."""
        return self._line((frame - self._frame0) & MASK) - ((lo - self._lo0) & MASK)

    def duration(self, frames):
        """-> microseconds that so many frames take."""
        return muldiv(frames, self._us, self._per)

    def _line(self, f):
        f -= self._at
        if f < 0:
            return self._t - muldiv(-f, self._us, self._per)
        return self._t + muldiv(f, self._us, self._per)

    def _close_cell(self):
        """The cell's tightest anchor becomes a point."""
        if self._n == POINTS:
            if self._cell_us < LAST_CELL_US:
                self._merge()
            else:
                self._drop()
        self._frames[self._n] = self._best_frame
        self._times[self._n] = self._best_t
        self._n += 1
        self._best = NONE
        self._draw()

    def _merge(self):
        """Make cells twice as long: of two neighbours the tighter point stays."""
        frames = self._frames
        times = self._times
        self._cell_us *= 2
        k = 0
        while 2 * k < POINTS:
            i = 2 * k
            if times[i + 1] - self._line(frames[i + 1]) < times[i] - self._line(frames[i]):
                i += 1
            frames[k] = frames[i]
            times[k] = times[i]
            k += 1
        self._n = k
        self._move_origin()

    def _drop(self):
        """The oldest point goes."""
        frames = self._frames
        times = self._times
        i = 1
        while i < POINTS:
            frames[i - 1] = frames[i]
            times[i - 1] = times[i]
            i += 1
        self._n = POINTS - 1
        self._move_origin()

    def _move_origin(self):
        """Count frames and time from the oldest point on."""
        frames = self._frames
        times = self._times
        f = frames[0]
        t = times[0]
        i = 0
        while i < self._n:
            frames[i] -= f
            times[i] -= t
            i += 1
        self._at -= f
        self._t -= t
        self._best_frame -= f
        self._best_t -= t
        self._frame0 = plus(self._frame0, f)
        if self._lo0 > MASK - t:
            self._hi0 += 1
        self._lo0 = plus(self._lo0, t)

    def _draw(self):
        """Put the line through the two points between which the hull's lower edge passes 3/4 of the window."""
        frames = self._frames
        times = self._times
        late = self._late
        n = self._n
        lowest = 0
        i = 0
        while i < n:
            late[i] = max(-LATEST_US, min(LATEST_US, times[i] - self._line(frames[i])))
            if late[i] < late[lowest]:
                lowest = i
            i += 1
        p = q = lowest
        if times[n - 1] >= LEAST_SPAN_US:
            p = 0
            q = n - 1
            lowest = self._below(p, q)
            while lowest >= 0:
                if 4 * lowest < 3 * n:
                    p = lowest
                else:
                    q = lowest
                lowest = self._below(p, q)
            self._us = times[q] - times[p]
            self._per = frames[q] - frames[p]
        self._at = frames[p]
        self._t = times[p]
        self.is_known = True

    def _below(self, p, q):
        """-> the point that is farthest below the line through p and q, or -1."""
        late = self._late
        times = self._times
        n = self._n
        shift = 0
        while times[n - 1] >> shift > 4095:
            shift += 1
        dx = (times[q] >> shift) - (times[p] >> shift)
        dy = late[q] - late[p]
        found = -1
        deepest = 0
        i = 0
        while i < n:
            depth = (late[i] - late[p]) * dx - dy * ((times[i] >> shift) - (times[p] >> shift))
            if depth < deepest:
                deepest = depth
                found = i
            i += 1
        return found
