"""What must hold for a session to be believed; each check yields findings that name the file and the frames.

Four independent witnesses are held against each other: the data files, their sidecars, session.json with ledger.json,
and SHA256SUMS, the collector's record of what arrived. The record finds every changed byte; without it (a copy of a
board's flash) the others still find what contradicts them: a wrong hash, a frame number that does not follow, an
account that does not add up, units that differ from the session's.
"""

import hashlib
import math
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
_BOARDS_OWN = re.compile(r"(session|ledger|labels)\.ack|.+\.jnl|.+-dropped\.json")  # in a copy of its flash
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
    if session.meta and session.meta.damaged:
        yield Finding(
            "warning", "session.json", None, "was damaged on the board, which made it again from the sidecars"
        )
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
        if not _same(getattr(info, key), getattr(stream.info, key)):
            yield wrong(f"{key} is {getattr(info, key)}, the session's is {getattr(stream.info, key)}")
    if segment.data_path.suffix[1:] != stream.info.ext:
        yield wrong(f"names a .{segment.data_path.suffix[1:]} file, the session's stream is .{stream.info.ext}")
    if info.frames > stream.info.segment_frames and not (session.meta and session.meta.damaged):
        yield wrong(f"frames is {info.frames}, the session's segments have {stream.info.segment_frames} at most")
    if info.end_frame != info.first_frame + info.frames + _lost(info.gaps):
        yield wrong(
            f"end_frame is {info.end_frame}, first_frame + frames + lost is "
            f"{info.first_frame + info.frames + _lost(info.gaps)}"
        )
    if not _gaps_fit(segment):
        yield wrong("its gaps are out of order or lie outside the segment")
    if not _balanced(info.ledger):
        yield wrong(_unbalanced(info.ledger))
    if info.rate_measured_hz is not None and abs(info.rate_measured_hz / info.rate_hz - 1) > RATE_TOLERANCE:
        yield wrong(f"rate_measured_hz is {info.rate_measured_hz:g}, far from the {info.rate_hz:g} Hz that were set")


def _check_chain(stream: Stream) -> Iterator[Finding]:
    """Segments follow each other without a hole, and each running account is its predecessor's plus its own."""
    for hole in _holes(stream):
        yield _missing(stream, *hole)
    for before, after in pairwise(stream.segments):
        a, b, name = before.info, after.info, after.sidecar_path.name
        if b.seq > a.seq + 1:
            continue
        if b.first_frame != a.end_frame:
            what = f"starts at frame {b.first_frame}, its predecessor ends at {a.end_frame}"
            yield Finding("error", name, _span(after), what)
        elif not _continues(a.ledger, b.ledger, b.frames, b.gaps):
            yield Finding("error", name, _span(after), "its running ledger is not its predecessor's plus this segment")
    first = stream.segments[0] if stream.segments else None
    zero = Ledger(expected=0, stored=0, lost={}, unknown=0)
    if first and first.info.seq == 0 and not _continues(zero, first.info.ledger, first.info.frames, first.info.gaps):
        yield Finding("error", first.sidecar_path.name, _span(first), "its running ledger is not what it holds itself")
    yield from _check_anchors(stream)


