"""Board-side script of test_real_spool.py: records a session with the real spool into the directory sys.argv[1].

A stream is given frames that count up, loses some, makes room by dropping, and is cut off when sys.argv[2] says so.
"""

import array
import sys

from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool

RATE_HZ = 100
SEGMENT_FRAMES = 500
STREAMS = {
    "imu": StreamInfo("imu", "npy", ["ax", "ay", "az"], ["g"] * 3, [0.000122] * 3, RATE_HZ, SEGMENT_FRAMES),
    "mic": StreamInfo("mic", "wav", ["mono"], ["1"], [2 ** -15], RATE_HZ, SEGMENT_FRAMES),
}


class Feeder:
    """Writes a stream whose frame number k holds the value k (modulo 30000) in each channel."""

    def __init__(self, spool, info):
        self.writer = SegmentWriter(spool, info)
        self.info = info
        self.number = 0
        self.stored = 0
        self.lost = {}

    def give(self, n):
        for _ in range(n):
            if not self.writer.is_open:
                self.writer.open(self.number)
            block = array.array("h", [self.number % 30000] * len(self.info.channels))
            self.writer.write(memoryview(block), 0, 1)
            t_us = 5000000 + self.number * 1000000 // RATE_HZ
            if self.number % 50 == 0:
                self.writer.anchor(self.writer.position - 1, t_us & 0x3FFFFFFF, t_us >> 30)
            self.number += 1
            if self.writer.full:
                self.close("full")

    def lose(self, n, cause):
        if not self.writer.is_open:
            self.writer.open(self.number)
        self.writer.gap(n, cause)
        self.number += n

    def close(self, reason):
        sidecar = self.writer.close(reason)
        if sidecar:
            self.stored += sidecar["frames"]
            for _, n, cause in sidecar["gaps"]:
                self.lost[cause] = self.lost.get(cause, 0) + n

    def account(self):
        if self.writer.is_open:
            self.close("stop")
        return {
            "expected": self.number, "stored": self.stored, "lost": self.lost, "unknown": 0,
            "segments": self.writer._seq, "end_frame": self.number, "tail": [],
        }


def main(root, how):
    limit = 45000 if how == "drop" else None
    spool = Spool(root, "wrist-01", max_bytes=limit, reserve_bytes=0, when_full="drop_oldest")
    for line in spool.recover():
        print(line)
    if how == "recover":
        return
    streams = {name: info.as_dict() for name, info in STREAMS.items()}
    fixes = [[5000000, 1790000000000000, 1000000, "rtc"]]
    spool.begin({"started_t_us": 5000000, "clock_fixes": fixes, "streams": streams})
    feeders = [Feeder(spool, info) for info in STREAMS.values()]
    for _ in range(12 if how == "drop" else 5):
        for feeder in feeders:
            feeder.give(450)
        feeders[0].lose(7, "fifo")
        feeders[0].lose(5, "ring")
    if how == "cut":
        return
    spool.end({"reason": "stop", "ended_t_us": 99000000, "streams": {f.info.name: f.account() for f in feeders}})


main(sys.argv[1], sys.argv[2])
