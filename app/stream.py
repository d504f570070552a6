"""One stream of a board."""

from app.recorder import Recorder
from app.sampler import Sampler
from storage.segment import SegmentWriter


class Stream:
    """One sensor's way through the board: driver, ring and, once a session has begun, sampler and recorder. `edge`: the
    time stamps of its interrupt (app.edge.Edge), or None.
    """

    def __init__(self, driver, ring, info, clock, block_frames, edge):
        self.name = info.name
        self.driver = driver
        self.ring = ring
        self.info = info
        self.sampler = self.recorder = None
        self._clock = clock
        self._block_frames = block_frames
        self._edge = edge
        self._writer = None

    def blocks_before(self, pre_s):
        """-> blocks that hold at least so many seconds, also when the sensor runs a twelfth too fast (config/running.py
        holds the ring to the same number).
        """
        return int(-(-pre_s * self.driver.rate_hz * 13 / 12 // self._block_frames)) + 1

    def ring_block_s(self):
        """-> how long a block takes to fill, in seconds."""
        return self._block_frames / self.driver.rate_hz

    def attach(self, spool):
        """Make the stream ready for a new session of `spool`. The writer's buffers are made once."""
        if self._writer is None:
            self._writer = SegmentWriter(spool, self.info)
        self._writer.begin()
        if self._edge:
            self._edge.listen()
        self.sampler = Sampler(self.driver, self.ring, self._clock, self._block_frames, self._edge)
        self.recorder = Recorder(self.ring, self._writer)
