"""machine.Timer and machine.RTC of the virtual board."""

import micropython
from clock import NEVER, Event
from hardware import board


class Timer(Event):
    """As machine.Timer: `Timer(id=-1, *, mode=PERIODIC, period=ms, freq=Hz, callback=None, hard=False)`."""

    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id=-1, **how):
        super().__init__()
        board.clock.add(self)
        self._period_us = 0
        self._callback = None
        if how:
            self.init(**how)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, tick_hz=1000, callback=None, hard=False):
        """Start it."""
        if freq <= 0 and period <= 0:
            raise ValueError("a timer needs freq or period")
        self._period_us = int(1000000 / freq) if freq > 0 else period * 1000000 // tick_hz
        self._periodic = mode == Timer.PERIODIC
        self._callback = callback
        self._hard = hard
        self.due = board.clock.now() + self._period_us
        self._next = self.due

    def deinit(self):
        """Stop it."""
        self.due = NEVER

    def fire(self):
        """Call back, from the scheduler unless `hard`; plan the next time."""
        if self._periodic:
            self._next += self._period_us
            self.due = self._next
        if self._callback is None:
            return
        if self._hard:
            self._callback(self)
            return
        try:
            micropython.schedule(self._callback, self)
        except RuntimeError:
            pass  # the queue is full: this tick is lost, as on the real ports


class RTC:
    """As machine.RTC. Every object is the same clock, which starts at 2000-01-01 unless the world sets it."""

    def __init__(self, id=0):
        pass

    def datetime(self, when=None):
        """(year, month, day, weekday, hours, minutes, seconds, microseconds), or set it."""
        import time

        if when is None:
            us = board.rtc_us()
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(us // 1000000)
            return (year, month, day, weekday, hour, minute, second, _part(us % 1000000))
        year, month, day, _, hour, minute, second, us = when
        board.set_rtc_us(time.mktime((year, month, day, hour, minute, second)) * 1000000 + us)

    def memory(self, data=None):
        """The bytes that outlive deep sleep and resets, at most 2048, or set them."""
        if data is None:
            return board.life.memory
        if len(data) > 2048:
            raise ValueError("buffer too long")
        board.life.memory = bytes(data)


def _part(us):
    """The last number of datetime(): whole seconds only on rp2, on stm32 a counter that counts down."""
    if board.port == "esp32":
        return us
    return 255 - us * 256 // 1000000 if board.port == "stm32" else 0
