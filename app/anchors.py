"""Which frame was the newest when: one anchor per drain, from the poll or, when that is tighter, from the interrupt."""

from app.ring import NO_ANCHOR
from app.timebase import MASK, TimeBase, plus


class Anchors:
    """The sampler's eye on time. Per drain: `look` when the fill level was read, `place` for each block, `rest` at the
    end. None of these allocates.

    After `place`, the block's anchor stands in `lo`, `hi`, `ahead`, `late`, as `BlockRing.commit` wants it.
    """

    def __init__(self, clock, rate_hz, edge=None):
        self.timebase = TimeBase(rate_hz)
        self.lo = self.hi = 0
        self.ahead = NO_ANCHOR
        self.late = 0
        self._clock = clock
        self._edge = edge
        self._age = -1  # of the interrupt before the look; -1: none
        self._behind = 0  # frames that came between the two
        self._is_fresh = False  # the look has no block yet
        self._last = MASK  # number, modulo 2**30, of the last frame read ...
        self.newest = MASK  # ... and of the newest one seen

    def look(self, waiting):
        """The fill level was read: so many frames wait."""
        self._clock.tick()
        self._is_fresh = True
        edge = self._edge
        if edge is not None:
            self._age = edge.age_us(self._clock.lo, waiting, self.timebase)
            self._behind = waiting - edge.level

    def place(self, lost, got, left):
        """A block of `got` frames, with `lost` ones in front of it, was read; `left` of the frames seen wait behind it,
        -1 when nobody knows.
        """
        self._last = plus(self._last, lost + got)
        self.ahead = NO_ANCHOR
        if not self._is_fresh or left < 0:
            return
        self._is_fresh = False
        clock = self._clock
        timebase = self.timebase
        self.newest = newest = plus(self._last, left)
        edge_late = MASK
        if self._age >= 0 and not lost:
            self.lo = (clock.lo - self._age) & MASK
            self.hi = clock.hi - (self.lo > clock.lo)
            edge_late = timebase.add((newest - self._behind) & MASK, self.lo, self.hi)
        late = timebase.add(newest, clock.lo, clock.hi)
        if edge_late < late:
            self.ahead = left - self._behind
            self.late = edge_late
        else:
            self.ahead = left
            self.late = late
            self.lo = clock.lo
            self.hi = clock.hi

    def skip(self, n_frames):
        """About so many frames are lost: a new time line, with the rate of the old one."""
        self._last = plus(self._last, n_frames)
        self.timebase.restart()

    def rest(self, driver, left):
        """The drain is over; `left` frames wait. A look without a block leaves no anchor, but it teaches."""
        if self._is_fresh:
            self._is_fresh = False
            self.newest = plus(self._last, left)
            self.timebase.add(self.newest, self._clock.lo, self._clock.hi)
        if self._edge is not None:
            self._edge.arm(left, driver.held)

    def now(self):
        """-> the time, modulo 2**30 us."""
        self._clock.tick()
        return self._clock.lo
