"""FIFO drivers of chips that have a clock of their own, driven by the oscillator that drives the sampling."""

from drivers.fifo import FifoDriver
from drivers.timing import muldiv, sleep_ms, ticks_diff, ticks_us

_HALF_AROUND = 1 << 29
_STRIKES = 3  # contradictions after which the chip's clock is not believed any more
_DROP_POWER = 4  # 16 packets make room
_NEARLY = 8  # packets by which a FIFO may be full before it holds what it should
_LOOKS = 5  # statuses read until one is clear
_TRIES = 6  # bursts read until one is good
_FLUSH_AT = 3  # ... and from which on the FIFO starts anew


class ClockedFifo(FifoDriver):
    """The driver contract for a chip that says how many packets wait and what its clock shows.

    The samples stand on a grid: one every ``period`` ticks of the chip's clock. Each status, for as long as nothing
    was lost, narrows down where on that grid the last sample lies (``_low`` .. ``_high`` ticks before the status); so
    after an overflow the number of lost frames is known, mostly to the frame. Where it is known to one frame only, and
    where the chip's clock contradicts the samples or stands still (then the host's clock is asked), ``lost_exact``
    turns False. A clock alone never makes a loss: there must have been an overflow, or the possibility of one.

    What is read while the chip overwrites it may be torn: such a burst is dropped, and so are the oldest packets of a
    FIFO that is full, to make room, and at last all of them. All that counts as lost, in front of the next frame.

    A chip's class has ``_set_up()``, ``_halt()`` and ``_flush()`` as FifoDriver says, and

    - ``_status()``: read level, flags and clock; set ``_level``, ``_flagged`` (the FIFO is or was full), ``_ticks``
      (24 bits), and ``_late``, ``_early``: the clock may have been read so many ticks behind or ahead of the level;
    - ``_alive()`` -> is the chip still set up? ``_GARBAGE``: packets at the start that are none;
    - ``_inspect(n)`` -> packets kept of a burst of ``n``; the others were never made.
    """

    _GARBAGE = 0

    _MASK = 0xFFFFFF

    def _prepare_clock(self, period, tick_us):
        """``period``: ticks per sample; ``tick_us``: nominal."""
        self._period = period
        self._wrap_us = round(16777216 * tick_us)
        self._dead_us = max(200000, 8 * self._half_us)
        self._ticks = self._late = self._early = 0
        self._fresh = True
        self._running = False

    def start(self):
        """Begin with a chip set up anew, an empty FIFO and all counters at 0."""
        super().start()
        self._strikes = 0
        self._suspect = False  # the last transfer of packets broke off
        self._fresh = True  # no frame has come yet
        self._skip = self._GARBAGE
        self._forget()
        self._reference_ticks = 0
        self._running = True

    def stop(self):
        """Sensors and FIFO off. What the FIFO held is gone; counters, and frames that were read already, stay."""
        self._running = False
        super().stop()

    def _forget(self):
        """Know nothing of the grid."""
        self._low = 0
        self._high = self._period

    def available(self):
        """-> frames waiting; asks the chip."""
        self._raise_kept()
        if self._burst:
            self._settle()
        else:
            self._ask()
        self._produced = self._counted + self._level
        if self._doubt:
            self._produced = max(self._produced, self._reference_frames + self._most())
        return self._filled - self._next + self._level

    def _fetch(self):
        """Read one burst -> False when nothing waits in the chip, or the chip is faster than the bus."""
        tries = 0
        while True:
            if self._burst:
                self._settle()
                if self._filled:
                    return True
            if tries == _TRIES:
                return False
            tries += 1
            if not self._level or self._doubt:
                self._ask()
            if self._flagged:
                if tries == _FLUSH_AT:
                    self._flush()
                    self._skip = self._GARBAGE
                elif self._level + _NEARLY >= self.fifo_frames:
                    self._take(self._bursts[_DROP_POWER], 1 << _DROP_POWER)
                self._ask()
            if self._doubt:
                continue  # the size of a loss comes first, then the frames behind it
            if not self._level:
                return False
            power = 0
            while power < _DROP_POWER and 2 << power <= self._level:
                power += 1
            self._take(self._bursts[power], 1 << power)
            self._burst = 1 << power

    def _read_straight(self, buf, n):
        """Packets that are frames, right into the caller's buffer -> frames."""
        self._take(buf, n)
        self._burst = n
        us = self._us
        try:
            self._settle()
        except OSError as error:
            self._error = error
            if self._burst:  # not judged yet
                self._burst = 0
                if self._level + n + self._clock.frames_in(max(0, ticks_diff(ticks_us(), us))) + 2 > self.fifo_frames:
                    self._doubt = self._suspect = True  # nobody knows whether it is whole: lost
                    return 0
                self._counted += n
                self._handed += n
                return n
        n = self._filled
        if self._found:
            self._lose(self._marks[1])
        self._filled = self._found = 0
        self._handed += n
        return n

    def _take(self, view, n):
        try:
            self._registers.read_into(self._DATA, view)
        except OSError:
            self._suspect = self._doubt = True
            self._level = 0
            raise
        self._level = max(0, self._level - n)

    def _settle(self):
        """Look at the status behind a burst: is the burst good, and what is missing in front of it?"""
        n = self._burst
        before = self._level + n
        self._filled = self._next = self._found = self._mark = 0
        us = self._us
        self._look()
        if self._strikes < _STRIKES and not self._doubt and not self._fresh:
            since = self._most() + self._reference_frames - self._counted - before + 1
        else:
            since = self._clock.frames_in(max(0, ticks_diff(self._us, us))) + 2
        self._burst = 0
        if self._flagged or before + since > self.fifo_frames:
            self._doubt = True  # it may have been overwritten while it was read
        else:
            good = self._inspect(n)
            self._reference_frames -= n - good
            self._counted += good
            self._filled = good
            if self._ahead and good:
                self._marks[0] = 0
                self._marks[1] = self._ahead
                self._found = 1
                self._ahead = 0
        self._account()

    def _ask(self):
        self._look()
        self._account()

    def _look(self):
        self._status()
        self._us = ticks_us()
        if self._skip and self._level and not self._burst:
            self._take(self._bursts[0], 1)
            self._skip -= 1

    # The account

    def _account(self):
        """Hold the last status against the clocks."""
        have = self._counted + self._level - self._reference_frames
        if self._flagged:
            self._doubt = True
            if not self._overrun and self._least() > have:
                self._overrun = True
                self.overruns += 1
            return
        if not self._running:
            self._level = 0
        elif not self._level and ticks_diff(self._us, self._reference_us) > self._dead_us and not self._alive():
            self._revive()
        elif self._doubt:
            self._size_loss()
        elif self._fresh:
            self._fresh = not have
            self._refer()
        elif have:
            self._clock.add(ticks_diff(self._us, self._reference_us), have)
            self._narrow(have)
            self._refer()

    def _size_loss(self):
        """Some frames since the reference are accounted for; all that were made besides are lost."""
        looks = 0
        while self._least() != self._most() and looks < _LOOKS:
            sleep_ms(1)  # a frame comes at this very moment, or has come: ask again when that is over
            self._look()
            if self._flagged:
                return
            looks += 1
        have = self._counted + self._level - self._reference_frames
        least = self._least()
        most = self._most()
        if have < least or self._overrun and have < most:
            made = (least + most) // 2
            lost = made - have
            if not self._suspect and not self._overrun:
                self.overruns += 1
            self._ahead += lost
            self._counted += lost
            if least != most or self._strikes >= _STRIKES:
                self.lost_exact = False
                self._forget()
            else:
                self._narrow(made)
        elif have <= most:
            self._narrow(have)
        else:
            self._forget()
        self._refer()
        self._doubt = self._overrun = self._suspect = False

    def _ticks_since(self):
        """-> ticks of the chip's clock since the reference; the host's clock counts how often it wrapped."""
        ticks = (self._ticks - self._reference_ticks) & self._MASK
        us = ticks_diff(self._us, self._reference_us)
        if us < 0:  # the host's clock has gone more than half around
            us = us + _HALF_AROUND + _HALF_AROUND
        if us > self._wrap_us >> 1:
            wraps = (us - muldiv(ticks, self._wrap_us, 1 << 24) + (self._wrap_us >> 1)) // self._wrap_us
            ticks += max(0, wraps) << 24
        return ticks

    def _least(self):
        """-> frames made since the reference, at least."""
        if self._strikes >= _STRIKES:
            return self._by_host()
        return max(0, (self._low + self._ticks_since() - self._late) // self._period)

    def _most(self):
        """-> frames made since the reference, at most."""
        if self._strikes >= _STRIKES:
            return self._by_host()
        return max(0, (self._high + self._ticks_since() + self._early) // self._period)

    def _by_host(self):
        return self._clock.frames_in(max(0, ticks_diff(self._us, self._reference_us)))

    def _narrow(self, made):
        """``made`` frames came since the reference: what does that say of the grid?"""
        ticks = self._ticks_since() - made * self._period
        low = max(-self._early, self._low + ticks)
        high = min(self._period + self._late, self._high + ticks)
        if low > high:
            if self._strikes < _STRIKES:
                self._strikes += 1
            self._forget()
        else:
            self._low = low
            self._high = high

    def _refer(self):
        """Count frames and ticks from the last status on."""
        self._reference_frames = self._counted + self._level
        self._reference_ticks = self._ticks
        self._reference_us = self._us

    def _revive(self):
        """The chip lost its supply and with it everything: set it up anew."""
        self._set_up()
        self._look()
        lost = max(0, self._by_host() - (self._counted - self._reference_frames))
        self._ahead += lost
        self._counted += lost
        self.lost_exact = False
        self._doubt = self._overrun = self._suspect = self._flagged = False
        self._level = 0
        self._forget()
        self._refer()
