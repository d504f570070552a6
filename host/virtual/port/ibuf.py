"""What an I2S port's `ibuf` holds: runs of frame numbers. Frames come in whole DMA blocks; when it is full, some go.

`loses`: "oldest" (ESP32: whole DMA blocks at the front are overwritten) or "newest" (RP2, STM32: what finds no room is
dropped). Nothing here allocates; after MOST_RUNS losses that wait unread, new frames are dropped until one is read.
"""

MOST_RUNS = 64


class Ibuf:
    """`stored`: frames in it; `first`, `run`: number of the oldest one, and how many follow it without a gap; `seen`:
    frames that the port has received.
    """

    def __init__(self, capacity, block=1, loses="oldest"):
        if loses not in ("oldest", "newest"):
            raise ValueError(f'world: an I2S port loses "oldest" or "newest", not {loses}')
        if not 1 <= block <= capacity:
            raise ValueError(f"world: dma_frames {block}: from 1 to the frames that ibuf holds, {capacity}")
        self._capacity = capacity
        self._block = block
        self._loses_newest = loses == "newest"
        # Lists: reading a 64-bit array allocates
        self._firsts = [0] * MOST_RUNS
        self._lengths = [0] * MOST_RUNS
        self._runs = 0
        self.seen = self.stored = self.first = self.run = 0

    def receive(self, made):
        """The sensor has made `made` frames so far: take in the whole blocks among them."""
        seen = self.whole_blocks(made)
        new = seen - self.seen
        if new <= 0:
            return
        first = self.seen
        self.seen = seen
        if self._loses_newest:
            new = min(new, self._capacity - self.stored)
        elif new > self._capacity:
            lost = -(-(new - self._capacity) // self._block) * self._block
            first += lost
            new -= lost
            self.drop(self.stored)
        self._append(first, new)
        if self.stored > self._capacity:
            surplus = self.stored - self._capacity
            self.drop(-(-surplus // self._block) * self._block)

    def whole_blocks(self, frames):
        """`frames`, rounded down."""
        return frames - frames % self._block

    def drop(self, n):
        """The oldest `n` frames leave."""
        self.stored -= n
        while n:
            k = min(n, self._lengths[0])
            self._firsts[0] += k
            self._lengths[0] -= k
            n -= k
            if not self._lengths[0]:
                self._runs -= 1
                for i in range(self._runs):
                    self._firsts[i] = self._firsts[i + 1]
                    self._lengths[i] = self._lengths[i + 1]
        self._show()

    def _append(self, first, n):
        last = self._runs - 1
        if not n or self._runs == MOST_RUNS:
            return
        if last >= 0 and self._firsts[last] + self._lengths[last] == first:
            self._lengths[last] += n
        else:
            self._firsts[self._runs] = first
            self._lengths[self._runs] = n
            self._runs += 1
        self.stored += n
        self._show()

    def _show(self):
        self.first = self._firsts[0] if self._runs else self.seen
        self.run = self._lengths[0] if self._runs else 0
