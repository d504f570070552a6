"""The producer: takes frames out of one driver and puts them into its ring, without allocating."""

import asyncio
from time import ticks_diff, ticks_ms

from app.anchors import Anchors
from app.ring import BUS, FIFO, RING
from app.seek import Seek

MASK = 0xFFFFFFF
PATIENCE_MS = 2000  # so long at least no frames may come before a sensor is set up anew


class Sampler:
    """Drains ``driver`` into ``ring`` in blocks of ``block_frames`` frames.

    Interrupts are hints and may get lost, so the fill level is polled, at least twice per FIFO length. While the ring
    is full, frames are left in the chip as long as it has room: that is more buffer, for nothing.
    """

    def __init__(self, driver, ring, clock, block_frames, edge=None):
        self.driver = driver
        self.ring = ring
        self.anchors = Anchors(clock, driver.rate_hz, edge)
        self.block_frames = block_frames
        self.bus_errors = 0
        self.restarts = 0
        self.last_error = None
        self._bus_failing = False
        self._lost = 0  # of driver.lost, what the ring knows
        self._handed = 0  # frames given to the ring, as data or as losses, since the driver was started; modulo 2**28
        self._before = 0  # frames made before that
        self._made = 0  # frames made since then, when the sensor was last seen alive ...
        self._alive_ms = 0  # ... which was then
        self._tried_ms = 0  # when it was started last
        self._hold_frames = driver.fifo_frames * 3 // 4
        frames = min(block_frames, max(1, driver.fifo_frames // 4))
        self.period_ms = max(2, int(frames * 1000 / driver.rate_hz))
        self.seek = Seek(self.anchors, frames, driver.rate_hz)
        self._patience_ms = max(PATIENCE_MS, int(driver.fifo_frames * 1000 / driver.rate_hz))

    def drain(self, least):
        """Move frames while at least ``least`` of them wait in the chip; heap-free. -> frames left there. Raises
        OSError when the bus fails."""
        driver = self.driver
        ring = self.ring
        anchors = self.anchors
        waiting = self._look()
        while waiting >= least and waiting > 0:
            if ring.full() and waiting < self._hold_frames:
                break
            view = ring.claim()
            got = driver.readinto(view)
            lost = driver.lost - self._lost
            if lost > 0:
                self._lost += lost
                self._handed = (self._handed + lost) & MASK
                ring.lose(lost, BUS if self._bus_failing else FIFO)
            if got <= 0:
                break
            self._handed = (self._handed + got) & MASK
            waiting -= got
            # More made than handed on and waiting: a loss is still to come, and with it the newest frame's number
            is_certain = (self._made - self._handed) & MASK == waiting
            anchors.place(lost, got, waiting if is_certain else -1)
            ring.commit(got, anchors.lo, anchors.hi, anchors.ahead, view, anchors.late)
            if got < self.block_frames and waiting > 0:  # it stopped in front of that loss: ask again
                waiting = self._look()
        anchors.rest(driver, waiting)
        self._bus_failing = False
        return waiting

    def _look(self):
        """Ask the chip. -> frames that wait in it."""
        driver = self.driver
        waiting = driver.available()
        self.anchors.look(waiting)
        if waiting:
            self._alive_ms = ticks_ms()
            self._made = driver.produced()
        return waiting

    def try_drain(self, least):
        """``drain``, with a failing bus noted instead of raised (-> None): what the chip still holds comes with a later
        call.
        """
        try:
            return self.drain(least)
        except OSError as error:
            self._bus_failed(error)
            self._bus_failing = True

    def _bus_failed(self, error):
        self.bus_errors += 1
        self.last_error = str(error)

    def produced(self):
        """-> frames that the sensor made, by its own account, up to the last drain: the ledger's ``expected``."""
        return self._before + self.driver.produced()

    def lost_exact(self):
        """-> False when the number of lost frames had to be estimated by the clock, at any time."""
        return self.driver.lost_exact and not self.restarts

    def start(self):
        """Start the sensor. A failing bus is noted: ``run`` tries again."""
        self._alive_ms = self._tried_ms = ticks_ms()
        try:
            self.driver.start()
        except OSError as error:
            self._bus_failed(error)

    def revive(self):
        """Start a sensor again that gave no frames for longer than its memory lasts."""
        now = ticks_ms()
        if ticks_diff(now, self._alive_ms) > self._patience_ms and ticks_diff(now, self._tried_ms) > PATIENCE_MS:
            self._tried_ms = now
            self._restart()

    def _restart(self):
        """Set up anew a sensor that vanished or lost its settings. What it made meanwhile the clock estimates."""
        frames = int(self.driver.rate_hz) + 1  # about a second of them, by the rate that was measured
        missed = int(ticks_diff(ticks_ms(), self._alive_ms) * 1000 * frames / self.anchors.timebase.duration(frames))
        try:
            self.driver.start()
        except OSError as error:
            self._bus_failed(error)
            return
        self._lose_rest(missed, BUS)
        self._before += self._made + missed
        self._made = self._handed = self._lost = 0
        self._alive_ms = ticks_ms()
        self.restarts += 1

    def _lose_rest(self, more, cause):
        """What the sensor made and nobody got is lost, and ``more``."""
        lost = ((self._made - self._handed) & MASK) + more
        self.anchors.skip(lost)
        self.ring.lose(lost, cause)

    async def run(self):
        """Poll for ever; end by cancelling."""
        seek = self.seek
        while True:
            self.try_drain(self.block_frames)
            self.revive()
            await asyncio.sleep_ms(seek.pause_ms(self.period_ms))
            seek.meet()

    def stop(self):
        """Stop the sensor. Frames that it made up to the last drain, and that were not taken, are counted as lost,
        whatever the driver does.
        """
        self._made = self.driver.produced()
        self._lose_rest(0, BUS if self._bus_failing else RING)
        try:
            self.driver.stop()
        except OSError as error:
            self._bus_failed(error)
