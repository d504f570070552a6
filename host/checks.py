"""What must hold for a session to be believed; each check yields findings that name the file and the frames.

Four independent witnesses are held against each other: the data files, their sidecars, session.json with ledger.json,
and SHA256SUMS, the collector's record of what arrived. The record finds every changed byte; without it (a copy of a
board's flash) the others still find what contradicts them: a wrong hash, a frame number that does not follow, an
account that does not add up, units that differ from the session's.
"""

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from host.dataset import SEGMENT, Finding, Segment, Session, Stream
from host.records import Anchor, Gap, Ledger
from host.store import DOCUMENTS, PART, SUMS

RATE_TOLERANCE = 0.25  # sensors are off by up to 7 %; what is further off is a wrong number, not a bad oscillator
JITTER_US = 200_000
_SUM = re.compile(r"([0-9a-f]{64})  (.+)")


def check_session(session: Session) -> list[Finding]:
    """Every finding of one session, errors first."""
    findings = list(session.findings)
    hashes = {name: _sha256(path) for name, path in session.files.items()}
    findings += _check_received(session, hashes)
    findings += _check_documents(session)
    for stream in session.streams.values():
        for segment in stream.segments:
            findings += _check_data(segment)
            findings += _check_sidecar(session, stream, segment)
        findings += _check_chain(stream)
        findings += _check_account(stream)
    findings += _check_strays(session)
    order = ("error", "warning", "note")
    return sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.level))


def _check_received(session: Session, hashes: dict[str, str]) -> Iterator[Finding]:
    """Every file is what the collector received, and everything received is here."""
    if SUMS not in session.files:
        yield Finding(
            "note", SUMS, None, "is not here: without the collector's record an edited sidecar may pass unseen"
        )
        return
    received = {}
    for number, line in enumerate(session.files[SUMS].read_text("utf-8", "replace").splitlines(keepends=True), 1):
        if match := _SUM.fullmatch(line.removesuffix("\n")) if line.endswith("\n") else None:
            received[match[2]] = match[1]
        else:
            yield Finding("error", SUMS, None, f"line {number} is damaged or torn")
    for name, sha256 in received.items():
        level = "note" if name.endswith(".jsonl") else "error"  # labels are meant to be added to
        if name not in hashes:
            yield Finding(level, name, _frames_of(session, name), f"is missing: the collector received it ({SUMS})")
        elif hashes[name] != sha256:
            yield Finding(
                level, name, _frames_of(session, name), f"was changed after the collector received it ({SUMS})"
            )
    for name in hashes:
        if name not in received and (name in DOCUMENTS or SEGMENT.fullmatch(name)):
            what = f"is not in {SUMS}: its delivery was never confirmed, or it was put here by somebody else"
            yield Finding("error", name, _frames_of(session, name), what)


def _check_documents(session: Session) -> Iterator[Finding]:
    """session.json and ledger.json are here, belong here and speak of the same streams."""
    if "session.json" not in session.files:
        yield Finding("error", "session.json", None, "is missing")
    if "ledger.json" not in session.files:
        yield Finding(
            "note", "ledger.json", None, "is not here: the session is still open, or its end was never delivered"
        )
    for name, document in (("session.json", session.meta), ("ledger.json", session.ledger)):
        if document and (document.device, document.session) != (session.device, session.name):
            level = "warning" if name == "session.json" else "error"
            yield Finding(level, name, None, f"belongs to {document.device}/{document.session}, not to this folder")
    if session.meta and session.ledger and set(session.meta.streams) != set(session.ledger.streams):
        names = sorted(session.ledger.streams), sorted(session.meta.streams)
        yield Finding("error", "ledger.json", None, f"has the streams {names[0]}, session.json has {names[1]}")


def _check_data(segment: Segment) -> Iterator[Finding]:
    """The data file is the one that the sidecar describes. When both hashes fit, it is the sidecar that errs."""
    info, name, frames = segment.info, segment.data_path.name, _span(segment)
    try:
        content = segment.data_path.read_bytes()
    except OSError as error:
        yield Finding("error", name, frames, f"is missing or unreadable ({error.strerror})")
        return
    same_crc = f"{zlib.crc32(content):08x}" == info.crc32
    same_sha = hashlib.sha256(content).hexdigest() == info.sha256
    if not same_crc and not same_sha:
        yield Finding("error", name, frames, "has another content than its sidecar says (crc32 and sha256 differ)")
    elif not (same_crc and same_sha):
        wrong = "sha256" if same_crc else "crc32"
        yield Finding("error", segment.sidecar_path.name, frames, f"has a wrong {wrong}: the other hash fits the data")
    liar = segment.sidecar_path.name if same_crc and same_sha else name
    if len(content) != info.bytes:
        yield Finding("error", liar, frames, f"the data has {len(content)} bytes, the sidecar says {info.bytes}")
    try:
        rows, rate_hz = len(segment.decode(content)), segment.file_rate_hz(content)
    except ValueError as error:
        yield Finding("error", name, frames, f"{error}")
        return
    if rows != info.frames:
        yield Finding("error", liar, frames, f"the data has {rows} frames, the sidecar says {info.frames}")
    if rate_hz is not None and rate_hz != round(info.rate_hz):
        yield Finding("error", liar, frames, f"the data says {rate_hz} Hz, the sidecar {info.rate_hz:g} Hz")


