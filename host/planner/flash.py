"""What a recording puts on flash: files, bytes, erased blocks; the same files are what is uploaded."""

import json
import math
from dataclasses import dataclass

from config.checks import frame_bytes
from storage import npy, wavfmt

BLOCK = 4096
_CAPACITY = 4091.0  # of file data in a LittleFS block, on average: it begins with 4 * (ctz(i) + 1) bytes of pointers
_ANCHORS = 24  # 16 to 32 once there were more; DESIGN of the segment writer
_DIRECTORY_BYTES = 300  # commits in the directory per file: create, size, rename, remove; measured, see docs/planner.md
_DIRECTORY_ERASES = 0.3  # compactions of the directory, and the journal; measured as well
_WAKING_BYTES = 2400  # power.json, the boot counter, a session's directories: what sleeping deeply between adds
_WAKING_ERASES = 1.2  # measured as well (tests/sleep/test_forecast.py)


@dataclass(frozen=True)
class Files:
    """Of one recording of one stream, or sums of such. `payload`: data files alone; `stored`: with sidecars."""

    files: float = 0
    payload: float = 0
    stored: float = 0
    programmed: float = 0
    erases: float = 0

    def __add__(self, other: "Files") -> "Files":
        return Files(*(a + b for a, b in zip(self.astuple(), other.astuple(), strict=True)))

    def __mul__(self, factor: float) -> "Files":
        return Files(*(a * factor for a in self.astuple()))

    def astuple(self) -> tuple[float, ...]:
        """-> (files, payload, stored, programmed, erases)."""
        return self.files, self.payload, self.stored, self.programmed, self.erases


def header_bytes(stream: dict) -> int:
    """In front of the data of one file."""
    channels = frame_bytes(stream) // 2
    if "measure" in stream:
        return len(npy.header(stream["segment_frames"], channels))
    return len(wavfmt.header(stream["segment_frames"], 1, stream["rate_hz"]))


def of_stream(name: str, stream: dict, seconds: float) -> Files:
    """What one recording of so many seconds leaves, at the nominal rate."""
    frames = max(0, math.floor(stream["rate_hz"] * seconds))
    full, rest = divmod(frames, stream["segment_frames"])
    total = _segment(name, stream, stream["segment_frames"]) * full
    return total + _segment(name, stream, rest) if rest else total


def _segment(name: str, stream: dict, frames: int) -> Files:
    """A segment and its sidecar. A short one is copied once, for its true header."""
    data = header_bytes(stream) + frames * frame_bytes(stream)
    side = sidecar_bytes(name, stream, frames)
    blocks = math.ceil(data / _CAPACITY)
    copies = 1 if frames == stream["segment_frames"] else 2
    return Files(
        files=2,
        payload=data,
        stored=data + side,
        programmed=copies * data * (1 + 5 / BLOCK) + side + _DIRECTORY_BYTES,
        erases=copies * blocks + math.ceil(side / BLOCK) + _DIRECTORY_ERASES,
    )


def sidecar_bytes(name: str, stream: dict, frames: int) -> int:
    """Length of the JSON beside a segment without gaps (docs/architecture.md, Files)."""
    channels = frame_bytes(stream) // 2
    anchors = max(1, min(_ANCHORS, frames // stream["block_frames"]))
    sidecar = {
        "format": 1, "device": "d" * 8, "session": "00001-00-00000000", "stream": name, "seq": 100,
        "file": f"{name}-000100.npy", "first_frame": 100000, "frames": frames, "end_frame": 100000,
        "channels": ["ax"] * channels, "units": ["deg/s"] * channels, "scale": [0.000122] * channels,
        "rate_hz": 104.0, "rate_measured_hz": 106.38541977392056, "residual_us": 21.1,
        "anchors": [[100000, 10000000]] * anchors, "gaps": [],
        "clock_fixes": [[1000, 1800000000000000, 1000000, "rtc"]], "bytes": 100000, "crc32": "0" * 8,
        "sha256": "0" * 64, "reason": "full",
        "ledger": {"expected": 100000, "stored": 100000, "lost": {}, "unknown": 0},
    }  # fmt: skip
    return len(json.dumps(sidecar))


def of_session(config: dict, seconds: float) -> Files:
    """One recording of all streams, with session.json and ledger.json."""
    total = Files()
    for name, stream in config["streams"].items():
        total += of_stream(name, stream, seconds)
    about = len(json.dumps(config)) + 600 + 330 * len(config["streams"])
    return total + Files(files=2, stored=about, programmed=about + 2 * _DIRECTORY_BYTES, erases=4)


def of_waking(config: dict) -> Files:
    """What each start from deep sleep writes besides: nothing of it is uploaded."""
    if config["schedule"]["sleep"] != "deep":
        return Files()
    return Files(programmed=_WAKING_BYTES, erases=_WAKING_ERASES)


def room_bytes(config: dict, data_kb: int | None, code_bytes: int) -> float | None:
    """What recordings may take in all, in bytes; None where nobody knows (a card without max_kb, a virtual board)."""
    storage = config["storage"]
    rooms = []
    if storage["max_kb"] is not None:
        rooms.append(storage["max_kb"] * 1024)
    if data_kb is not None and storage["card"] is None:
        rooms.append(data_kb * 1024 - code_bytes - storage["reserve_kb"] * 1024)
    return max(0, min(rooms)) if rooms else None
