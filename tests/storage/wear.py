"""How much a way of writing 256 KiB wears the flash: programmed bytes and erased blocks against the payload.

As a script it prints the table as JSON; argument: the folder of `npyfile`, if there is one.
"""

import array
import json
import os
import sys

from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo, block_capacity
from storage.spool import Spool

BLOCK = 4096
MOUNT = "/wear"
BLOCKS = 64
CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
FRAME_BYTES = 12
FRAMES = (sum([block_capacity(BLOCK, i) for i in range(BLOCKS)]) - 128) // FRAME_BYTES  # fill 64 blocks
PAYLOAD = FRAMES * FRAME_BYTES
INFO = StreamInfo("imu", "npy", CHANNELS, ("g",) * 6, (0.1,) * 6, 100.0, FRAMES)


class Meter:
    """A fresh flash, mounted, whose work since `start()` is told as ratios of a payload."""

    def __enter__(self):
        self.flash = Flash(None, 1024, BLOCK)
        os.VfsLfs2.mkfs(self.flash)
        os.mount(os.VfsLfs2(self.flash), MOUNT)
        self.start()
        return self

    def __exit__(self, *args):
        os.umount(MOUNT)
        self.flash.close()

    def start(self):
        self._programmed = self.flash.programmed_bytes
        self._erases = self.flash.erases

    def ratios(self, payload=PAYLOAD):
        """-> (programmed bytes / payload, erased bytes / payload) since `start()`."""
        erased = (self.flash.erases - self._erases) * BLOCK
        return (self.flash.programmed_bytes - self._programmed) / payload, erased / payload


def recorded(writer, first_frame, frames, reason):
    """One segment."""
    view = memoryview(bytes(32 * FRAME_BYTES))
    writer.open(first_frame)
    done = 0
    while done < frames:
        done += writer.write(view, 0, min(32, frames - done))
        writer.anchor(writer.position - 1, done * 1000, 0)
    return lambda: writer.close(reason)


def begun():
    """-> a writer in a new session."""
    spool = Spool(MOUNT + "/data", "dev")
    spool.recover()
    spool.begin({"streams": {"imu": INFO.as_dict()}})
    return SegmentWriter(spool, INFO)


def segments(n):
    """The segment writer, n full segments. -> (ratios of writing the data, ratios of all that belongs to it)."""
    writing = [0, 0]
    with Meter() as meter:
        writer = begun()
        meter.start()
        for i in range(n):
            before = meter.ratios(n * PAYLOAD)
            close = recorded(writer, i * FRAMES, FRAMES, "full")
            after = meter.ratios(n * PAYLOAD)
            writing = [writing[k] + after[k] - before[k] for k in (0, 1)]
            close()
        return writing, meter.ratios(n * PAYLOAD)


def short(frames):
    """A segment that is cut short at `frames` frames, behind a full one. -> ratios of all that belongs to it."""
    with Meter() as meter:
        writer = begun()
        recorded(writer, 0, FRAMES, "full")()
        meter.start()
        recorded(writer, FRAMES, frames, "stop")()
        return meter.ratios(frames * FRAME_BYTES)


def naive(piece, flush, patch):
    """A file written in pieces, flushed after each (or not), its header patched at the end (or not). -> ratios."""
    with Meter() as meter:
        with open(MOUNT + "/a.npy", "wb") as file:
            file.write(INFO.header(0 if patch else FRAMES))
            left = PAYLOAD
            data = bytes(piece)
            while left > 0:
                file.write(data[:left] if left < piece else data)
                left -= piece
                if flush:
                    file.flush()
            if patch:
                file.seek(0)
                file.write(INFO.header(FRAMES))
        return meter.ratios()


def npyfile():
    """npyfile.Writer, given 32 frames at a time, its shape known before. -> ratios."""
    from npyfile import Writer

    values = array.array("h", bytes(32 * FRAME_BYTES))
    with Meter() as meter:
        with Writer(MOUNT + "/a.npy", (FRAMES, len(CHANNELS)), "h") as writer:
            for _ in range(FRAMES // 32):
                writer.write_values(values)
            writer.write_values(values[: FRAMES % 32 * len(CHANNELS)])
        return meter.ratios()


def table(has_npyfile):
    """-> [(way of writing, (programmed / payload, erased / payload))], one full segment each."""
    writing, everything = segments(1)
    return [
        ("segment writer, the data file", writing),
        ("segment writer, sidecar, journal and directory too", everything),
        ("segment writer, cut short at the half", short(FRAMES // 2)),
        ("one file, nothing durable before the end", naive(4096, False, False)),
        ("header patched at the end", naive(4096, False, True)),
        ("flush per 4096 bytes", naive(4096, True, False)),
        ("flush per 512 bytes", naive(512, True, False)),
    ] + ([("npyfile.Writer", npyfile())] if has_npyfile else [])


if __name__ == "__main__":
    sys.path.extend(sys.argv[1:])
    print(json.dumps(table(len(sys.argv) > 1)))
