"""Writes one stream as segments: plain `.npy` or `.wav` files of a fixed number of frames, each with its sidecar.

Contract. One caller: `open`, then for each block of frames `gap`, `write`, `anchor` as it happens, and `close` when
`full` or at the end. `write`, `gap` and `anchor` allocate nothing; `open` and `close` do.

The file's final header is written first. Data collects in one 4 KiB buffer that is laid out so that each time it is
full the file ends exactly on the boundary of a LittleFS block: block 0 holds `block_size` bytes of a file, block i >
0 that many less 4 * (ctz(i) + 1) for its pointers (LittleFS, SPEC.md, "CTZ skip-lists"). There, and only there, a
sync costs nothing: what was written before is never copied. On other file systems the boundaries mean nothing, and
everything works.
"""

import array

from storage.files import ENOSPC, remove
from storage.finish import Digest, sidecar
from storage.journal import MAX_GAPS, Journal
from storage.kernels import copy
from storage.stream import CAUSES, StreamInfo

__all__ = ("SegmentWriter", "StreamInfo")

STAGE_BYTES = 4096
MAX_ANCHORS = 32
SPARE_GAPS = 16  # a segment whose list is that near to its end takes no more frames
NOTE_CHUNKS = 32  # so often, in chunks written, the latest anchor goes to the journal: 2 notes per 256 KiB


