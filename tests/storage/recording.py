"""A recording of test signals on a virtual flash that lists its operations, and notes of what was promised when."""

import io
import json
import os
import random

from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool

BLOCK = 4096
MOUNT = "/cut"
ROOT = MOUNT + "/data"
DEVICE = "dev"
IMU = ("imu", "npy", ("ax", "ay", "az", "gx", "gy", "gz"), ("g",) * 3 + ("deg/s",) * 3, (0.5,) * 6, 104.0, 1500)
MIC = ("mic", "wav", ("mono",), ("1",), (1 / 32768,), 16000.0, 7000)
PERIOD = 997  # frames after which the test signal begins again
INFOS = {spec[0]: StreamInfo(*spec) for spec in (IMU, MIC)}


class TracedFlash(Flash):
    """A flash in memory that keeps its operations: (block, None) for an erase, (address, bytes) for a program.

    Once it is `gone` it refuses everything: files of the time before a power cut are closed when they are collected.
    """

    gone = False

    def __init__(self, image, blocks, block_size=BLOCK):
        super().__init__(io.BytesIO(image), blocks, block_size)
        self.trace = []

    def writeblocks(self, block, buf, off=None):
        return -5 if self.gone else super().writeblocks(block, buf, off)

    def ioctl(self, op, arg):
        return -5 if self.gone and op == 6 else super().ioctl(op, arg)

    def erase(self, block):
        super().erase(block)
        self.trace.append((block, None))

    def _program(self, at, buf):
        super()._program(at, buf)
        self.trace.append((at, bytes(buf)))


def replay(image, operation, block_size=BLOCK, part=1.0):
    """Do an operation of a trace (the first `part` of it) on an image (bytearray)."""
    at, data = operation
    if data is None:
        at *= block_size
        data = b"\xff" * block_size
    n = int(len(data) * part)
    image[at : at + n] = data[:n]


def signal(name, frame, n):
    """-> the bytes of n frames from number `frame` on."""
    pattern, frame_bytes = PATTERNS[name]
    at = frame % PERIOD * frame_bytes
    return pattern[at : at + n * frame_bytes]


