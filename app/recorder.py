"""The consumer: takes blocks out of one ring and writes them as segments, keeping the account of what could not be
written.
"""

from app.ring import CAUSES, NO_ANCHOR

ENOSPC = 28  # MicroPython's errno module does not name it
FULL_RETRY = 64  # blocks dropped between two questions whether the flash has room again


class Recorder:
    """One stream's way from ``ring`` to ``writer``. Nothing is dropped without being counted. ``errors``: failed
    writes.
    """

    def __init__(self, ring, writer):
        self.ring = ring
        self.writer = writer
        self.next_frame = 0  # number of the first frame of the next segment
        self.stored = 0  # frames in finished segments
        self.segments = 0
        self.lost = {}  # cause -> frames, in finished segments
        self._ahead_of_segment = {}  # losses behind the last finished segment
        self._taken = 0  # frames given to the open segment
        self._skip = 0  # blocks to drop before asking for room again
        self._done = 0  # frames of the current block that the writer took
        self.errors = 0
        self.last_error = None

    def step(self):
        """Write one block; allocates only where a segment begins or ends. -> False when the ring was empty."""
        block = self.ring.peek()
        if block is None:
            return False
        self._done = 0
        try:
            self._write(block)
        except (OSError, MemoryError) as error:
            self._failed(error)
        if self._done < block.n_frames:
            self._give_up(block)
        self.ring.release()
        return True

    def skip(self):
        """Let one block go unwritten, on purpose: its frames are lost to `sleep`. -> False when the ring was empty."""
        block = self.ring.peek()
        if block is None:
            return False
        for cause in range(len(CAUSES)):
            self._count(CAUSES[cause], block.lost[cause])
        self._count("sleep", block.n_frames)
        self.ring.release()
        return True

    def pause(self, reason):
        """Finish the open segment; the next block that is written begins another."""
        if self.writer.is_open:
            self._close(reason)

    def _write(self, block):
        """Bring the block's losses and frames into segments; ``_done`` says how far it came."""
        writer = self.writer
        if not writer.is_open and not self._open():
            return
        for cause in range(len(CAUSES)):
            if block.lost[cause]:
                writer.gap(block.lost[cause], CAUSES[cause])
                block.lost[cause] = 0
        while self._done < block.n_frames:
            if writer.full:
                self._close("full")
                if not self._open():
                    return
            taken = writer.write(block.view, self._done, block.n_frames - self._done)
            self._done += taken
            self._taken += taken
        if block.ahead != NO_ANCHOR:
            writer.anchor(writer.position - 1 + block.ahead, block.t_lo, block.t_hi, block.late)
        if writer.full:
            self._close("full")

    def _open(self):
        """-> True when a segment is open; while there is no room for one, it does not ask again for every block."""
        if self._skip > 0:
            self._skip -= 1
            return False
        try:
            self.writer.open(self.next_frame)
        except OSError as error:
            if error.errno != ENOSPC:
                raise
            self._skip = FULL_RETRY
            return False
        self._taken = 0
        for cause, frames in self._ahead_of_segment.items():
            self.writer.gap(frames, cause)
        self._ahead_of_segment = {}
        return True

    def _close(self, reason):
        """Finish the open segment and take over its account; frames given to it that it could not keep are lost to
        ``flash``.
        """
        sidecar = self.writer.close(reason)
        kept = 0
        if sidecar:
            kept = sidecar["frames"]
            self.next_frame = sidecar["end_frame"]
            self.stored += kept
            self.segments += 1
            for _, frames, cause in sidecar["gaps"]:
                self.lost[cause] = self.lost.get(cause, 0) + frames
        self._count("flash", self._taken - kept)
        self._taken = 0

    def _failed(self, error):
        """The flash refused: finish what it has, leave it alone for a while."""
        self.errors += 1
        self.last_error = "write: " + str(error)
        self._skip = FULL_RETRY
        if self.writer.is_open:
            self._close("flash")

    def _give_up(self, block):
        """Count what could not be written of a block, and the losses in front of it unless a segment knows them."""
        for cause in range(len(CAUSES)):
            self._count(CAUSES[cause], block.lost[cause])
        self._count("flash", block.n_frames - self._done)

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
        """Finish the stream, whose ring is empty. -> the gaps behind its last segment, ``[[frame, lost, cause]]``."""
        if self.writer.is_open:
            self._close(reason)
        pending = self.ring.pending
        tail = []
        for cause in range(len(CAUSES)):
            self._count(CAUSES[cause], pending[cause])
            pending[cause] = 0
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
