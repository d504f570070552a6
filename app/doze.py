"""Light sleep while recording: the sensors fill their FIFOs, the board wakes to empty them."""

import asyncio

LEAST_MS = 50  # a shorter sleep saves nothing


class Doze:
    """`rest` takes the place of a pause in the main loop while `streams` (app.stream.Stream) are recorded and nothing
    else is under way: it stops all tasks. Made when their session has begun.

    `longest_ms`: of one sleep; 0: this board must stay awake while it records.
    """

    def __init__(self, power, streams, stall_ms):
        self._power = power
        self._streams = streams
        self.longest_ms = 0
        if power.can_nap():
            longest = min([_longest_ms(stream, stall_ms) for stream in streams])
            self.longest_ms = longest if longest >= LEAST_MS else 0

    async def rest(self, most_ms):
        """Sleep at most so long, then let all that waits for it be read and written."""
        ms = min(self.longest_ms, most_ms)
        if ms >= LEAST_MS:
            self._power.nap(ms)
        else:
            await asyncio.sleep_ms(ms)
        await asyncio.sleep_ms(0)
        while any([stream.ring.peek() for stream in self._streams]):
            await asyncio.sleep_ms(0)


def _longest_ms(stream, stall_ms):
    """How long a stream can do without the board. A microphone needs its clock: not at all.

    Half of what FIFO and ring hold stays free for what flash and bus hold up, several times `stall_ms` when a segment
    ends; the other half is for what waited before the sleep (one poll's worth) and comes in it. Sensors are up to 7 %
    too fast.
    """
    if stream.info.ext != "npy":
        return 0
    ring = (stream.ring.blocks - 1) * stream.sampler.block_frames
    ms = int(min(stream.driver.fifo_frames, ring) * 900 / stream.driver.rate_hz)
    return ms - max(ms // 2, 2 * stall_ms) - stream.sampler.period_ms
