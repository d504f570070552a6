"""Benchmark, on MicroPython: an LSM6DSOX's FIFO through driver, ring and segment writer onto LittleFS, beside its
peers.

All of them take the same FIFO bytes from the same bus and leave int16 frames in a file on the same kind of flash (in
memory, so that only code is measured). Prints one JSON object: frames per second of each. Argument: the folder of
`npyfile`, if there is one.
"""

import array
import gc
import io
import json
import struct
import sys
import time

import vfs

from app.clock import Clock
from app.recorder import Recorder
from app.ring import BlockRing
from app.sampler import Sampler
from drivers.lsm6dsox import LSM6DSOX
from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool

BLOCK_FRAMES = 64
SEGMENT_FRAMES = 64 * 320  # 240 KiB
FIFO_WORDS = 512
BLOCKS = 256


class FullBus:
    """An LSM6DSOX whose FIFO always holds 512 words of good frames: the bus costs one copy and nothing else."""

    def __init__(self):
        self.registers = bytearray(128)
        self.registers[0x0F] = 0x6C
        self.fifo = bytearray(7 * 2 * FIFO_WORDS)
        for word in range(2 * FIFO_WORDS):
            slot = word // 2
            tag = (1 if word % 2 == 0 else 2) << 3 | (slot & 3) << 1
            parity = 0
            for bit in range(1, 8):
                parity ^= tag >> bit & 1
            struct.pack_into("<Bhhh", self.fifo, 7 * word, tag | parity, slot, -slot, word)
        self.view = memoryview(self.fifo)
        self.at = 0
        self.stamp = 0

    def readfrom_mem_into(self, address, register, buf):
        if register == 0x78:
            n = len(buf)
            buf[:] = self.view[self.at : self.at + n]
            self.at = (self.at + n) % (7 * FIFO_WORDS)
            self.stamp += n // 14 * 384
        elif register == 0x3A:
            struct.pack_into("<HHHI", buf, 0, 0x0200, 0, 0, self.stamp)
        else:
            for i in range(len(buf)):
                buf[i] = self.registers[register + i]

    def writeto_mem(self, address, register, buf):
        self.registers[register] = buf[0] & 0xFE if register == 0x12 else buf[0]


def mount():
    """A fresh LittleFS of 1 MiB in memory, at /flash."""
    try:
        vfs.umount("/flash")
    except OSError:
        pass
    flash = Flash(io.BytesIO(b"\xff" * (4096 * BLOCKS)), BLOCKS)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    gc.collect()


def rate(work, frames):
    """-> frames per second of the best of three runs."""
    best = 0
    for _ in range(3):
        mount()
        start = time.ticks_us()
        work(frames)
        best = max(best, frames * 1e6 / time.ticks_diff(time.ticks_us(), start))
    return best


def motelog(frames):
    driver = LSM6DSOX(FullBus(), rate_hz=104)
    spool = Spool("/flash/data", "bench", reserve_bytes=8192, when_full="stop")
    spool.recover()
    info = StreamInfo("imu", "npy", driver.channels, driver.units, driver.scale, driver.rate_hz, SEGMENT_FRAMES)
    spool.begin({"streams": {"imu": info.as_dict()}})
    ring = BlockRing(BLOCK_FRAMES * driver.frame_bytes, 8)
    sampler = Sampler(driver, ring, Clock(), BLOCK_FRAMES)
    recorder = Recorder(ring, SegmentWriter(spool, info))
    driver.start()
    while recorder.frames() < frames:
        sampler.drain(BLOCK_FRAMES)
        while recorder.step():
            pass
    recorder.close("stop")
    assert recorder.stored >= frames and not recorder.lost, (recorder.stored, recorder.lost)


def raw(frames):
    """Not a recorder: the same number of bytes, 4 KiB at a time, into a file."""
    data = bytearray(4096)
    left = frames * 12
    with open("/flash/raw", "wb") as file:
        while left > 0:
            file.write(data)
            left -= len(data)


def unpack_and_npyfile(frames):
    """What a MicroPython program usually does: unpack every word, collect values, let npyfile write them."""
    from npyfile import Writer

    bus = FullBus()
    words = bytearray(7 * 2 * BLOCK_FRAMES)
    values = array.array("h", bytes(2 * 6 * BLOCK_FRAMES))
    done = 0
    with Writer("/flash/peer.npy", (frames, 6), "h") as writer:
        while done < frames:
            bus.readfrom_mem_into(0x6A, 0x78, words)
            for frame in range(BLOCK_FRAMES):
                _, gx, gy, gz = struct.unpack_from("<Bhhh", words, 14 * frame)
                _, ax, ay, az = struct.unpack_from("<Bhhh", words, 14 * frame + 7)
                at = 6 * frame
                values[at] = ax
                values[at + 1] = ay
                values[at + 2] = az
                values[at + 3] = gx
                values[at + 4] = gy
                values[at + 5] = gz
            writer.write_values(values)
            done += BLOCK_FRAMES


def main(libs=None):
    result = {"motelog": rate(motelog, SEGMENT_FRAMES), "raw": rate(raw, SEGMENT_FRAMES)}
    if libs:
        sys.path.append(libs)
        result["unpack_and_npyfile"] = rate(unpack_and_npyfile, BLOCK_FRAMES * 32)
    print(json.dumps(result))


main(*sys.argv[1:])
