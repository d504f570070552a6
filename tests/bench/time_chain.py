"""Thirty minutes of one stream through sampler, ring, recorder and segment writer, in a world whose truth is known.

Program for MicroPython: `time_chain.py <poll|irq|blind> <ramp|swing> <seed> <minutes>`: polls that seek the frames,
the watermark interrupt besides, or polls at any time. Prints one JSON object: how well the board's causal estimate met
the truth (us rms after a constant offset, but for the first minute), the sidecars' anchors, the truth for each 64th
frame.
"""

import io
import json
import math
import random
import sys

import vfs

from app.clock import Clock
from app.edge import Edge
from app.recorder import Recorder
from app.ring import BlockRing
from app.sampler import Sampler
from app.seek import Seek
from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool
from tests.bench.timemodel import MASK, Oscillator, World

RATE_HZ = 104
BLOCK = 32
SETTLING_US = 60e6
KEYS = ("first_frame", "end_frame", "anchors", "rate_measured_hz", "residual_us")


class Spread:
    """Standard deviation, without keeping the values."""

    def __init__(self):
        self.n = self.sum = self.squares = 0

    def add(self, value):
        self.n += 1
        self.sum += value
        self.squares += value * value

    def rms(self):
        mean = self.sum / self.n
        return math.sqrt(self.squares / self.n - mean * mean)


def main(kind, shape, seed, minutes):
    random.seed(seed)
    ratio = 1 + 0.03 * (2 * random.random() - 1)
    start_us = 1000 + 2000000000 * random.random()
    oscillator = Oscillator(RATE_HZ, ratio, 300e-6, 1800, shape, start_us)
    world = World(oscillator, RATE_HZ, watermark=BLOCK if kind == "irq" else 0)
    world.now = start_us - 1000
    clock = Clock(world.ticks_us)
    clock.hi = int(world.now) >> 30
    ring = BlockRing(BLOCK * world.frame_bytes, 8)
    edge = Edge(world, BLOCK, world.ticks_us) if kind == "irq" else None
    sampler = Sampler(world, ring, clock, BLOCK, edge)

    flash = Flash(io.BytesIO(b"\xff" * (4096 * 256)), 256)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    spool = Spool("/flash/data", "dev", reserve_bytes=8192, when_full="stop")
    spool.recover()
    info = StreamInfo("imu", "npy", ("ax",), ("g",), (1.0,), float(RATE_HZ), 8192)
    spool.begin({"streams": {"imu": info.as_dict()}})
    sidecars = []

    class Writer(SegmentWriter):
        def close(self, reason):
            sidecar = super().close(reason)
            sidecars.append(sidecar)
            return sidecar

    recorder = Recorder(ring, Writer(spool, info))
    seek = Seek(sampler.anchors, BLOCK, RATE_HZ, world.pass_us)
    timebase = sampler.anchors.timebase
    board = Spread()
    end_us = world.now + minutes * 60e6
    known = 0
    while world.now < end_us:
        made = world._made - 1
        if known:  # when did the frames since the last drain come, judged before this drain?
            for frame in (known, (known + made) // 2):
                truth = oscillator.t(frame)
                if truth > start_us + SETTLING_US:
                    board.add(timebase.until(frame, int(truth) & MASK) - truth % 1)
        sampler.try_drain(BLOCK)
        known = made
        while recorder.step():
            pass
        pause_ms = sampler.period_ms if kind == "blind" else seek.pause_ms(sampler.period_ms)
        wake_us = (int(world.now) // 1000 + pause_ms) * 1000  # as asyncio counts
        world.pass_us(max(0, wake_us - world.now) + world.late_us())
        seek.meet()
    recorder.close("stop")
    truths = []
    for sidecar in sidecars:
        for frame in range(sidecar["first_frame"], sidecar["end_frame"], 64):
            truths.append((frame, oscillator.t(frame)))
    print(json.dumps({
        "rate_hz": RATE_HZ,
        "board_us": board.rms(),
        "truth": truths,
        "sidecars": [{key: sidecar[key] for key in KEYS} for sidecar in sidecars],
        "late": [[t_us - oscillator.t(frame) for frame, t_us in s["anchors"]] for s in sidecars],
        "lost": world.lost,
    }))  # fmt: skip


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
