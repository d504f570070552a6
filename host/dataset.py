"""Reads a data set: devices, their sessions, the streams of a session, as NumPy arrays with units and times.

    for session in Dataset("out").sessions:
        imu = session.streams["imu"]
        values, times_us = imu.values(), imu.times_us()
        utc_us, uncertainty_us = session.frames_utc_us("imu")

Two layouts are read: the flat one of the laptop, and a raw copy of a board's flash, whose sessions keep their
segments in folders `000`, `001`, ... and whose acknowledged segments have their sidecar renamed to `.ack`. Reading
never fails because of damaged content: what is readable is given, and the rest is told in `Session.findings`. Whether
the data is *true* is for `verify.py`.
"""

import io
import re
import warnings
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from host import records, timefit
from host.records import Gap, LedgerFile, SessionFile, Sidecar, StreamInfo
from host.store import DOCUMENTS, SUMS
from host.utc import UtcClock

SEGMENT = re.compile(r"(?P<stream>.+)-(?P<seq>\d{6,})\.(?P<ext>npy|wav|json|ack)")
_FOLDER = re.compile(r"\d{3}")


class DatasetError(Exception):
    """There is no data set where one was asked for; one sentence."""


@dataclass(frozen=True)
class Finding:
    """`level`: error, warning or note. `frames`: (first, end) frame numbers concerned, if any."""

    level: str
    file: str
    frames: tuple[int, int] | None
    what: str


@dataclass(frozen=True)
class Run:
    """Frames `first` to `end` (exclusive) are all there, with nothing lost in between."""

    first: int
    end: int


@dataclass(frozen=True)
class Segment:
    """One finished segment: its sidecar and where its files should be."""

    info: Sidecar
    sidecar_path: Path
    data_path: Path

    def decode(self, content: bytes) -> np.ndarray:
        """int16, shape (frames, channels), from a file's content. Raises `ValueError` when that is something else."""
        array = _decode_npy(content) if self.data_path.suffix == ".npy" else _decode_wav(content)
        if array.ndim != 2 or array.dtype != np.dtype("<i2") or array.shape[1] != len(self.info.channels):
            raise ValueError(
                f"holds {array.dtype} {array.shape}, the sidecar says int16 (n, {len(self.info.channels)})"
            )
        return array

    def file_rate_hz(self, content: bytes) -> int | None:
        """What the data file itself says about its rate: WAV does, NPY has no place for it."""
        return _open_wav(content).getframerate() if self.data_path.suffix == ".wav" else None

    def read(self) -> np.ndarray:
        """The frames that the sidecar promises, or as many of them as can be read."""
        try:
            return self.decode(self.data_path.read_bytes())[: self.info.frames]
        except (OSError, ValueError):
            return np.empty((0, len(self.info.channels)), "<i2")

    def pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the first frame, frames) of each part without a gap."""
        rows, row, number = self.read(), 0, self.info.first_frame
        for gap in self.info.gaps:
            before = gap.frame - number
            if before > 0:
                yield number, rows[row : row + before]
                row += before
            number = gap.frame + (gap.lost or 0)
        yield number, rows[row:]


@dataclass
class Stream:
    """One sensor's frames in one session. `segments` in order; `info` from session.json, or from the first sidecar
    without it.
    """

    name: str
    info: StreamInfo
    segments: list[Segment]
    ledger_file: records.StreamLedger | None

    channels = property(lambda self: self.info.channels)
    units = property(lambda self: self.info.units)
    scale = property(lambda self: self.info.scale)
    rate_hz = property(lambda self: self.info.rate_hz)

    @property
    def gaps(self) -> list[Gap]:
        """Every loss that the board reported, in order."""
        inside = [gap for segment in self.segments for gap in segment.info.gaps]
        return inside + (self.ledger_file.tail if self.ledger_file else [])

    @property
    def holes(self) -> list[Run]:
        """Frames of segments that are not here: between neighbours, in front of the first, behind the last if
        ledger.json tells.
        """
        holes, expected = [], 0
        for segment in self.segments:
            if segment.info.first_frame > expected:
                holes.append(Run(expected, segment.info.first_frame))
            expected = segment.info.end_frame
        if self.ledger_file:
            end = self.ledger_file.end_frame - sum(gap.lost or 0 for gap in self.ledger_file.tail)
            if end > expected:
                holes.append(Run(expected, end))
        return holes

    @property
    def ledger(self) -> dict:
        """`expected`, `stored`, `lost` by cause, `unknown`: the final account, or the last sidecar's while the
        session is open.
        """
        account = self.ledger_file or (self.segments[-1].info.ledger if self.segments else None)
        if account is None:
            return {"expected": 0, "stored": 0, "lost": {}, "unknown": 0}
        return account.model_dump(include={"expected", "stored", "lost", "unknown"})

    def pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the first frame, int16 frames of shape (n, channels)), one segment in memory at a time."""
        for segment in self.segments:
            for first, rows in segment.pieces():
                if len(rows):
                    yield first, rows

    def numbered_frames(self) -> tuple[np.ndarray, np.ndarray]:
        """(int64 frame numbers of shape (n,), int16 frames of shape (n, channels)) of everything stored."""
        pieces = list(self.pieces())
        numbers = [np.arange(first, first + len(rows)) for first, rows in pieces]
        empty = np.empty((0, len(self.channels)), "<i2")
        return np.concatenate([np.empty(0, np.int64), *numbers]), np.concatenate([empty, *(rows for _, rows in pieces)])

    def frames(self) -> np.ndarray:
        """int16, shape (n, channels): everything stored, in order."""
        return self.numbered_frames()[1]

    def values(self) -> np.ndarray:
        """float32, shape (n, channels): the frames in `units`."""
        return self.frames() * np.array(self.scale, np.float32)

    def runs(self) -> list[Run]:
        """What is there without interruption; a gap of unknown length interrupts, too."""
        unknown = {gap.frame for gap in self.gaps if gap.lost is None}
        runs: list[Run] = []
        for first, rows in self.pieces():
            end = first + len(rows)
            if runs and runs[-1].end == first and first not in unknown:
                runs[-1] = Run(runs[-1].first, end)
            else:
                runs.append(Run(first, end))
        return runs

    @cached_property
    def clock(self) -> timefit.FrameClock:
        """Frame number -> time on the board's clock."""
        anchors = [anchor for segment in self.segments for anchor in segment.info.anchors]
        return timefit.FrameClock(anchors, self.rate_hz, [gap.frame for gap in self.gaps if gap.lost is None])

    @property
    def rate_measured_hz(self) -> float | None:
        """Frames per second of the board's clock over the whole session; None without two anchors."""
        return self.clock.rate_hz

    def times_us(self) -> np.ndarray:
        """float64, shape (n,): when each stored frame was taken, in microseconds of the board's clock; NaN without
        any anchor.
        """
        return self.clock.t_us(self.numbered_frames()[0])


