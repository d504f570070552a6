"""The board's side of the Bluetooth tests: the real Ble over a real spool with a recording of its own, as
/scenario.json says: {"frames": int16 values, "segment_frames": n, "ble": {options}, "heap": whether to watch it}.

Obeys console lines: `stop`. Prints a status line every 100 ms.
"""

import array
import asyncio
import gc
import json
import select
import sys
import time

from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool
from transport.ble import Ble


def record(spool, frames, segment_frames):
    """One session of frames that are random, but the same in every run."""
    info = StreamInfo("imu", "npy", ["ax", "ay", "az"], ["g"] * 3, [0.001] * 3, 104, segment_frames)
    spool.begin({"started_t_us": 0, "clock_fixes": [], "streams": {"imu": info.as_dict()}})
    writer = SegmentWriter(spool, info)
    block = array.array("h", bytes(2 * 3 * 64))
    seed = done = 0
    while done < frames:
        for i in range(len(block)):
            seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
            block[i] = (seed >> 14) - 0x8000
        if not writer.is_open:
            writer.open(done)
        done += writer.write(memoryview(block), 0, 64)
        if writer.full:
            writer.close("full")
    if writer.is_open:
        writer.close("stop")
    account = {"expected": done, "stored": done, "lost": {}, "unknown": 0, "segments": writer._seq, "end_frame": done,
               "tail": [], "lost_exact": True}  # fmt: skip
    spool.end({"reason": "stop", "ended_t_us": 1000000, "streams": {"imu": account}})


class Watch:
    """How long a task had to wait for its turn at most, and the heap in use."""

    def __init__(self):
        self.gap_us = 0
        self.heap = 0

    async def run(self, collect):
        last = time.ticks_us()
        while True:
            await asyncio.sleep_ms(1)
            now = time.ticks_us()
            self.gap_us = max(self.gap_us, time.ticks_diff(now, last))
            if collect:
                gc.collect()
                self.heap = max(self.heap, gc.mem_alloc())
                now = time.ticks_us()
            last = now


async def main(scenario):
    said = []
    spool = Spool("/data", "wrist-01", reserve_bytes=0)
    spool.recover()
    if not spool.pending(1) and scenario.get("frames"):
        record(spool, scenario["frames"], scenario.get("segment_frames", 8192))

    def do(line):
        said.append(line)
        return (line != "fly", "done: " + line)

    class Fixes:
        def now_us(self):
            return 5

        def offer(self, *fix):
            said.append(fix)

    gc.collect()
    idle_heap = gc.mem_alloc()
    ble = Ble(spool, name="wrist-01", do=do, fixes=Fixes(), state=lambda: "recording", **scenario.get("ble", {}))
    watch = Watch()
    tasks = [asyncio.create_task(ble.run()), asyncio.create_task(watch.run(scenario.get("heap")))]
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
    while not [1 for _ in poller.ipoll(0)]:
        await asyncio.sleep_ms(100)
        print("@" + json.dumps({
            "ble": ble.status(), "said": said, "gap_us": watch.gap_us, "heap": watch.heap - idle_heap,
            "spool": spool.status(), "used": gc.mem_alloc(),
        }))
    for task in tasks:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
    print("ended:", ble.status()["state"])


def run():
    with open("/scenario.json") as file:
        scenario = json.load(file)
    asyncio.run(main(scenario))
