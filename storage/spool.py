"""The spool: finished segments that nobody has acknowledged yet, and the sessions they belong to.

Contract. `recover()` once at start, then `begin`, any number of segments (SegmentWriter), `end`; while that goes on a
transport takes names from `pending()`, sends `parts(name)` in their order, and calls `acknowledge(name)` when the
receiver has them on durable storage. A segment that is being written is never pending. Every call leaves the flash in
a state that `recover()` understands, wherever the power goes.

On flash, under `<root>/<device>/`: `boot` (the boot counter) and one directory per session with

    session.json, ledger.json      written once; an empty `.ack` beside it says that it was acknowledged
    labels.jsonl                   appended to while the session runs; pending once it has ended
    000/ 001/ ...                  at most 16 segments each: data and sidecar (`.json`, written last: the commit mark;
                                   `.ack` once acknowledged, when the segment is kept or its numbers are still needed)
    <stream>.jnl                   the journal of the segment being written (storage/journal.py)
    <stream>-dropped.json          what retention has removed (storage/retention.py)

and beside them `forgotten.json`, the sessions that were removed because they held nothing.
"""

import json
import os
import sys
from binascii import hexlify

from storage import files
from storage.layout import (
    DOCUMENTS,
    LABELS,
    SEGMENTS_PER_FOLDER,
    SINGLE_FILES,
    acknowledged,
    documents,
    folders,
    remove_session,
    session_key,
    sessions,
    stems,
    stream_of,
)
from storage.space import Space

MAX_LABEL_BYTES = 65536  # in a session