def _holes(stream: Stream) -> Iterator[tuple[int, int, int, int]]:
    """(first and end sequence number, first and end frame) of each run of segments that are not here."""
    seq = frame = 0
    for segment in stream.segments:
        if segment.info.seq > seq:
            yield seq, segment.info.seq, frame, segment.info.first_frame
        seq, frame = segment.info.seq + 1, segment.info.end_frame
    account = stream.ledger_file
    if account and account.segments > seq:
        yield seq, account.segments, frame, account.end_frame - _lost(account.tail)


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

    if not _balanced(account):
        yield wrong(_unbalanced(account))
    if not account.lost_exact:
        what = f"{stream.name}: how many frames were lost is an estimate by the board's clock"
        yield Finding("warning", "ledger.json", None, what)
    if account.end_frame != account.stored + account.lost_frames():
        yield wrong(
            f"frames are numbered up to {account.end_frame}, but stored + lost is "
            f"{account.stored + account.lost_frames()}"
        )
    last = stream.segments[-1].info if stream.segments else None
    tail_start = account.end_frame - _lost(account.tail)
    if last and last.seq >= account.segments:
        yield wrong(f"{account.segments} segments, but segment {last.seq} is here")
    elif (last.seq + 1 if last else 0) == account.segments and tail_start != (last.end_frame if last else 0):
        yield wrong(f"the last segment ends at frame {last.end_frame if last else 0}, not at {tail_start}")
    retention = sum(dropped.frames for dropped in account.dropped)
    if account.lost.get("retention", 0) != retention:
        yield wrong(
            f"{account.lost.get('retention', 0)} frames lost to retention, the dropped segments held {retention}"
        )
    here = {segment.info.seq: segment.info.frames for segment in stream.segments}
    arrived = {seq: frames for seq, frames in here.items() if _was_dropped(stream, seq, seq + 1)}
    for seq in arrived:
        what = "is here, though the board dropped it and counts it as lost: it had arrived before"
        yield Finding("note", f"{stream.name}-{seq:06d}.json", None, what)
    if not all(_was_dropped(stream, *hole[:2]) for hole in _holes(stream)):
        return  # said already, file by file; the sums cannot fit
    surplus = sum(here.values()) - account.stored
    if not 0 <= surplus <= sum(arrived.values()):
        yield wrong(f"{account.stored} frames stored, the segments hold {sum(here.values())}")
    if stream.holes or account.dropped:
        return  # what was lost inside of dropped segments, their sidecars knew
    if Counter(account.lost) != _lost_by_cause(stream.gaps):
        yield wrong(f"lost {account.lost}, the gaps say {dict(_lost_by_cause(stream.gaps))}")
    unknown = sum(gap.lost is None for gap in stream.gaps)
    if account.unknown != unknown:
        yield wrong(f"{account.unknown} gaps of unknown length, the sidecars have {unknown}")


def _missing(stream: Stream, first_seq: int, end_seq: int, first: int, end: int) -> Finding:
    """Segments that are not here: an honest loss when the board says that it dropped them, else an error."""
    ends = sorted({first_seq, end_seq - 1})
    name = " to ".join(f"{stream.name}-{seq:06d}.{stream.info.ext}" for seq in ends)
    if _was_dropped(stream, first_seq, end_seq):
        what = "was dropped on the board to make room (retention in the ledger)"
        return Finding("warning", name, (first, end), what)
    hope = "" if stream.ledger_file else "; if the board dropped it, the end of the session will tell"
    return Finding("error", name, (first, end), "is missing, or its sidecar is" + hope)


def _was_dropped(stream: Stream, first_seq: int, end_seq: int) -> bool:
    """Whether the board owns up to having removed these segments: ledger.json by number, before that a sum."""
    if stream.ledger_file:
        seq = first_seq
        for dropped in sorted(stream.ledger_file.dropped):
            if dropped.first_seq <= seq:
                seq = max(seq, dropped.last_seq + 1)
        return seq >= end_seq
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
            if stream and _was_dropped(stream, int(match["seq"]), int(match["seq"]) + 1):
                yield Finding(
                    "note", name, None, "is here without its sidecar: the board dropped the segment meanwhile"
                )
            elif session.ledger is None and int(match["seq"]) > last:
                yield Finding(
                    "note", name, None, "has no sidecar: the segment was not finished, or not delivered to its end"
                )
            else:
                yield Finding("error", name, None, "has no usable sidecar")
        elif name.startswith(PART):
            yield Finding(
                "note", name, None, "is a delivery that never ended; the collector removes it at its next start"
            )
        elif not match and name not in (*DOCUMENTS, SUMS, "labels.jsonl") and not _BOARDS_OWN.fullmatch(name):
            yield Finding("note", name, None, "is not a file of the data set")


def _same(a, b) -> bool:
    """Equal, numbers to five digits: a board with 32-bit floats that reads a number and writes it again may change
    the last.
    """
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b if isinstance(a, str) else math.isclose(a, b, rel_tol=1e-5)


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


def _balanced(ledger: Ledger) -> bool:
    return ledger.expected == ledger.stored + ledger.lost_frames()


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
