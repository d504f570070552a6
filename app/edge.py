"""The time stamp of a sensor's watermark interrupt: a hint, held against the fill level before it is believed."""

import time


class Edge:
    """Notes when the FIFO reached `watermark` frames. Producer: the interrupt; consumer: the sampler, which calls `arm`
    behind each drain and `age_us` at the next one.

    It never counts: the pin rises when `level` frames wait, and whether the stamp can be true says the number that
    waits at the next drain. A stamp that is lost or doubtful is not missed, the poll takes its place.
    """

    def __init__(self, pin, watermark, ticks_us=time.ticks_us):
        self.watermark = watermark
        self.level = watermark
        self._ticks_us = ticks_us
        self._lo = 0
        self._is_armed = False
        self._has_stamp = True
        self._pin = pin
        self.listen()

    def listen(self):
        """Serve the pin's interrupt from now on: a sleep that the pin may end puts another handler in its place."""
        try:
            self._pin.irq(self._rise, self._pin.IRQ_RISING, hard=True)
        except (TypeError, ValueError):  # this port serves interrupts from its scheduler, somewhat later
            self._pin.irq(self._rise, self._pin.IRQ_RISING)

    def _rise(self, _):
        """Hard interrupt: the first edge counts, some chips repeat it with every frame."""
        if not self._has_stamp:
            self._lo = self._ticks_us()
            self._has_stamp = True

    def arm(self, left, held):
        """The sampler is done. Of the `left` frames that wait, the driver holds `held` already."""
        self.level = self.watermark + held
        self._is_armed = left < self.level
        self._has_stamp = False

    def age_us(self, lo, waiting, timebase):
        """-> how long before the time `lo`, at which `waiting` frames waited, there were `level`; -1: not known.

        A stamp that is older than the frames behind the watermark account for is that of an edge before the last drain.
        One that is too young came late, which does no harm: the time base knows late anchors.
        """
        behind = waiting - self.level
        if not (self._is_armed and self._has_stamp) or behind < 0:
            return -1
        age = (lo - self._lo) & 0x3FFFFFFF
        longest = timebase.duration(behind + 1)
        return age if age < longest + (longest >> 4) else -1