class Spool:
    """The spool of one device below `root` (an existing directory, or one that can be made).

    `reserve_bytes` stay free for the file system; `max_bytes` (or None) limits what the spool takes; `when_full` is
    `stop` or `drop_oldest`; with `keep_acknowledged` segments stay until their room is needed. `volume`: the card
    (storage/card.py) that `root` is on, mounted; None: none that could fail. `kept`: what `kept()` said before the
    board slept, or None: then nothing needs to be looked for, however much waits.
    """

    def __init__(
        self,
        root,
        device,
        *,
        reserve_bytes=65536,
        max_bytes=None,
        when_full="stop",
        keep_acknowledged=False,
        volume=None,
        kept=None,
    ):
        if when_full not in ("stop", "drop_oldest"):
            raise ValueError("when_full is %r: stop or drop_oldest would be right" % when_full)
        self.device = device
        self.volume = volume
        self.path = "%s/%s" % (root.rstrip("/"), device)
        files.make_directory(self.path)
        self._kept = kept if kept and volume is None and kept["boot"] == self._last_boot() else None
        self.space = Space(self.path, reserve_bytes, max_bytes, self._kept and self._kept["space"])
        self.drop_oldest = when_full == "drop_oldest"
        self.keep_acknowledged = keep_acknowledged
        self.boot = None
        self._is_whole = True  # recovery could do all that there was to do
        self.session = None  # the running one
        self.session_path = None
        self.clock_fixes = []  # [[t_us, utc_us, uncertainty_us, source]]: go into every sidecar
        self._sessions = 0  # begun in this boot
        self._folder = -1  # into which segments are being written
        self._in_folder = 0
        self._newest = {}  # stream -> stem of its newest segment in the running session
        self._remains = {}  # stream -> sidecar without data, kept because it is the newest
        self._dropped = {}  # stream -> frames of the running session that retention removed
        self.pending_segments = 0
        self.barren = None  # how many sessions hold nothing (storage/retention.py); None: to be counted
        self._segments_dropped = 0
        self.lent = {}  # path -> how often it is open for reading
        self._measured = (0, 0)  # segments that waited, and how many KB they had
        self.where = None  # folder in which the last segment was found

    # --- sessions

    def recover(self):
        """Put in order what the last power cut left; once, at start. -> list of sentences, one per thing done."""
        if self._kept:
            self.boot = self._kept["boot"] + 1
            files.replace_json(self.path + "/boot", {"boot": self.boot})
            self.pending_segments = self._kept["pending"]
            self.barren = self._kept["barren"]
            return []
        from storage import recovery  # the caller may forget it afterwards: a tenth of our code

        report = recovery.Recovery(self)
        report.run()
        self._is_whole = report.is_whole
        self.boot = self._next_boot()
        self.space.measure()
        return report.lines

    def kept(self):
        """-> what the next start may be given as `kept`, if nothing but sleep lies in between; a dict of JSON values.
        None: it has something to recover, or must look for itself.
        """
        space = self.space.known()
        if self.session or self.boot is None or not space or self.volume or not self._is_whole:
            return None
        return {"boot": self.boot, "pending": self.pending_segments, "barren": self.barren, "space": space}

    def _last_boot(self):
        """-> the boot counter, 0 when there is none or it is damaged."""
        boot = (files.read_json(self.path + "/boot") or {}).get("boot")
        return boot if isinstance(boot, int) and boot >= 0 else 0

    def _next_boot(self):
        """Count the boot, also when the counter is damaged: then on from the highest that a session bears."""
        path = self.path + "/boot"
        boot = self._last_boot()
        for name in files.listing(self.path, directories=True):
            key = session_key(name)
            if key:
                boot = max(boot, key[0])
        files.replace_json(path, {"boot": boot + 1})
        return boot + 1

    def begin(self, meta):
        """Start a session and write its session.json from `meta` and what the spool knows. -> its name.

        OSError when the flash does not take it; nothing is left of it then, and `begin` may be tried again.
        """
        if self.boot is None:
            raise RuntimeError("Spool.recover() comes before begin()")
        suffix = hexlify(os.urandom(4)).decode()
        name = "%05d-%02d-%s" % (self.boot, self._sessions, suffix)
        path = "%s/%s" % (self.path, name)
        document = dict(meta)
        document.update({"format": 1, "device": self.device, "session": name, "boot": self.boot})
        from storage import retention  # the caller may forget it: needed when a session begins, ends, or drops

        document["forgotten"] = retention.forget_barren(self)
        os.mkdir(path)
        try:
            n_bytes = files.replace_json(path + "/session.json", document)
        except OSError:
            remove_session(path)
            raise
        self._sessions += 1
        self.session = name
        self.session_path = path
        self.clock_fixes = list(meta.get("clock_fixes", ()))
        self._folder = -1
        self._in_folder = SEGMENTS_PER_FOLDER
        self._newest = {}
        self._remains = {}
        self._dropped = {}
        if self.space.is_estimate:
            self.space.document(n_bytes)
            self.space.directory(1)
        else:
            self.space.measure()
        return name

    def end(self, ledger):
        """End the session: `ledger` ({"reason", "ended_t_us", "streams"}) becomes ledger.json.

        Frames that retention removed move from `stored` to `lost`; `dropped` says which segments they were in.
        """
        document = {"format": 1, "device": self.device, "session": self.session}
        document.update(ledger)
        from storage import retention

        retention.fold(self.session_path, document)
        files.replace_json(self.session_path + "/ledger.json", document)
        for name, n_bytes in documents(self.session_path):
            if name != "session.json":  # counted when it was written
                self.space.document(n_bytes)
        if self.barren is not None and retention.is_empty(document):
            self.barren += 1
        session = self.session
        self.session = None
        self.session_path = None
        for path in self._remains.values():
            self._remove(path)
        self._remains = {}
        self._newest = {}
        self.sweep(session)

    def label(self, entry):
        """Append a label (a dict) to the running session's labels.jsonl; durable on return.

        ValueError: there is no session, or its journal is full. OSError: the flash does not take it.
        """
        if self.session is None:
            raise ValueError("there is no recording to label")
        path = "%s/%s" % (self.session_path, LABELS)
        line = (json.dumps(entry) + "\n").encode()
        if (files.size_of(path) or 0) + len(line) > MAX_LABEL_BYTES:
            raise ValueError("this session has its %d KB of labels" % (MAX_LABEL_BYTES // 1024))
        self.ready()
        with open(path, "ab") as file:  # LittleFS: the old content or the new one, whole, after a power cut
            if file.write(line) != len(line):
                raise OSError(files.ENOSPC)

    # --- the writer's side

    def ready(self):
        """Bring back the card, if there is one and it has failed; OSError as long as it stays away."""
        if self.volume and self.volume.ready():
            self.space.measure()

    def free(self, n_bytes):
        """-> whether a segment of n bytes may be begun; makes room as `when_full` says. Does not walk the disk."""
        while not self.space.fits(n_bytes):
            if self.space.is_estimate:
                self.space.measure()
            elif not (self.drop_oldest and self._drop_one()):
                return False
        return True

    def _drop_one(self):
        from storage import retention

        return retention.drop_one(self)

    def make_room(self, n_bytes):
        """For the copy that repairs a segment: from the reserve, and only if that is not enough the oldest goes."""
        while not self.space.has(n_bytes):
            if self.space.is_estimate:
                self.space.measure()
            elif not (self.drop_oldest and self._drop_one()):
                return

    def place(self, info, seq, n_bytes):
        """Make room for a segment of n bytes. -> the path of its data file; OSError ENOSPC when there is no room."""
        if not self.free(n_bytes):
            raise OSError(files.ENOSPC)
        if self._in_folder >= SEGMENTS_PER_FOLDER:
            files.make_directory("%s/%03d" % (self.session_path, self._folder + 1))
            self.space.directory(1)
            self._folder += 1
            self._in_folder = 0
        self._in_folder += 1
        self.space.reserve(n_bytes)
        return "%s/%03d/%s-%06d.%s" % (self.session_path, self._folder, info.name, seq, info.ext)

    def commit(self, path, sidecar, reserved_bytes):
        """Write the sidecar of the data file at `path`: from now on the segment exists and is pending."""
        stem = path.rsplit(".", 1)[0]
        try:
            self.space.take(files.write_json(stem + ".json", sidecar))
        except OSError:
            files.remove(stem + ".json")  # half a sidecar is none
            raise
        self.space.release(reserved_bytes)
        self.space.take(sidecar["bytes"])
        self.pending_segments += 1
        stream = sidecar["stream"]
        self._newest[stream] = stem
        if stream in self._remains:
            self._remove(self._remains.pop(stream))

    def dropped(self, stream):
        """-> frames of a stream that retention has removed in the running session."""
        return self._dropped.get(stream, 0)

    # --- the transport's side

    def pending(self, limit=32, skip=(), taken=()):
        """-> the oldest names that wait to be acknowledged, in their order, at most `limit`, those in the containers
        `skip`, and those `taken` (on their way), left out.
        """
        names = []
        for name, _ in self.waiting():
            if name in taken or any([name in known for known in skip]):
                continue
            names.append(name)
            if len(names) == limit:
                break
        return names

    def waiting(self):
        """Yield (name, path without extension) of all that is pending, oldest first, one directory in RAM at a time.

        A ledger comes when no segment of its session is left: what retention takes until then must still get into it.
        OSError when the spool is on a card that is away.
        """
        self.ready()
        for session in sessions(self.path):
            path = "%s/%s" % (self.path, session)
            prefix = "%s/%s/" % (self.device, session)
            if self.is_due(path, "session.json"):
                yield prefix + "session.json", path + "/session"
            complete = True
            for folder in folders(path):
                for stem in stems(folder, ".json"):
                    complete = False
                    yield prefix + stem, "%s/%s" % (folder, stem)
            if complete and self.is_due(path, LABELS):
                yield prefix + LABELS, path + "/labels"
            if complete and self.is_due(path, "ledger.json"):
                yield prefix + "ledger.json", path + "/ledger"

    def pending_kb(self):
        """-> how much data waits, in KB; walks the folders only when the number of waiting segments has changed."""
        if self._measured[0] != self.pending_segments:
            total = 0
            for name, path in self.waiting():
                if name.rsplit("/", 1)[-1] not in SINGLE_FILES:
                    total += (files.size_of(path + ".npy") or files.size_of(path + ".wav") or 0) + 1024
            self._measured = (self.pending_segments, total // 1024)
        return self._measured[1]

    def is_due(self, path, document):
        """-> whether a document of the session at `path` waits to be acknowledged."""
        if document == LABELS and not files.exists(path + "/ledger.json"):
            return False  # more labels may come
        return bool(files.size_of("%s/%s" % (path, document))) and not files.exists(acknowledged(path, document))

    # What follows is done by storage/reading.py: loaded for it, and let go of when nothing is sent for a while.

    def is_pending(self, name):
        """-> whether a name waits to be acknowledged."""
        return self._reading().locate(self, name) is not None

    def parts(self, name):
        """-> [(remote name, bytes, SHA-256 in hex)] in the order of delivery, the sidecar last; [] when it is gone."""
        return self._reading().parts(self, name)

    def open(self, remote_name):
        """-> the file of that remote name, open for reading; retention leaves it alone until it is closed."""
        return self._reading().open_part(self, remote_name)

    def acknowledge(self, name):
        """The receiver has it for good: `name` is not pending any more, here and after every power cut."""
        self._reading().acknowledge(self, name)

    def _reading(self):
        from storage import reading

        return reading

    def rest(self):
        """Nothing is going to be read for a while."""
        if sys.modules.pop("storage.reading", None):
            del sys.modules["storage"].reading

    def is_lent(self, path):
        """-> whether a file of the segment at `path` (no extension) is being read."""
        return path in self.lent

    def status(self):
        """-> counters as a dict; does not walk the disk."""
        status = {
            "session": self.session,
            "pending_segments": self.pending_segments,
            "dropped_segments": self._segments_dropped,
            "used_bytes": self.space.used_bytes,
            "free_bytes": max(0, self.space.free_bytes - self.space.margin),
        }
        if self.volume:
            status["card"] = self.volume.status()
        return status

    # --- removing (retention and recovery use it, too)

    def discard(self, path):
        """Remove the segment at `path` (no extension): data first, so that a cut leaves a sidecar alone, which means:
        done.

        The newest sidecar of a stream in the running session stays as `.ack`: recovery needs its numbers.
        """
        self._remove(path + ".npy")
        self._remove(path + ".wav")
        stream = stream_of(path)
        if self._newest.get(stream) == path:
            if files.exists(path + ".json"):
                os.rename(path + ".json", path + ".ack")
            self._remains[stream] = path + ".ack"
        else:
            self._remove(path + ".json")
            self._remove(path + ".ack")

    def _remove(self, path):
        n_bytes = files.size_of(path)
        if n_bytes is not None:
            files.remove(path)
            self.space.give(n_bytes)

    def note_drop(self, session, stream, frames):
        """Retention has removed a pending segment."""
        self.pending_segments -= 1
        self.barren = None
        self._segments_dropped += 1
        if session == self.session:
            self._dropped[stream] = self._dropped.get(stream, 0) + frames

    def sweep(self, session, folder=None):
        """Remove `folder` if it has become empty, and the session when it is ended, acknowledged and empty."""
        path = "%s/%s" % (self.path, session)
        if folder and folder != "%s/%03d" % (self.session_path, self._folder) and files.is_empty(folder):
            os.rmdir(folder)
            self.space.directory(-1)
        if session == self.session:
            return
        for document in SINGLE_FILES if files.exists("%s/%s" % (path, LABELS)) else DOCUMENTS:
            if not files.exists(acknowledged(path, document)):
                return
        for folder in folders(path):
            if not files.is_empty(folder):
                return
        for _, n_bytes in documents(path):
            self.space.document(-n_bytes)
        self.space.directory(-1)
        remove_session(path)
