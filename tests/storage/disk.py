"""A mounted flash with a spool on it, for the board-side tests of this folder."""

import io
import json
import os

from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool

MOUNT = "/disk"
ROOT = MOUNT + "/data"


class FlakyFlash(Flash):
    """A flash that answers EIO while `broken` is true."""

    broken = False

    def writeblocks(self, block, buf, off=None):
        if self.broken:
            raise OSError(5)
        return super().writeblocks(block, buf, off)

    def readblocks(self, block, buf, off=0):
        if self.broken:
            raise OSError(5)
        return super().readblocks(block, buf, off)

    def erase(self, block):
        if self.broken:
            raise OSError(5)
        super().erase(block)


class Disk:
    """A fresh flash, mounted: `with Disk() as disk`. `spool()` starts the board on it."""

    def __init__(self, blocks=64, block_size=4096, file_system=os.VfsLfs2):
        self.flash = FlakyFlash(None, blocks, block_size)
        self.file_system = file_system
        self._started = False
        file_system.mkfs(self.flash)

    def __enter__(self):
        os.mount(self.file_system(self.flash), MOUNT)
        return self

    def __exit__(self, *args):
        self.flash.broken = False
        os.umount(MOUNT)

    def power_cycle(self):
        """The board forgets everything; files that are open stay as far as they are on flash."""
        os.umount(MOUNT)
        image = io.BytesIO(self.flash.snapshot())
        self.flash = FlakyFlash(image, self.flash.blocks, self.flash.block_size)
        os.mount(self.file_system(self.flash), MOUNT)

    def spool(self, **options):
        """-> a recovered spool; `said` is what recovery said. At every call but the first the power goes before."""
        if self._started:
            self.power_cycle()
        self._started = True
        options.setdefault("reserve_bytes", 4096)
        spool = Spool(ROOT, "dev", **options)
        spool.said = spool.recover()
        return spool


def info(segment_frames=2000, name="imu", ext="npy", channels=3):
    letters = ("ax", "ay", "az", "gx", "gy", "gz")[:channels]
    return StreamInfo(name, ext, letters, ("g",) * channels, (0.25,) * channels, 100.0, segment_frames)


def begin(spool, *infos):
    """Begin a session. -> a writer for each stream."""
    spool.begin({"streams": {i.name: i.as_dict() for i in infos}, "clock_fixes": []})
    return [SegmentWriter(spool, i) for i in infos]


def frames(n, channels=3, start=0):
    """-> n frames as bytes; each holds its own number, channel by channel."""
    data = bytearray(2 * n * channels)
    for i in range(n):
        for c in range(channels):
            value = (start + i) * 7 + c * 1000
            data[2 * (i * channels + c)] = value & 0xFF
            data[2 * (i * channels + c) + 1] = value >> 8 & 0xFF
    return bytes(data)


def record(writer, n, first_frame=0, channels=3, reason="full"):
    """One segment of n frames. -> its sidecar."""
    writer.open(first_frame)
    assert writer.write(memoryview(frames(n, channels, first_frame)), 0, n) == n
    return writer.close(reason)


def content(spool, name):
    """-> the data file of a pending segment, and its sidecar, as they would be sent."""
    parts = spool.parts(name)
    result = []
    for remote, size, _ in parts:
        with spool.open(remote) as file:
            data = file.read()
        assert len(data) == size
        result.append(data)
    return result[0], json.loads(result[1])


def names(spool):
    """-> what is pending, without device and session."""
    return [name.split("/")[2] for name in spool.pending(1000)]


def fill(path, leave):
    """Fill the file system with another program's file until only `leave` blocks are free."""
    with open(path, "wb") as file:
        while True:
            status = os.statvfs(MOUNT)
            if status[3] <= leave:
                return
            file.write(bytes(status[0] - 96))
            file.flush()