def _pattern(info):
    """The test signal: long enough for a segment that starts anywhere in the period."""
    noise = random.getrandbits
    period = bytes([noise(8) for _ in range(PERIOD * info.frame_bytes)])
    return period * (2 + info.segment_frames // PERIOD), info.frame_bytes


random.seed(20)
PATTERNS = {name: _pattern(info) for name, info in INFOS.items()}


class Oracle:
    """What the recording was promised, each with the number of flash operations done by then.

    `segments`: (session, stem) -> {"synced": [(operations, frames)], "sidecar", "committed", "acking", "acked":
    operations}; `documents`: name -> {"acking", "acked"}; `begun`, `ended`: session -> operations.
    """

    def __init__(self, flash):
        self.flash = flash
        self.segments = {}
        self.documents = {}
        self.delivered = {}  # session -> ledger.json as it was sent
        self.begun = {}
        self.ended = {}

    def now(self):
        return self.flash.operations

    def segment(self, session, stem):
        return self.segments.setdefault((session, stem), {"synced": []})


class Recording:
    """Records test signals with a spool, taking all notes; the scenarios below say when what happens."""

    def __init__(self, flash, spool):
        self.oracle = Oracle(flash)
        self.spool = spool
        self.streams = {}

    def begin(self):
        meta = {"streams": {name: info.as_dict() for name, info in INFOS.items()}, "clock_fixes": [[1, 2, 3, "rtc"]]}
        session = self.spool.begin(meta)
        self.oracle.begun[session] = self.oracle.now()
        for name in INFOS:
            self.streams[name] = _Stream(self, name)

    def step(self, name, n):
        """n more frames of a stream."""
        self.streams[name].write(n)

    def acknowledge(self, names):
        oracle = self.oracle
        for name in names:
            _, session, stem = name.split("/")
            entry = oracle.documents.setdefault(name, {}) if "." in stem else oracle.segment(session, stem)
            entry["acking"] = oracle.now()
            if stem == "ledger.json":
                with self.spool.open(name) as file:
                    oracle.delivered[session] = json.loads(file.read())
            self.spool.acknowledge(name)
            entry["acked"] = oracle.now()

    def end(self, reason="stop"):
        accounts = {}
        for name, stream in self.streams.items():
            stream.close(reason)
            accounts[name] = stream.account()
        session = self.spool.session
        self.spool.end({"reason": reason, "ended_t_us": 99, "streams": accounts})
        self.oracle.ended[session] = self.oracle.now()


class _Stream:
    """One stream of a recording."""

    def __init__(self, recording, name):
        self.recording = recording
        self.name = name
        self.info = INFOS[name]
        self.writer = SegmentWriter(recording.spool, self.info)
        self.next_frame = 0
        self.seq = 0
        self.ledger = {"stored": 0, "lost": {}, "unknown": 0}

    def write(self, n, gap=0):
        while n:
            if not self.writer.is_open:
                self.writer.open(self.next_frame)
                session = self.recording.spool.session
                self.note = self.recording.oracle.segment(session, f"{self.name}-{self.seq:06d}")
                self.lost = 0
            if gap:
                self.writer.gap(gap, "fifo")
                self.lost += max(gap, 0)
                gap = 0
            first = self.next_frame + self.writer.frames + self.lost
            taken = self.writer.write(memoryview(signal(self.name, first, min(n, 500))), 0, min(n, 500))
            n -= taken
            self.writer.anchor(self.writer.position - 1, (first * 64) & 0x3FFFFFFF, 0)
            self.note["synced"].append((self.recording.oracle.now(), durable_frames(self.info, self.writer.frames)))
            if self.writer.full:
                self.close("full")

    def close(self, reason):
        if not self.writer.is_open:
            return
        sidecar = self.writer.close(reason)
        if sidecar:
            self.note["sidecar"] = sidecar
            self.note["committed"] = self.recording.oracle.now()
            self.next_frame = sidecar["end_frame"]
            self.seq += 1
            self.ledger = sidecar["ledger"]

    def account(self):
        lost = dict(self.ledger["lost"])
        stored = self.ledger["stored"] + lost.pop("retention", 0)
        return {
            "expected": stored + sum(lost.values()),
            "stored": stored,
            "lost": lost,
            "unknown": self.ledger["unknown"],
            "segments": self.seq,
            "end_frame": self.next_frame,
            "tail": [],
        }


def durable_frames(info, frames, block_size=BLOCK):
    """-> how many of `frames` written frames lie in LittleFS blocks that are full, by the arithmetic of its SPEC.md."""
    header = len(info.header(info.segment_frames))
    written = header + frames * info.frame_bytes
    full = index = 0
    while True:
        zeros = 0
        while index and not index >> zeros & 1:
            zeros += 1
        capacity = block_size - (4 * (zeros + 1) if index else 0)
        if full + capacity > written:
            return max(0, full - header) // info.frame_bytes
        full += capacity
        index += 1


# --- scenarios: name -> (options of the spool, function)


def _shipping(r):
    """Two sessions, gaps, acknowledgements that lag behind, an early stop."""
    r.begin()
    for i in range(14):
        r.streams["imu"].write(500, gap=(0, 0, 7, 0, 3, -1, 0)[i % 7])
        r.step("mic", 2500)
        if i % 3 == 2:
            r.acknowledge(r.spool.pending()[:3])
    r.end()
    r.begin()
    for _ in range(5):
        r.step("imu", 700)
        r.step("mic", 2500)
        r.acknowledge(r.spool.pending()[:3])
    r.end()
    while r.spool.pending():
        r.acknowledge(r.spool.pending())


def _retention(r):
    """A spool that is too small: the oldest goes; some is acknowledged in between."""
    r.begin()
    for i in range(20):
        r.streams["imu"].write(500, gap=5 if i % 5 == 4 else 0)
        r.step("mic", 2500)
        if i in (6, 12):
            r.acknowledge(r.spool.pending()[1:4])
    r.end("low battery")
    r.begin()
    for _ in range(8):
        r.step("imu", 600)
        r.step("mic", 2000)
    r.end()
    r.acknowledge(r.spool.pending()[:4])


def _gaps(r):
    """A sensor so bad that lists of gaps overflow; a segment without a frame on flash."""
    r.begin()
    for i in range(70):
        r.streams["imu"].write(30, gap=1 + i % 3)
    r.step("mic", 100)
    r.end()


SCENARIOS = {
    "shipping": ({"reserve_bytes": 65536}, _shipping),
    "retention": ({"reserve_bytes": 16384, "max_bytes": 140000, "when_full": "drop_oldest"}, _retention),
    "kept": (
        {"reserve_bytes": 16384, "max_bytes": 140000, "when_full": "drop_oldest", "keep_acknowledged": True},
        _retention,
    ),
    "gaps": ({"reserve_bytes": 16384}, _gaps),
}


def mount(flash):
    os.mount(os.VfsLfs2(flash), MOUNT)


def record(scenario, blocks=160, block_size=BLOCK):
    """Run a scenario. -> (image before it, trace of operations, oracle)."""
    flash = Flash(None, blocks, block_size)
    os.VfsLfs2.mkfs(flash)
    image = flash.snapshot()
    flash.close()
    flash = TracedFlash(image, blocks, block_size)
    options, function = SCENARIOS[scenario]
    mount(flash)
    try:
        spool = Spool(ROOT, DEVICE, **options)
        spool.recover()
        recording = Recording(flash, spool)
        function(recording)
    finally:
        os.umount(MOUNT)
    return image, flash.trace, recording.oracle
