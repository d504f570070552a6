"""Benchmark, on MicroPython: frames in blocks, as a ring hands them on, to files on LittleFS; the segment writer beside
its peers.

Each way of writing runs once per repetition on a fresh flash in memory, which costs no time of its own, and counts the
time that a NOR flash would stall: ERASE_US per block of 4 KiB, PROGRAM_US per 256 bytes. So one run tells both: the
code alone ("ram"), and code and flash ("nor"). Processor time is measured, so that other programs disturb little.
Prints one JSON object: {"npy" and "wav": {way: {"ram": frames per second, "nor": frames per second}}}. Argument: the
folder of `npyfile`, if there is one.
"""

import array
import gc
import io
import json
import struct
import sys
import time

import vfs

from host.virtual.port.flash import Flash
from storage import npy, wave
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool

ERASE_US = 30000  # 4 KiB: tSE of the Winbond W25Q16BV, typical (400 ms at most)
PROGRAM_US = 700  # a page of 256 bytes: its tPP, typical (3 ms at most)
BLOCKS = 400
REPEAT = 3
AXES = ("ax", "ay", "az", "gx", "gy", "gz")
IMU = StreamInfo("imu", "npy", AXES, ("g",) * 3 + ("deg/s",) * 3, (0.5,) * 6, 104.0, 21824)
MIC = StreamInfo("mic", "wav", ("mono",), ("1",), (1 / 32768,), 16000.0, 130944)
BLOCK_FRAMES = {"imu": 32, "mic": 1024}


class Run:
    """One way of writing on a fresh flash, mounted at /flash. `seconds`: of the code, of code and flash."""

    def __init__(self, work, info, frames):
        try:
            vfs.umount("/flash")
        except OSError:
            pass
        flash = Flash(io.BytesIO(b"\xff" * (4096 * BLOCKS)), BLOCKS)
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/flash")
        gc.collect()
        flash.erase_us = ERASE_US
        flash.program_us = PROGRAM_US
        flash.stall = self._stall
        self._stalled_us = 0
        block = bytearray(info.frame_bytes * BLOCK_FRAMES[info.name])
        for i in range(len(block)):
            block[i] = i * 37 & 0xFF
        start = time.clock()
        work(info, memoryview(block), frames)
        code = time.clock() - start
        self.seconds = code, code + self._stalled_us / 1e6

    def _stall(self, us):
        self._stalled_us += us


def segments(info, block, frames):
    """Our segment writer: full segments with journal, sidecars and hashes, every LittleFS block durable as it fills."""
    spool = Spool("/flash/data", "bench", reserve_bytes=8192)
    spool.recover()
    spool.begin({"streams": {info.name: info.as_dict()}})
    writer = SegmentWriter(spool, info)
    n = len(block) // info.frame_bytes
    first = 0
    left = frames
    while left > 0:
        if not writer.is_open:
            writer.open(first)
        taken = writer.write(block, 0, min(n, left))
        writer.anchor(writer.position - 1, left & 0xFFFF, 0)
        left -= taken
        if writer.full:
            first = writer.close("full")["end_frame"]
    assert not writer.is_open and first == frames


def raw(info, block, frames):
    """The same blocks into one file: no header, no hash, nothing durable before the end."""
    with open("/flash/raw", "wb") as file:
        for _ in range(frames * info.frame_bytes // len(block)):
            file.write(block)


def raw_synced(info, block, frames):
    """The same, and each 4096 bytes made durable, beside the boundaries of LittleFS."""
    unsynced = 0
    with open("/flash/raw", "wb") as file:
        for _ in range(frames * info.frame_bytes // len(block)):
            file.write(block)
            unsynced += len(block)
            if unsynced >= 4096:
                file.flush()
                unsynced -= 4096


def npyfile(info, block, frames):
    """npyfile.Writer, which is given values."""
    from npyfile import Writer

    values = array.array("h", bytes(block))
    with Writer("/flash/peer.npy", (frames, len(info.channels)), "h") as writer:
        for _ in range(frames * info.frame_bytes // len(block)):
            writer.write_values(values)


def npy_per_frame(info, block, frames):
    """As it is often done: each frame packed and written."""
    values = array.array("h", bytes(block))
    with open("/flash/peer.npy", "wb") as file:
        file.write(npy.header(frames, 6))
        for frame in range(frames):
            at = 6 * (frame % BLOCK_FRAMES["imu"])
            file.write(struct.pack("<6h", *values[at : at + 6]))


def wave_per_sample(info, block, frames):
    """As CPython's examples do it: each sample packed and given to `wave`, which patches the header at the end."""
    values = array.array("h", bytes(block))
    with wave.open("/flash/peer.wav", "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        for frame in range(frames):
            file.writeframesraw(struct.pack("<h", values[frame % len(values)]))


def rates(info, ways):
    """-> {way: {"ram", "nor"}}; `ways`: [(function, frames)], taking turns, so that all see the same machine."""
    best = {}
    for _ in range(REPEAT):
        for work, frames in ways:
            for place, seconds in zip(("ram", "nor"), Run(work, info, frames).seconds):  # noqa: B905 (MicroPython)
                entry = best.setdefault(work.__name__, {})
                entry[place] = max(entry.get(place, 0), round(frames / seconds))
    return best


def main(libs=None):
    blocks = [(work, 4) for work in (segments, raw, raw_synced)]
    imu = [(work, n * IMU.segment_frames) for work, n in blocks] + [(npy_per_frame, IMU.segment_frames)]
    mic = [(work, n * MIC.segment_frames) for work, n in blocks] + [(wave_per_sample, MIC.segment_frames)]
    if libs:
        sys.path.append(libs)
        imu.append((npyfile, IMU.segment_frames))
    print(json.dumps({"npy": rates(IMU, imu), "wav": rates(MIC, mic)}))


main(*sys.argv[1:])