class SegmentWriter:
    """The segments of the stream `info`, one after the other, in the running session of `spool`; buffers are made once.

    `frames`: frames in the open segment. `position`: number of the next frame, counted from the segment's first, lost
    ones included. `is_open`. `full`: it takes no more frames, close it.
    """

    def __init__(self, spool, info):
        self._spool = spool
        self._info = info
        self._frame_bytes = info.frame_bytes
        self._segment_bytes = info.segment_bytes()
        spool.space.keep(self._segment_bytes)
        self._stage = bytearray(STAGE_BYTES)
        self._block_size = spool.space.block_size
        self._views = {}  # length of a chunk -> that much of the stage, as a view made once
        self._make_views()
        self._anchors = array.array("i", bytes(16 * MAX_ANCHORS))  # offset, t_lo, t_hi, late each
        self._journal = Journal()
        self._path = None
        self._file = None
        self._digest = None
        self.begin()

    def begin(self):
        """A new session of the spool: segments are numbered from 0 again."""
        self._journal_path = "%s/%s.jnl" % (self._spool.session_path, self._info.name)
        self._ledger = None  # running, up to the last finished segment
        self._unfinished = None  # sidecar of a closed segment that the flash did not let us finish yet
        self._seq = 0
        self.event = None  # what the segment belongs to, for its sidecar
        self.is_open = False
        self.full = False
        self._reset(0)

    def _reset(self, first_frame):
        self._first_frame = first_frame
        self.frames = 0
        self._left = self._info.segment_frames
        self._lost = 0
        self._ahead = 0  # of them in front of the first frame: an outage may be longer than a small integer
        self._failed = False
        self.full = False
        self._fill = 0
        self._synced = 0  # bytes of the file that a power cut cannot take any more
        self._written = 0
        self._block = 0  # LittleFS block in which the next chunk begins, and the offset there
        self._offset = 0
        self._next_chunk()
        self._n_anchors = 0
        self._stride = 1  # of so many anchors offered one after the other the tightest is kept
        self._offered = 0
        self._chunks_to_note = 0

    def _make_views(self):
        """All chunk lengths of a segment, found by walking through one."""
        stage = memoryview(self._stage)
        self._block = self._offset = done = 0
        while done < self._segment_bytes + STAGE_BYTES:
            n = self._chunk_bytes()
            if n not in self._views:
                self._views[n] = stage[:n]
            done += n

    def _next_chunk(self):
        """Lay the empty stage out for the next chunk."""
        self._chunk = self._chunk_bytes()
        self._view = self._views[self._chunk]
        self._fill = 0

    def _chunk_bytes(self):
        """-> length of the next chunk, which is stepped over; `_boundary`: whether it ends with a LittleFS block."""
        size = self._block_size
        if size > STAGE_BYTES:
            n = min(block_capacity(size, self._block) - self._offset, STAGE_BYTES)
            self._offset += n
            self._boundary = self._offset == block_capacity(size, self._block)
            if self._boundary:
                self._block += 1
                self._offset = 0
            return n
        n = 0
        while n + size <= STAGE_BYTES:
            n += block_capacity(size, self._block)
            self._block += 1
        self._boundary = True
        return n

    def open(self, first_frame):
        """Begin the next segment; `first_frame` is its predecessor's `end_frame`, 0 at the start of a session.

        OSError: ENOSPC when it does not fit (nothing is written then), or what the flash says. A segment that could
        not be finished for want of space or flash is finished first.
        """
        self._spool.ready()
        if self._unfinished:
            self._finish()
        path = self._spool.place(self._info, self._seq, self._segment_bytes)
        try:
            self._journal.begin(self._journal_path, self._seq, first_frame)
            self._file = open(path, "wb")
        except OSError:
            self._spool.space.release(self._segment_bytes)
            raise
        self._path = path
        self._digest = Digest()
        self._reset(first_frame)
        header = self._info.header(self._info.segment_frames)
        self._stage[: len(header)] = header
        self._fill = len(header)
        self.is_open = True

    def write(self, view, start, n):
        """Take frames `start..start+n` of `view` (bytes of whole frames). -> how many: fewer when the segment is full.

        OSError when the flash refuses: none of these n frames counts as taken then; `close("flash")` keeps what was
        safe.
        """
        if n > self._left:
            n = self._left
        source = start * self._frame_bytes
        rest = n * self._frame_bytes
        while rest:
            part = self._chunk - self._fill
            if part > rest:
                part = rest
            copy(self._stage, self._fill, view, source, part)
            self._fill += part
            source += part
            rest -= part
            if self._fill == self._chunk:
                self._flush()
        self.frames += n
        self._left -= n
        if not self._left:
            self.full = True
        return n

    def _flush(self):
        """Write the full stage; sync it where that is free. A gap is durable before the frames behind it are."""
        left = self._left
        self._left = 0  # until everything went well, nothing more is taken
        self.full = self._failed = True
        if self._journal.unsaved_gaps or (self._n_anchors and self._chunks_to_note <= 0):
            self._journal.save()
            self._chunks_to_note = NOTE_CHUNKS
        self._chunks_to_note -= 1
        self._write_stage(self._view, self._chunk)
        if self._boundary:
            self._file.flush()
            self._synced = self._written
        self._next_chunk()
        self.full = self._failed = False
        self._left = left

    def _write_stage(self, view, n):
        if self._file.write(view) != n:
            raise OSError(ENOSPC)
        self._digest.add(view, n)
        self._written += n

    def gap(self, lost, cause):
        """`lost` frames (-1: unknown how many) are missing in front of the next frame; `cause` is one of CAUSES."""
        self._journal.gap(self.frames, lost, CAUSES.index(cause))
        if lost > 0:
            self._lost += lost
        if not self.frames:
            self._ahead = self._lost
        if self._journal.gaps >= MAX_GAPS - SPARE_GAPS:
            self.full = True
            self._left = 0

    @property
    def position(self):
        """Number of the next frame, counted from the segment's first, lost ones included."""
        return self.frames + self._lost

    def anchor(self, offset, t_lo, t_hi, late=0):
        """Frame number `offset`, counted like `position`, was the newest in the sensor at t_us = t_hi << 30 | t_lo.

        Of neighbours, those stay that are the least `late` (us; negative: early): see app/timebase.py.
        """
        offset -= self._ahead
        self._journal.anchor(offset, t_lo, t_hi)
        anchors = self._anchors
        if self._offered == self._stride:
            self._offered = 0
        if not self._offered:
            if self._n_anchors == MAX_ANCHORS:
                self._thin()
            self._n_anchors += 1
        i = 4 * self._n_anchors - 4
        if not self._offered or late < anchors[i + 3]:
            anchors[i] = offset
            anchors[i + 1] = t_lo
            anchors[i + 2] = t_hi
            anchors[i + 3] = late
        self._offered += 1

    def _thin(self):
        """Keep the tighter one of each two anchors, and from now on half as many."""
        anchors = self._anchors
        i = 0
        while i < 2 * MAX_ANCHORS:
            k = i // 4 * 8
            if anchors[k + 7] < anchors[k + 3]:
                k += 4
            for word in range(4):
                anchors[i + word] = anchors[k + word]
            i += 4
        self._n_anchors = MAX_ANCHORS // 2
        self._stride *= 2

    def close(self, reason):
        """Finish the segment. -> its sidecar, or None when it never held a frame nor a gap and so leaves nothing.

        `reason`: `full`, `stop`, `flash`, ... A segment called full that is short (its list of gaps is) says `gaps`.
        Never raises OSError: what could not be written is told by `frames` of the sidecar, and a segment that the
        flash did not let us finish is finished by the next `open`, or by recovery.
        """
        self.is_open = False
        self._seal()
        if not (self.frames or self._journal.gaps):
            self._drop_empty()
            return None
        stored = self.frames
        if self._failed:
            header = len(self._info.header(self._info.segment_frames))
            stored = min(stored, max(0, self._synced - header) // self._frame_bytes)
        if reason == "full" and stored < self._info.segment_frames and not self._failed:
            reason = "gaps"
        self._unfinished = self._sidecar(stored, reason)
        account = self._unfinished
        self._ledger = account["ledger"]
        try:
            self._finish()
        except (OSError, MemoryError):
            pass  # `open` tries again, and raises
        return account

    def _seal(self):
        """Write what the stage still holds and close the file."""
        try:
            if not self._failed:
                self._failed = True
                if self._journal.unsaved_gaps:
                    self._journal.save()
                if self._fill:
                    self._write_stage(memoryview(self._stage)[: self._fill], self._fill)
                self._file.close()
                self._failed = False
        except OSError:
            pass
        if self._failed:
            try:
                self._file.close()
            except OSError:
                pass
        self._file = None

    def _drop_empty(self):
        try:
            remove(self._path)
        except OSError:
            pass  # an empty file is no segment: recovery removes it
        self._spool.space.release(self._segment_bytes)
        self._close_journal()

    def _close_journal(self):
        try:
            self._journal.close()
        except OSError:
            pass  # it has nothing to tell any more

    def _sidecar(self, frames, reason):
        anchors = self._anchors
        if self._offered < self._stride and self._n_anchors > 2:
            self._n_anchors -= 1  # the last one was chosen from fewer
        segment = {
            "device": self._spool.device,
            "session": self._spool.session,
            "seq": self._seq,
            "first_frame": self._first_frame,
            "frames": frames,
            "noted": self._journal.noted(),
            "anchors": [
                (anchors[i] + self._ahead, anchors[i + 2] << 30 | anchors[i + 1])
                for i in range(0, 4 * self._n_anchors, 4)
            ],
            "clock_fixes": self._spool.clock_fixes,
            "reason": reason,
        }
        account = sidecar(self._info, segment, self._ledger, self._spool.dropped(self._info.name))
        if self.event:
            account["event"] = self.event
        return account

    def _finish(self):
        """True header, hashes, sidecar of the closed segment. OSError: it stays unfinished."""
        account = self._unfinished
        if self._failed:
            self._spool.space.measure()  # somebody else has filled the disk, or the card has changed
        if self._failed or account["frames"] < self._info.segment_frames:
            self._spool.make_room(self._segment_bytes)  # for a copy; without success it is tried all the same
            from storage.repair import make_true  # seldom: at the end of a session

            facts = make_true(self._path, self._info, account["frames"], self._stage)
        else:
            facts = self._digest.facts()
        account["bytes"], account["crc32"], account["sha256"] = facts
        self._spool.commit(self._path, account, self._segment_bytes)
        if self._failed:
            self._spool.space.measure()
        self._unfinished = None
        self._seq += 1
        self._close_journal()


def block_capacity(block_size, index):
    """-> bytes of file data in LittleFS block `index` of a file."""
    if not index:
        return block_size
    zeros = 0
    while not index >> zeros & 1:
        zeros += 1
    return block_size - 4 * (zeros + 1)
