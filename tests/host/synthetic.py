"""A writer of sessions as a board makes them, independent of the board's code: the tests' own reading of
docs/architecture.md.
"""

import hashlib
import io
import json
import wave
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from host.store import Place, Store, Upload

DEVICE, SESSION = "wrist-01", "00007-01-89abcdef"
IMU = {
    "ext": "npy",
    "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
    "units": ["g", "g", "g", "deg/s", "deg/s", "deg/s"],
    "scale": [0.000122, 0.000122, 0.000122, 0.0175, 0.0175, 0.0175],
    "rate_hz": 104,
    "segment_frames": 64,
}
MIC = {"ext": "wav", "channels": ["mono"], "units": ["1"], "scale": [2**-15], "rate_hz": 8000, "segment_frames": 2048}
TRUE_RATE = 1.02  # the sensor's oscillator against the board's clock
START_T_US = 5_000_000_000


@dataclass
class StreamWriter:
    """Frames in, segments out. `give(n)` makes n frames, `lose(n, cause)` loses n (None: nobody knows)."""

    name: str
    info: dict
    rng: np.random.Generator
    files: dict[str, bytes] = field(default_factory=dict)
    number: int = 0  # of the next frame that the sensor makes
    hidden: int = 0  # frames that nobody counted
    stored: int = 0
    lost: dict = field(default_factory=dict)
    unknown: int = 0
    seq: int = 0
    rows: list = field(default_factory=list)
    gaps: list = field(default_factory=list)
    first: int = 0

    def give(self, n: int) -> None:
        frames = self.rng.integers(-32768, 32768, (n, len(self.info["channels"])), np.int16)
        while len(frames):
            room = self.info["segment_frames"] - sum(map(len, self.rows))
            self.rows.append(frames[:room])
            self.number += len(frames[:room])
            frames = frames[room:]
            if sum(map(len, self.rows)) == self.info["segment_frames"]:
                self.close("full")

    def lose(self, n: int | None, cause: str) -> None:
        self.gaps.append([self.number, n, cause])
        self.number += n or 0
        self.hidden += 50 if n is None else 0

    def close(self, reason: str) -> None:
        frames = np.concatenate(self.rows)
        for _, n, cause in self.gaps:
            self.lost[cause] = self.lost.get(cause, 0) + (n or 0)
            self.unknown += n is None
        self.stored += len(frames)
        data = encode(frames, self.info)
        name = f"{self.name}-{self.seq:06d}"
        sidecar = {
            "format": 1, "device": DEVICE, "session": SESSION, "stream": self.name, "seq": self.seq,
            "file": f"{name}.{self.info['ext']}",
            "first_frame": self.first, "frames": len(frames), "end_frame": self.number,
            **{key: self.info[key] for key in ("channels", "units", "scale", "rate_hz")},
            "rate_measured_hz": self.info["rate_hz"] * TRUE_RATE,
            "anchors": [[self.number - 1, self.t_us(self.number - 1)]], "gaps": self.gaps, "clock_fixes": [],
            "bytes": len(data), "crc32": f"{zlib.crc32(data):08x}", "sha256": hashlib.sha256(data).hexdigest(),
            "reason": reason, "ledger": self.ledger(),
        }  # fmt: skip
        self.files[sidecar["file"]] = data
        self.files[f"{name}.json"] = json.dumps(sidecar).encode()
        self.seq, self.first, self.rows, self.gaps = self.seq + 1, self.number, [], []

    def t_us(self, frame: int) -> int:
        return START_T_US + int((frame + self.hidden) / (self.info["rate_hz"] * TRUE_RATE) * 1e6)

    def ledger(self) -> dict:
        lost = {cause: n for cause, n in self.lost.items() if n}
        return {
            "expected": self.stored + sum(lost.values()),
            "stored": self.stored,
            "lost": lost,
            "unknown": self.unknown,
        }

    def end(self) -> dict:
        """-> this stream's entry of ledger.json."""
        if self.rows:
            self.close("stop")
        for _, n, cause in self.gaps:
            self.lost[cause] = self.lost.get(cause, 0) + n
        return {**self.ledger(), "segments": self.seq, "end_frame": self.number, "tail": self.gaps}


def encode(frames: np.ndarray, info: dict) -> bytes:
    file = io.BytesIO()
    if info["ext"] == "npy":
        np.save(file, frames.astype("<i2"))
    else:
        with wave.open(file, "wb") as wav:
            wav.setparams((frames.shape[1], 2, info["rate_hz"], 0, "NONE", ""))
            wav.writeframes(frames.astype("<i2").tobytes())
    return file.getvalue()


def session_json(streams: dict) -> bytes:
    return json.dumps({
        "format": 1, "device": DEVICE, "session": SESSION, "boot": 7, "reset_cause": 1, "started_t_us": START_T_US,
        "clock_fixes": [[START_T_US, 1_790_000_000_000_000, 20_000, "rtc"]], "config": {"version": 1}, "code": "0" * 64,
        "micropython": "1.28.0", "streams": streams,
    }).encode()  # fmt: skip


def ledger_json(accounts: dict) -> bytes:
    return json.dumps({
        "format": 1, "device": DEVICE, "session": SESSION, "reason": "stop",
        "ended_t_us": START_T_US + 10**7, "streams": accounts,
    }).encode()  # fmt: skip


def session_files(seed: int = 0) -> dict[str, bytes]:
    """A short session in the order of its delivery: two streams with gaps of every kind, also behind the last
    segment.
    """
    imu, mic = (StreamWriter(name, info, np.random.default_rng(seed)) for name, info in (("imu", IMU), ("mic", MIC)))
    imu.give(100)
    imu.lose(7, "fifo")
    imu.lose(20, "ring")
    imu.give(28)
    imu.lose(5, "flash")  # between two segments
    imu.give(30)
    imu.lose(None, "bus")
    imu.give(60)
    imu.close("stop")
    imu.lose(3, "ring")  # behind the last segment
    mic.give(5000)
    accounts = {"imu": imu.end(), "mic": mic.end()}
    files = {"session.json": session_json({"imu": IMU, "mic": MIC}), **imu.files, **mic.files}
    return {**files, "ledger.json": ledger_json(accounts)}


def deliver(root: Path, files: dict[str, bytes]) -> Path:
    """Puts files into a collector's store, as deliveries over the network do. -> the session's folder."""
    store = Store(root)
    store.prepare()
    for name, content in files.items():
        upload = Upload(Place(root, DEVICE, SESSION, name))
        upload.write(content)
        store.publish(upload)
    return root / DEVICE / SESSION


def plain_copy(root: Path, files: dict[str, bytes]) -> Path:
    """The session as a copy of a board's flash has it: segments in numbered folders, no record of a collector."""
    folder = root / DEVICE / SESSION
    (folder / "000").mkdir(parents=True)
    for name, content in files.items():
        (folder / ("000" if "-" in name else "") / name).write_bytes(content)
    return folder