def _check_sidecar(session: Session, stream: Stream, segment: Segment) -> Iterator[Finding]:
    """The sidecar agrees with itself and with session.json."""
    info, name, frames = segment.info, segment.sidecar_path.name, _span(segment)

    def wrong(what: str) -> Finding:
        return Finding("error", name, frames, what)

    owner = (session.meta.device, session.meta.session) if session.meta else (session.device, session.name)
    if (info.device, info.session) != owner:
        yield wrong(f"belongs to {info.device}/{info.session}, not to {'/'.join(owner)}")
    for key in ("units", "scale", "rate_hz"):
        if getattr(info, key) != getattr(stream.info, key):
            yield wrong(f"{key} is {getattr(info, key)}, the session's is {getattr(stream.info, key)}")
    if segment.data_path.suffix[1:] != stream.info.ext:
        yield wrong(f"names a .{segment.data_path.suffix[1:]} file, the session's stream is .{stream.info.ext}")
    if info.frames > stream.info.segment_frames:
        yield wrong(f"frames is {info.frames}, the session's segments have {stream.info.segment_frames} at most")
    if info.end_frame != info.first_frame + info.frames + _lost(info.gaps):
        yield wrong(
            f"end_frame is {info.end_frame}, first_frame + frames + lost is "
            f"{info.first_frame + info.frames + _lost(info.gaps)}"
        )
    if not _gaps_fit(segment):
        yield wrong("its gaps are out of order or lie outside the segment")
    if info.ledger.expected != info.ledger.stored + info.ledger.lost_frames():
        yield wrong(_unbalanced(info.ledger))
    if info.rate_measured_hz is not None and abs(info.rate_measured_hz / info.rate_hz - 1) > RATE_TOLERANCE:
        yield wrong(f"rate_measured_hz is {info.rate_measured_hz:g}, far from the {info.rate_hz:g} Hz that were set")


def _check_chain(stream: Stream) -> Iterator[Finding]:
    """Segments follow each other without a hole, and each running account is its predecessor's plus what the segment
    adds.
    """
    if stream.segments and stream.segments[0].info.seq > 0:
        yield from _missing(stream, 0, stream.segments[0].info.seq, 0, stream.segments[0].info.first_frame)
    for before, after in pairwise(stream.segments):
        a, b, name = before.info, after.info, after.sidecar_path.name
        if b.seq > a.seq + 1:
            yield from _missing(stream, a.seq + 1, b.seq, a.end_frame, b.first_frame)
        elif b.first_frame != a.end_frame:
            yield Finding(
                "error", name, _span(after), f"starts at frame {b.first_frame}, its predecessor ends at {a.end_frame}"
            )
        elif not _continues(a.ledger, b.ledger, b.frames, b.gaps):
            yield Finding("error", name, _span(after), "its running ledger is not its predecessor's plus this segment")
    first = stream.segments[0] if stream.segments else None
    zero = Ledger(expected=0, stored=0, lost={}, unknown=0)
    if first and first.info.seq == 0 and not _continues(zero, first.info.ledger, first.info.frames, first.info.gaps):
        yield Finding(
            "error", first.sidecar_path.name, _span(first), "its running ledger is not what this first segment holds"
        )
    yield from _check_anchors(stream)


def _check_anchors(stream: Stream) -> Iterator[Finding]:
    """Time goes forward with the frames, at about the rate that was set."""
    unknown = [gap.frame for gap in stream.gaps if gap.lost is None]
    anchors = [(anchor, segment) for segment in stream.segments for anchor in segment.info.anchors]
    for (a, _), (b, segment) in pairwise(anchors):
        frames, name = (a.frame, b.frame), segment.sidecar_path.name
        if b.frame < a.frame or b.t_us < a.t_us:
            yield Finding("error", name, frames, f"anchors run backwards: {list(a)}, {list(b)}")
        elif not any(a.frame < frame <= b.frame for frame in unknown) and not _plausible(a, b, stream.rate_hz):
            yield Finding(
                "error", name, frames, f"anchors {list(a)}, {list(b)} are far from {stream.rate_hz:g} frames per second"
            )


