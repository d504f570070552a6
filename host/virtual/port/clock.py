"""The virtual board's time and events: one clock that everything else reads, real or virtual.

`now()` is microseconds since boot, as a plain int. On the virtual clock time passes only when something waits or
takes time (a sleep, a bus transfer, a flash operation), and 1 us for every look at the time, so that a loop that
waits for a deadline ends. For a while after a network socket had to wait for the other side (`follow_wall`), or when
nothing at all is planned, the virtual clock follows the wall, so that network deadlines mean what they say. On the
real clock time passes by itself, and `stall()` really blocks.

An `Event` has a due time; devices (timers, interrupt pins) subclass it. Events happen in order of time, at their
exact time on the virtual clock; on the real clock as soon as the program sleeps, polls or ends a bus transfer.
"""

import utime

NEVER = 1 << 61
SLICE_US = 1000  # real waiting is done in such pieces
FOLLOW_US = 50000  # a program that waits for the network asks again sooner than that


class Event:
    """Something that happens at `due` (us since boot, NEVER = not planned): `fire()` is called once and may plan the
    next. `asleep`: it goes on while the board is in deep sleep.
    """

    asleep = False

    def __init__(self):
        self.due = NEVER

    def fire(self):
        raise NotImplementedError


class Clock:
    """See the module. `virtual`: which of the two."""

    def __init__(self, virtual):
        self.virtual = virtual
        self.still_us = 0  # of the time, the program's tick counter stood still
        self._wall_until = 0
        self._now = 0
        self._boot = utime.ticks_us()
        self._events = []
        self._firing = False

    def now(self):
        """Microseconds since boot."""
        if self.virtual:
            return self._now
        return utime.ticks_us() - self._boot

    def look(self):
        """The time for the program: on the virtual clock looking costs 1 us."""
        if self.virtual:
            self._now += 1
            return self._now - self.still_us
        return utime.ticks_us() - self._boot - self.still_us

    def follow_wall(self):
        """The network keeps the program waiting: the virtual clock follows the wall for the next 50 ms."""
        self._wall_until = self.now() + FOLLOW_US

    def add(self, event):
        """Take an event into account from now on."""
        self._events.append(event)

    def remove(self, event):
        """Forget an event; one that is not there is fine."""
        if event in self._events:
            self._events.remove(event)

    def fall_asleep(self):
        """The board's own devices are switched off; what is wired to it goes on."""
        self._events = [event for event in self._events if event.asleep]

    def next_due(self):
        """When the next event is due, NEVER if none is planned."""
        due = NEVER
        for event in self._events:
            if event.due < due:
                due = event.due
        return due

    def busy(self, us):
        """A bus transfer of `us` microseconds: on the real clock it takes the time that it takes."""
        if self.virtual:
            self._pass(self._now + us)
        else:
            self._fire_until(self.now())

    def stall(self, us):
        """The program is held up for `us` microseconds, on either clock."""
        self.wait_until(self.now() + us)

    def wait_until(self, t_us):
        """Let time pass until `t_us`; events happen meanwhile."""
        while self.step(t_us):
            pass

    def step(self, t_us):
        """Let time pass until `t_us` or until an event has happened, whichever is first. -> False once `t_us` is
        reached.
        """
        due = min(t_us, self.next_due())
        if self.virtual and self._now >= self._wall_until and due < NEVER:
            self._pass(max(due, self._now))
        else:
            self._wall_slice(min(due, self._wall_until) if self.virtual and due < NEVER else due)
        return self.now() < t_us

    def _wall_slice(self, t_us):
        """Really wait, at most one slice and not beyond `t_us`."""
        before = utime.ticks_us()
        us = min(SLICE_US, t_us - self.now())
        if us > 0:
            utime.sleep_us(us)
        if self.virtual:
            self._pass(self._now + max(utime.ticks_us() - before, 1))
        else:
            self._fire_until(self.now())

    def _pass(self, t_us):
        """Virtual time goes on to `t_us`; events happen at their time."""
        self._fire_until(t_us)
        if self._now < t_us:
            self._now = t_us

    def _fire_until(self, t_us):
        """Let what is due by `t_us` happen, in order. A handler that waits does not nest a second round."""
        if self._firing:
            return
        self._firing = True
        try:
            while True:
                first = None
                for event in self._events:
                    if event.due <= t_us and (first is None or event.due < first.due):
                        first = event
                if first is None:
                    return
                if self.virtual and self._now < first.due:
                    self._now = first.due
                first.due = NEVER
                first.fire()
        finally:
            self._firing = False
