"""machine.Pin of the virtual board: levels are shared by everything that names the same pin."""

import micropython

_lines = {}
interrupts = 0  # how many have happened


class _Line:
    """One pin of the chip: its level, who drives it, and who wants to know."""

    def __init__(self):
        self.level = 0
        self.watchers = []  # called as watcher(level) after a change
        self.handler = None
        self.trigger = 0
        self.hard = False
        self.pin = None


def line(number):
    """The line of a pin number, made at first use."""
    found = _lines.get(number)
    if found is None:
        found = _lines[number] = _Line()
    return found


def drive(number, level):
    """A chip, or the program, sets a pin's level; an interrupt handler hears of the edge.

    A soft handler goes to the scheduler's queue; when that is full the interrupt is dropped without a word, as on the
    real ports.
    """
    at = line(number)
    if level == at.level:
        return
    at.level = level
    for watcher in at.watchers:
        watcher(level)
    global interrupts
    if at.handler is None or not at.trigger & (Pin.IRQ_RISING if level else Pin.IRQ_FALLING):
        return
    interrupts += 1
    if at.hard:
        at.handler(at.pin)
        return
    try:
        micropython.schedule(at.handler, at.pin)
    except RuntimeError:
        pass


def fall_asleep():
    """Nobody serves interrupts any more."""
    for at in _lines.values():
        at.handler = None


class Pin:
    """As machine.Pin: `Pin(id, mode=-1, pull=-1, *, value=None)`."""

    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=0, alt=-1, hold=False):
        if isinstance(id, Pin):
            id = id._id
        self._id = self.number = id
        self._line = line(id)
        self._mode = mode
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=0, alt=-1, hold=False):
        """Set mode, pull and level."""
        if mode != -1:
            self._mode = mode
        if pull == Pin.PULL_UP and self._mode == Pin.IN and not self._line.watchers:
            self._line.level = 1
        if value is not None:
            self.value(value)

    def value(self, level=None):
        """The level, or set it."""
        if level is None:
            return self._line.level
        drive(self._id, 1 if level else 0)

    def __call__(self, level=None):
        return self.value(level)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    high = on
    low = off

    def toggle(self):
        self.value(1 - self._line.level)

    def mode(self, mode=None):
        """The mode, or set it."""
        if mode is None:
            return self._mode
        self._mode = mode

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, *, priority=1, wake=None, hard=False):
        """Call `handler(pin)` on the edges in `trigger`; None stops it."""
        at = self._line
        at.pin = self
        at.trigger = trigger
        at.hard = hard
        at.handler = handler
        return self

    def __repr__(self):
        return f"Pin({self._id})"
