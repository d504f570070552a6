"""The producer: takes frames out of one driver and puts them into its ring, without allocating."""

import asyncio

from app.ring import BUS, FIFO, NO_ANCHOR, RING


class Sampler:
    """Drains ``driver`` into ``ring`` in blocks of ``block_frames`` frames.

    Interrupts are hints and may get lost, so the fill level is polled, at least twice per FIFO length. While the ring
    is full, frames are left in the chip as long as it has room: that is more buffer, for nothing.
    """

    def __init__(self, driver, ring, clock, block_frames):
        self.driver = driver
        self.ring = ring
        self.clock = clock
        self.block_frames = block_frames
        self.bus_errors = 0
        self.last_error = None
        self._bus_failing = False
        self._lost = 0
        self._hold_frames = driver.fifo_frames * 3 // 4
        frames = min(block_frames, max(1, driver.fifo_frames // 4))
        self.period_ms = max(2, int(frames * 1000 / driver.rate_hz))

    def drain(self, least):
        """Move frames while at least ``least`` of them wait in the chip; heap-free. -> frames left there. Raises
        OSError when the bus fails."""
        driver = self.driver
        ring = self.ring
        clock = self.clock
        waiting = driver.available()
        clock.tick()
        while waiting >= least and waiting > 0:
            if ring.full() and waiting < self._hold_frames:
                break
            view = ring.claim()
            got = driver.readinto(view)
            lost = driver.lost - self._lost
            if lost > 0:
                self._lost += lost
                ring.lose(lost, BUS if self._bus_failing else FIFO)
            if got <= 0:
                break
            waiting -= got
            if got < self.block_frames and waiting > 0:
                # It stopped in front of a loss: how far "ahead" reaches is not known. Ask the chip again.
                ring.commit(got, clock.lo, clock.hi, NO_ANCHOR, view)
                waiting = driver.available()
                clock.tick()
            else:
                ring.commit(got, clock.lo, clock.hi, waiting, view)
        self._bus_failing = False
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

    async def run(self):
        """Poll for ever; end by cancelling."""
        while True:
            self.try_drain(self.block_frames)
            await asyncio.sleep_ms(self.period_ms)

    def stop(self, left):
        """Stop the sensor. ``left``: frames that the last drain left in it, lost now (None: the bus failed)."""
        driver = self.driver
        cause = BUS if self._bus_failing else FIFO
        if left:
            self.ring.lose(left, RING)
        try:
            driver.stop()
        except OSError as error:
            self._bus_failed(error)
        self.ring.lose(driver.lost - self._lost, cause)
        self._lost = driver.lost