@dataclass
class Session:
    """One session's folder. `meta`, `ledger`: None when session.json or ledger.json is not there or unreadable."""

    path: Path
    device: str
    name: str
    meta: SessionFile | None = None
    ledger: LedgerFile | None = None
    streams: dict[str, Stream] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def started_t_us(self) -> int:
        """Start on the board's clock, or the earliest anchor without session.json."""
        if self.meta:
            return self.meta.started_t_us
        return min((a.t_us for s in self.streams.values() for g in s.segments for a in g.info.anchors), default=0)

    @property
    def clock_fixes(self) -> list[records.ClockFix]:
        """Every time that the board was told the time of day, in session.json or a sidecar."""
        fixes = set(self.meta.clock_fixes) if self.meta else set()
        return sorted(
            fixes.union(*(g.info.clock_fixes for s in self.streams.values() for g in s.segments)),
            key=lambda fix: fix.t_us,
        )

    @property
    def clock_fix(self) -> records.ClockFix | None:
        """The fix with the least uncertainty; None when the board never knew the time of day."""
        unsure = float("inf")
        return min(
            self.clock_fixes, key=lambda f: unsure if f.uncertainty_us is None else f.uncertainty_us, default=None
        )

    @cached_property
    def utc(self) -> UtcClock | None:
        """The board's clock against UTC; None when no clock fix says how good it is."""
        try:
            return UtcClock(self.clock_fixes)
        except ValueError:
            return None

    def utc_us(self, times_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(UTC in us since 1970, uncertainty in us), float64, of times on this board's clock (`Stream.times_us`); NaN
        and infinity when the board never knew the time of day. Several boards are on one time line so.
        """
        times_us = np.asarray(times_us, np.float64)
        if self.utc is None:
            return np.full(times_us.shape, np.nan), np.full(times_us.shape, np.inf)
        return self.utc.utc_us(times_us)

    def frames_utc_us(self, stream: str) -> tuple[np.ndarray, np.ndarray]:
        """As `utc_us`, of each stored frame of a stream; how well its frames are known in time counts, too."""
        utc_us, uncertainty_us = self.utc_us(self.streams[stream].times_us())
        return utc_us, uncertainty_us + (self.streams[stream].clock.residual_us or 0)


class Dataset:
    """All sessions at `root`, which may be the data set, one device's folder or one session's. Raises `DatasetError`
    if there is none.
    """

    def __init__(self, root: Path | str):
        self.root = Path(root)
        if not self.root.is_dir():
            raise DatasetError(f"{root}: no such folder")
        self.sessions = [_read_session(path) for path in _session_folders(self.root)]
        if not self.sessions:
            raise DatasetError(f"{root}: no session in there (expected <device>/<session>/session.json)")

    @property
    def devices(self) -> dict[str, list[Session]]:
        devices: dict[str, list[Session]] = {}
        for session in self.sessions:
            devices.setdefault(session.device, []).append(session)
        return devices

    def find(self, device: str, session: str) -> Session | None:
        return next((s for s in self.sessions if (s.device, s.name) == (device, session)), None)


def _session_folders(root: Path) -> list[Path]:
    for candidates in ([root], root.glob("*"), root.glob("*/*")):
        if folders := sorted(path for path in candidates if _is_session(path)):
            return folders
    return []


def _is_session(path: Path) -> bool:
    return path.is_dir() and any(name in (*DOCUMENTS, SUMS) or SEGMENT.fullmatch(name) for name in _files(path))


def _files(folder: Path) -> dict[str, Path]:
    """Name -> path of every file of a session; segments may lie one numbered folder deeper."""
    inner = [path for path in folder.iterdir() if path.is_dir() and _FOLDER.fullmatch(path.name)]
    return {path.name: path for place in [*sorted(inner), folder] for path in sorted(place.iterdir()) if path.is_file()}


def _read_session(folder: Path) -> Session:
    session = Session(folder, folder.resolve().parent.name, folder.resolve().name, files=_files(folder))
    session.meta = _document(session, "session.json", SessionFile)
    session.ledger = _document(session, "ledger.json", LedgerFile)
    segments: dict[str, list[Segment]] = {}
    for name, path in session.files.items():
        match = SEGMENT.fullmatch(name)
        if match and match["ext"] in ("json", "ack"):
            try:
                info = records.load(Sidecar, path)
            except records.RecordError as error:
                session.findings.append(Finding("error", name, None, f"is not a sidecar: {error}"))
                continue
            if (info.stream, info.seq, Path(info.file).stem) != (match["stream"], int(match["seq"]), path.stem):
                what = f"describes {info.file} (segment {info.seq} of {info.stream}), its own name says otherwise"
                session.findings.append(Finding("error", name, None, what))
                continue
            data = session.files.get(info.file, path.with_name(Path(info.file).name))
            segments.setdefault(info.stream, []).append(Segment(info, path, data))
    known = session.meta.streams if session.meta else {}
    for stream in sorted({*known, *segments}):
        _add_stream(session, stream, sorted(segments.get(stream, []), key=lambda segment: segment.info.seq))
    return session


def _add_stream(session: Session, name: str, segments: list[Segment]) -> None:
    info = session.meta.streams.get(name) if session.meta else None
    if info is None:
        first = segments[0].info
        info = StreamInfo(
            ext=segments[0].data_path.suffix[1:],
            **first.model_dump(include={"channels", "units", "scale", "rate_hz"}),
            segment_frames=max(segment.info.frames for segment in segments),
        )
    same = [segment for segment in segments if segment.info.channels == info.channels]
    for segment in segments:
        if segment not in same:
            what = f"has the channels {segment.info.channels}, the stream has {info.channels}"
            session.findings.append(Finding("error", segment.sidecar_path.name, _span(segment), what))
    account = session.ledger.streams.get(name) if session.ledger else None
    session.streams[name] = Stream(name, info, same, account)


def _span(segment: Segment) -> tuple[int, int]:
    return segment.info.first_frame, segment.info.end_frame


def _document(session: Session, name: str, model):
    if name not in session.files:
        return None
    try:
        return records.load(model, session.files[name])
    except records.RecordError as error:
        session.findings.append(Finding("error", name, None, str(error)))
        return None


def _decode_npy(content: bytes) -> np.ndarray:
    try:
        with warnings.catch_warnings(action="ignore"):  # the compiler's, about a damaged header
            return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # a damaged header can raise nearly anything
        raise ValueError(f"is not an NPY file ({error})") from None


def _decode_wav(content: bytes) -> np.ndarray:
    file = _open_wav(content)
    frame_bytes = 2 * file.getnchannels()
    data = file.readframes(file.getnframes())
    return np.frombuffer(data[: len(data) // frame_bytes * frame_bytes], "<i2").reshape(-1, file.getnchannels())


def _open_wav(content: bytes) -> wave.Wave_read:
    try:
        file = wave.open(io.BytesIO(content), "rb")
    except Exception as error:  # a damaged header can raise nearly anything
        raise ValueError(f"is not a WAV file ({error})") from None
    if file.getsampwidth() != 2:
        raise ValueError(f"has {8 * file.getsampwidth()}-bit samples instead of 16-bit ones")
    return file
