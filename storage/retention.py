"""Making room: which segment goes next, and the record of what went.

The record is durable before the data goes: `<stream>-dropped.json` in the session's directory, {"frames": all that
were dropped, "ranges": [[first seq, last seq, first frame, end frame, frames stored in it], ...]}, one range per run
of neighbours. It reaches the laptop in the running ledger of the next sidecars and, with its ranges (`dropped`), in
ledger.json.
"""

from storage import files
from storage.layout import DOCUMENTS, LABELS, SINGLE_FILES, acknowledged, folders, remove_session, sessions, stems

MAX_RANGES = 32  # beyond it the oldest two become one that spans both
MAX_BARREN = 8  # so many ended sessions of which nothing was or will be delivered keep their documents
MAX_NAMES = 16
_SUFFIX = "-dropped.json"


def drop_one(spool):
    """Remove the segment that is missed least: the oldest acknowledged one, else the oldest. -> False: none is left."""
    if spool.keep_acknowledged and _drop_kept(spool):
        return True
    for name, path in spool.waiting():
        _, session, stem = name.split("/")
        if stem not in SINGLE_FILES and not spool.is_lent(path) and _drop(spool, session, path):
            return True
    return False


def _drop_kept(spool):
    """Remove the oldest segment that was acknowledged and kept: nothing is lost, so nothing is recorded."""
    for session in sessions(spool.path):
        for folder in folders("%s/%s" % (spool.path, session)):
            for stem in stems(folder, ".ack"):
                path = "%s/%s" % (folder, stem)
                if files.exists(path + ".npy") or files.exists(path + ".wav"):
                    spool.discard(path)
                    spool.sweep(session, path.rsplit("/", 1)[0])
                    return True
    return False


def _drop(spool, session, path):
    """Remove a pending segment, its entry first. -> False when its sidecar cannot be read: no entry, no removal."""
    session_path = "%s/%s" % (spool.path, session)
    sidecar = files.read_json(path + ".json")
    if not sidecar:
        return False
    record(session_path, sidecar)
    refold(session_path)
    spool.note_drop(session, sidecar["stream"], sidecar["frames"])
    spool.discard(path)
    spool.sweep(session, path.rsplit("/", 1)[0])
    return True


def record(session_path, sidecar):
    """Enter a segment into the record of what was dropped; twice is as good as once."""
    path = "%s/%s%s" % (session_path, sidecar["stream"], _SUFFIX)
    known = load(path)
    seq = sidecar["seq"]
    ranges = known["ranges"]
    last = ranges[-1] if ranges else None
    if last and last[1] == seq:
        return
    known["frames"] += sidecar["frames"]
    if last and last[1] + 1 == seq and last[3] == sidecar["first_frame"]:
        _extend(last, seq, sidecar["end_frame"], sidecar["frames"])
    else:
        ranges.append([seq, seq, sidecar["first_frame"], sidecar["end_frame"], sidecar["frames"]])
    if len(ranges) > MAX_RANGES:
        second = ranges.pop(1)
        _extend(ranges[0], second[1], second[3], second[4])
    files.replace_json(path, known)


def _extend(entry, last_seq, end_frame, frames):
    entry[1] = last_seq
    entry[3] = end_frame
    entry[4] += frames


def load(path):
    """-> the record at `path`; an empty one when there is none or it is damaged."""
    known = files.read_json(path) or {}
    if not isinstance(known.get("frames"), int) or not isinstance(known.get("ranges"), list):
        return {"frames": 0, "ranges": []}
    return known


def records(session_path):
    """Yield (stream, record) of all streams that lost segments to retention."""
    for name in list(files.listing(session_path)):
        if name.endswith(_SUFFIX):
            yield name[: -len(_SUFFIX)], load("%s/%s" % (session_path, name))


def fold(session_path, ledger):
    """Enter into a session's ledger what retention removed: from `stored` to `lost`, and `dropped` with the ranges."""
    for stream, known in records(session_path):
        account = ledger["streams"].get(stream)
        if account:
            fold_stream(account, known)


def fold_stream(account, known):
    """The same for one stream; once folded in, a later record replaces the earlier."""
    lost = account["lost"]
    account["stored"] += lost.get("retention", 0) - known["frames"]
    if known["frames"]:
        lost["retention"] = known["frames"]
    account["dropped"] = known["ranges"]


def refold(session_path):
    """A segment was dropped: say so in the session's ledger.json, if it has one by now."""
    path = session_path + "/ledger.json"
    ledger = files.read_json(path)
    if ledger and isinstance(ledger.get("streams"), dict):
        fold(session_path, ledger)
        files.replace_json(path, ledger)


def forget_barren(spool):
    """Sessions that hold nothing (starts without a sample, or all dropped) must not fill the flash: the oldest are
    forgotten.

    -> {"sessions": how many in all, "last": [[session, {stream: [expected, lost to retention]}], ...]} or None; it
    goes into the next session.json.
    """
    path = spool.path + "/forgotten.json"
    known = files.read_json(path)
    if spool.barren is not None and spool.barren <= MAX_BARREN:
        return known
    barren = [session for session in sessions(spool.path) if _is_barren("%s/%s" % (spool.path, session))]
    for session in barren[:-MAX_BARREN]:
        session_path = "%s/%s" % (spool.path, session)
        known = known or {"sessions": 0, "last": []}
        if not known["last"] or known["last"][-1][0] != session:
            known["sessions"] += 1
            known["last"] = known["last"][1 - MAX_NAMES :] + [[session, _sums(session_path)]]
            files.replace_json(path, known)
        for document in DOCUMENTS:
            files.write_file(acknowledged(session_path, document), b"")
        remove_session(session_path)
    spool.barren = min(len(barren), MAX_BARREN)
    return known


def _is_barren(session_path):
    """-> whether a session is ended, holds no segment, and never delivered anything."""
    if files.exists("%s/%s" % (session_path, LABELS)):
        return False
    for document in DOCUMENTS:
        if files.exists(acknowledged(session_path, document)):
            return False
    for _ in folders(session_path):
        return False
    return is_empty(files.read_json(session_path + "/ledger.json") or {})


def is_empty(ledger):
    """-> whether a ledger says that nothing is stored of its session."""
    accounts = ledger.get("streams")
    return isinstance(accounts, dict) and not sum([account["stored"] for account in accounts.values()])


def _sums(session_path):
    accounts = files.read_json(session_path + "/ledger.json")["streams"]
    return {name: [account["expected"], account["lost"].get("retention", 0)] for name, account in accounts.items()}