def _check_account(stream: Stream) -> Iterator[Finding]:
    """ledger.json: expected = stored + lost, and it is what the segments add up to."""
    account = stream.ledger_file
    if account is None:
        return

    def wrong(what: str) -> Finding:
        return Finding("error", "ledger.json", None, f"{stream.name}: {what}")

    if account.expected != account.stored + account.lost_frames():
        yield wrong(_unbalanced(account))
    last_seq, end = (stream.segments[-1].info.seq, stream.segments[-1].info.end_frame) if stream.segments else (-1, 0)
    tail_start = account.end_frame - _lost(account.tail)
    if last_seq + 1 < account.segments:
        yield from _missing(stream, last_seq + 1, account.segments, end, tail_start)
    elif last_seq + 1 > account.segments:
        yield wrong(f"{account.segments} segments, but segment {last_seq} is here")
    elif tail_start != end:
        yield wrong(f"the last segment should end at frame {tail_start}, it ends at {end}")
    if stream.holes:
        return  # said already, file by file; the sums cannot fit
    stored = sum(segment.info.frames for segment in stream.segments)
    if account.stored != stored:
        yield wrong(f"{account.stored} frames stored, the segments hold {stored}")
    if Counter(account.lost) != _lost_by_cause(stream.gaps):
        yield wrong(f"lost {account.lost}, the gaps say {dict(_lost_by_cause(stream.gaps))}")
    unknown = sum(gap.lost is None for gap in stream.gaps)
    if account.unknown != unknown:
        yield wrong(f"{account.unknown} gaps of unknown length, the sidecars have {unknown}")


def _missing(stream: Stream, first_seq: int, end_seq: int, first: int, end: int) -> Iterator[Finding]:
    """Segments that are not here: an honest loss when the ledger says that the board dropped that much, else an
    error.
    """
    names = [f"{stream.name}-{seq:06d}.{stream.info.ext}" for seq in {first_seq, end_seq - 1}]
    name = " to ".join(sorted(names))
    if _dropped_on_board(stream):
        yield Finding("warning", name, (first, end), "was dropped on the board to make room (retention in the ledger)")
    else:
        yield Finding("error", name, (first, end), "is missing, or its sidecar is")


def _dropped_on_board(stream: Stream) -> bool:
    """The newest account owns up to retention and counts exactly the frames that are here as stored."""
    account = stream.ledger
    return account["lost"].get("retention", 0) > 0 and account["stored"] == sum(s.info.frames for s in stream.segments)


def _check_strays(session: Session) -> Iterator[Finding]:
    """What lies beside the segments: unfinished ones, leftovers, files that are not ours."""
    described = {segment.data_path.name for stream in session.streams.values() for segment in stream.segments}
    for name in session.files:
        match = SEGMENT.fullmatch(name)
        if match and match["ext"] in ("npy", "wav") and name not in described:
            stream = session.streams.get(match["stream"])
            last = stream.segments[-1].info.seq if stream and stream.segments else -1
            if session.ledger is None and int(match["seq"]) > last:
                yield Finding(
                    "note", name, None, "has no sidecar: the segment was not finished, or not delivered to its end"
                )
            else:
                yield Finding("error", name, None, "has no usable sidecar")
        elif name.startswith(PART):
            yield Finding(
                "note", name, None, "is a delivery that never ended; the collector removes it at its next start"
            )
        elif not match and name not in (*DOCUMENTS, SUMS, "labels.jsonl"):
            yield Finding("note", name, None, "is not a file of the data set")


def _gaps_fit(segment: Segment) -> bool:
    """In order, inside, and no further on than there are frames between them."""
    info, number, row = segment.info, segment.info.first_frame, 0
    for gap in info.gaps:
        row += gap.frame - number
        if gap.frame < number or row > info.frames:
            return False
        number = gap.frame + (gap.lost or 0)
    return True


def _continues(before: Ledger, after: Ledger, frames: int, gaps: list[Gap]) -> bool:
    """`after` is `before` plus one segment. Frames may move from stored to `retention` at any time: the board made
    room.
    """
    lost = Counter(after.lost)
    lost.subtract(before.lost)
    dropped = lost.pop("retention", 0)
    expected = Counter({cause: 0 for cause in lost}) | _lost_by_cause(gaps)
    return (
        after.stored + dropped == before.stored + frames
        and dropped >= 0
        and {cause: n for cause, n in lost.items() if n} == dict(expected)
        and after.unknown - before.unknown == sum(gap.lost is None for gap in gaps)
    )


def _plausible(a: Anchor, b: Anchor, rate_hz: float) -> bool:
    nominal_us = (b.frame - a.frame) / rate_hz * 1e6
    return abs((b.t_us - a.t_us) - nominal_us) <= RATE_TOLERANCE * nominal_us + JITTER_US


def _lost(gaps: list[Gap]) -> int:
    return sum(gap.lost or 0 for gap in gaps)


def _lost_by_cause(gaps: list[Gap]) -> Counter:
    lost = Counter()
    for gap in gaps:
        if gap.lost:
            lost[gap.cause] += gap.lost
    return lost


def _unbalanced(ledger: Ledger) -> str:
    return f"expected {ledger.expected} is not stored {ledger.stored} + lost {ledger.lost_frames()}"


def _span(segment: Segment) -> tuple[int, int]:
    return segment.info.first_frame, segment.info.end_frame


def _frames_of(session: Session, name: str) -> tuple[int, int] | None:
    """The frames that a file of a segment stands for, if its sidecar can be read."""
    for stream in session.streams.values():
        for segment in stream.segments:
            if Path(name).stem == segment.data_path.stem:
                return _span(segment)
    return None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
