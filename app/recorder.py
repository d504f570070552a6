"""The consumer: takes blocks out of one ring and writes them as segments, keeping the account of what could not be written."""

import errno
import gc

from app.ring import CAUSES, NO_ANCHOR

FULL_RETRY = 64  # blocks dropped between two questions whether the flash has room again


class Recorder:
    """One stream's way from ``ring`` to ``writer``. Nothing is dropped without being counted.

    ``flash_lost``: frames in front of the next segment that the flash had no room for. ``errors``: failed writes.
    """

    def __init__(self, info, ring, writer, spool, frame_bytes):
        self.info = info
        self.ring = ring
        self.writer = writer
        self._spool = spool
        self._segment_bytes = info.segment_frames * frame_bytes + 4096
        self.next_frame = 0  # number of the first frame of the next segment
        self.stored = 0  # frames in finished segments
        self.segments = 0
        self.lost = {}  # cause -> frames, in finished segments
        self._ahead_of_segment = {}  # losses behind the last finished segment
        self._taken = 0  # frames given to the open segment
        self._skip = 0  # blocks to drop before asking for room again
        self.errors = 0
        self.last_error = None
        self.heap_used = 0  # after the collection at the end of a segment

    def step(self):
        """Write one block; allocates only where a segment begins or ends. -> False when the ring was empty."""
        block = self.ring.peek()
        if block is None:
            return False
        try:
            self._write(block)
        except OSError as error:
            self._failed(error, block)
        self.ring.release()
        return True

    def _write(self, block):
        writer = self.writer
        if not writer.is_open and not self._open():
            self._drop(block)
            return
        for cause in range(len(CAUSES)):
            if block.lost[cause]:
                writer.gap(block.lost[cause], CAUSES[cause])
        done = 0
        self._block_done = 0
        while done < block.n_frames:
            if writer.full:
                self._close("full")
                if not self._open():
                    self._count("flash", block.n_frames - done)
                    return
            taken = writer.write(block.view, done, block.n_frames - done)
            done += taken
            self._taken += taken
            self._block_done = done
        if block.ahead != NO_ANCHOR:
            writer.anchor(writer.position - 1 + block.ahead, block.t_lo, block.t_hi)
        if writer.full:
            self._close("full")

    def _open(self):
        """-> True when a segment is open; asks the spool for room, but not for every block while there is none."""
        if self._skip > 0:
            self._skip -= 1
            return False
        if not self._spool.free(self._segment_bytes):
            self._skip = FULL_RETRY
            return False
        try:
            self.writer.open(self.next_frame)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._skip = FULL_RETRY
            return False
        self._taken = 0
        for cause, frames in self._ahead_of_segment.items():
            self.writer.gap(frames, cause)
        self._ahead_of_segment = {}
        return True

    def _close(self, reason):
        """Finish the open segment and take over its account; frames given to it that it could not keep are lost to ``flash``."""
        sidecar = self.writer.close(reason)
        if sidecar is not None:
            self.next_frame = sidecar["end_frame"]
            self.stored += sidecar["frames"]
            self.segments += 1
            for _, frames, cause in sidecar["gaps"]:
                self.lost[cause] = self.lost.get(cause, 0) + (frames or 0)
            self._count("flash", self._taken - sidecar["frames"])
        self._taken = 0
        gc.collect()
        self.heap_used = gc.mem_alloc()

    def _failed(self, error, block):
        """The flash refused: keep what it has, count the rest of the block as lost."""
        self.errors += 1
        self.last_error = "write: " + str(error)
        if not self.writer.is_open:
            self._drop(block)
            return
        rest = block.n_frames - self._block_done
        try:
            self._close("flash")
        except OSError as error:
            self.last_error = "close: " + str(error)
            self._count("flash", self._taken)  # recovery finds what is there; here it counts as lost
            self._taken = 0
        self._count("flash", rest)
        self._skip = FULL_RETRY

    def _drop(self, block):
        for cause in range(len(CAUSES)):
            self._count(CAUSES[cause], block.lost[cause])
        self._count("flash", block.n_frames)

    def _count(self, cause, frames):
        if frames > 0:
            self._ahead_of_segment[cause] = self._ahead_of_segment.get(cause, 0) + frames

    def frames(self):
        """-> frames stored so far, those of the open segment included."""
        return self.stored + self._taken

    def lost_total(self):
        """-> frames lost so far, by cause, up to the last finished segment and behind it."""
        total = dict(self.lost)
        for cause, frames in self._ahead_of_segment.items():
            total[cause] = total.get(cause, 0) + frames
        return total

    def close(self, reason):
        """Finish the stream: the ring is empty, its last losses are noted. -> gaps behind the last segment ``[[frame, lost, cause]]``."""
        pending = self.ring.pending
        if self.writer.is_open:
            for cause in range(len(CAUSES)):
                if pending[cause]:
                    self.writer.gap(pending[cause], CAUSES[cause])
            self._close(reason)
        else:
            for cause in range(len(CAUSES)):
                self._count(CAUSES[cause], pending[cause])
        tail = []
        for cause, frames in self._ahead_of_segment.items():
            tail.append([self.next_frame, frames, cause])
            self.next_frame += frames
            self.lost[cause] = self.lost.get(cause, 0) + frames
        self._ahead_of_segment = {}
        return tail

    def account(self, expected, tail):
        """-> this stream's entry of ledger.json. ``expected``: frames the sensor itself says it made."""
        return {
            "expected": expected,
            "stored": self.stored,
            "lost": self.lost,
            "unknown": 0,
            "segments": self.segments,
            "end_frame": self.next_frame,
            "tail": tail,
        }

