"""The ring of blocks between a driver and the segment writer.

Contract. One producer (the sampler) calls ``claim`` and ``commit`` or ``lose``; one consumer (the recorder) calls
``peek`` and ``release``. Each side changes only its own index, so the two may interleave at any point. All blocks and
their memoryviews are made once; none of these calls allocates. When the ring is full the newest block is dropped - its
frames are counted, and the loss is noted in front of the next block that gets through: nothing disappears without a
record.
"""

FIFO = 0  # the sensor's own buffer overflowed before it was read
RING = 1  # the ring was full
BUS = 2  # the sensor could not be read for too long
CAUSES = ("fifo", "ring", "bus")
NO_ANCHOR = -(1 << 29)  # for ``ahead``: this block's time says nothing about a frame number


class Block:
    """A run of frames: ``view`` (whole memoryview, uint8), ``n_frames`` of it used, and what is known about their
    place.

    Its anchor: at the time ``t_lo``, ``t_hi`` the newest frame in the chip was ``ahead`` frames behind this block's
    last one (negative: inside it), or NO_ANCHOR; ``late``: by how many us, in the time base's opinion, that is late.
    ``lost``: frames lost in front of the first one, by cause (FIFO, RING, BUS).
    """

    def __init__(self, n_bytes):
        self.view = memoryview(bytearray(n_bytes))
        self.n_frames = 0
        self.t_lo = 0
        self.t_hi = 0
        self.ahead = 0
        self.late = 0
        self.lost = [0, 0, 0]


class BlockRing:
    """``blocks`` blocks of ``block_bytes`` bytes. ``high_water``: most blocks ever in use. ``dropped``: frames lost for
    want of one.
    """

    def __init__(self, block_bytes, blocks):
        self._n = self.blocks = blocks
        self._blocks = [Block(block_bytes) for _ in range(blocks)]
        self._spare = memoryview(bytearray(block_bytes))
        self._head = 0  # blocks committed, modulo 2n; the producer's
        self._tail = 0  # blocks released, modulo 2n; the consumer's
        self.pending = [0, 0, 0]  # losses by cause behind the last committed frame
        self.high_water = 0
        self.dropped = 0

    def used(self):
        """-> blocks committed and not yet released."""
        return (self._head - self._tail) % (2 * self._n)

    def full(self):
        """-> True when the next block committed would be dropped."""
        return self.used() == self._n

    def claim(self):
        """-> the memoryview to fill next; when the ring is full, one whose frames ``commit`` will count as lost."""
        if self.full():
            return self._spare
        return self._blocks[self._head % self._n].view

    def commit(self, n_frames, t_lo, t_hi, ahead, into, late=0):
        """Hand on ``n_frames`` frames in ``into``, the view that ``claim`` lent."""
        if into is self._spare:
            self.dropped += n_frames
            self.pending[RING] += n_frames
            return
        block = self._blocks[self._head % self._n]
        block.n_frames = n_frames
        block.t_lo = t_lo
        block.t_hi = t_hi
        block.ahead = ahead
        block.late = late
        lost = block.lost
        pending = self.pending
        for cause in range(3):
            lost[cause] = pending[cause]
            pending[cause] = 0
        self._head = (self._head + 1) % (2 * self._n)
        used = self.used()
        if used > self.high_water:
            self.high_water = used

    def lose(self, n_frames, cause):
        """Note that ``n_frames`` frames are missing in front of whatever is committed next."""
        self.pending[cause] += n_frames

    def peek(self):
        """-> the oldest committed block, or None."""
        if self._head == self._tail:
            return None
        return self._blocks[self._tail % self._n]

    def at(self, i):
        """-> the committed block that `i` older ones are in front of; there must be so many."""
        return self._blocks[(self._tail + i) % self._n]

    def release(self):
        """Give the oldest block back to the producer."""
        self._tail = (self._tail + 1) % (2 * self._n)
