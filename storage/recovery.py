"""What happens at start: everything that a power cut left half done is finished or undone, and written into the ledger.

Each step is safe to repeat, and repeating is how a cut during recovery is met. Nothing here raises for a damaged
file: what cannot be understood is left where it is and reported.
"""

import os

from storage import files, finish, npy, repair, retention, wavfmt
from storage.journal_reader import load
from storage.layout import LABELS, acknowledged, folders, session_key, sessions, stems, stream_of
from storage.stream import StreamInfo

_DATA = (".npy", ".wav")


class Recovery:
    """One run over the spool. `lines`: what was done, one sentence each. `is_whole`: nothing is left for another start
    to do, when the flash has room or is well again.
    """

    def __init__(self, spool):
        self._spool = spool
        self._buf = bytearray(4096)
        self.lines = []
        self.is_whole = True

    def run(self):
        """Recover every session, oldest first."""
        _settle(self._spool.path)
        for session in sessions(self._spool.path):
            try:
                _Session(self, self._spool, session, self._buf).run()
            except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
                self.is_whole = self.is_whole and not isinstance(error, OSError)
                self.lines.append("%s: left as it is, %s: %s" % (session, type(error).__name__, error))


class _Session:
    """The recovery of one session."""

    def __init__(self, report, spool, name, buf):
        self._report = report
        self._spool = spool
        self._name = name
        self._path = "%s/%s" % (spool.path, name)
        self._buf = buf
        self._infos = {}  # stream -> StreamInfo
        self._last = {}  # stream -> newest sidecar
        self._is_whole = True  # every segment could be finished

    def run(self):
        _settle(self._path)
        self._read_infos()
        ended = self._is_ended()
        for folder in folders(self._path):
            self._folder(folder)
        for folder in folders(self._path):
            self._count(folder, ended)
        if self._streams("session.json") is None:
            if not self._last and not ended:
                self._forget()
                return
            self._describe()
        if not ended and self._is_whole:
            self._end()
        self._sweep()

    def _sweep(self):
        for folder in folders(self._path):
            if files.is_empty(folder):
                os.rmdir(folder)
        self._spool.sweep(self._name)

    def _say(self, text):
        self._report.lines.append("%s/%s" % (self._name, text))

    def _read_infos(self):
        """The streams as session.json tells them, as far as it is readable."""
        for name, entry in (self._streams("session.json") or {}).items():
            try:
                self._infos[name] = _info_from_dict(name, entry)
            except (KeyError, TypeError, ValueError):
                pass  # the data file's own header will do

    def _streams(self, document):
        """-> what a document says about the streams, or None when it is missing or damaged."""
        streams = (files.read_json("%s/%s" % (self._path, document)) or {}).get("streams")
        return streams if isinstance(streams, dict) else None

    def _is_ended(self):
        """-> whether the session has its ledger, or had it before everything was acknowledged."""
        return self._streams("ledger.json") is not None or files.exists(acknowledged(self._path, "ledger.json"))

    def _folder(self, folder):
        """Every data file in it gets its sidecar, every dropped segment its end."""
        _settle(folder)
        names = sorted(files.listing(folder))
        for name in names:
            if name.endswith(".json") or name.endswith(".ack"):
                self._sidecar(folder, name)
        for name in names:
            if name[-4:] in _DATA:
                self._data(folder, name[:-4], name[-4:])

    def _sidecar(self, folder, name):
        """Remember the newest of each stream; one that is damaged is no sidecar."""
        path = "%s/%s" % (folder, name)
        sidecar = files.read_json(path)
        if not _is_whole(sidecar):
            files.remove(path)
            self._say("%s was damaged and is made again if its data is there" % name)
            return
        self._note(sidecar)

    def _note(self, sidecar):
        last = self._last.get(sidecar["stream"])
        if last is None or sidecar["seq"] > last["seq"]:
            self._last[sidecar["stream"]] = sidecar

    def _data(self, folder, stem, extension):
        """Finish the data file that has no sidecar; finish dropping the one that was being dropped."""
        path = "%s/%s" % (folder, stem)
        name = stream_of(stem)
        if files.exists(path + ".ack"):
            return
        if files.exists(path + ".json"):
            ranges = retention.load("%s/%s-dropped.json" % (self._path, name))["ranges"]
            if ranges and ranges[-1][1] == int(stem[-6:]):
                retention.refold(self._path)
                files.remove(path + extension)
                self._say("%s: removed, as retention had begun to" % stem)
            return
        self._finish(path + extension, name, int(stem[-6:]))

    def _finish(self, path, name, seq):
        """The segment at `path` lost power while it was written: keep what is there."""
        info = self._infos.get(name)
        before = self._predecessor(name, seq)
        if info is None:
            info = _info_from_sidecar(before) if before else _info_from_file(name, path)
        noted = load("%s/%s.jnl" % (self._path, name))
        if not noted or noted["seq"] != seq:
            noted = {"anchors": [], "gaps": []}
        frames = repair.whole_frames(path, info)
        gaps = [gap for gap in noted["gaps"] if gap[0] <= frames]
        if not frames and not gaps:
            files.remove(path)
            self._say("%s-%06d: nothing had reached the flash" % (name, seq))
            return
        ahead = sum([lost or 0 for at, lost, _ in gaps if not at])
        segment = {
            "device": self._spool.device,
            "session": self._name,
            "seq": seq,
            "first_frame": before["end_frame"] if before else 0,
            "frames": frames,
            "noted": gaps,
            "anchors": [(ahead + offset, t_us) for offset, t_us in noted["anchors"]],
            "clock_fixes": [],
            "reason": "power",
        }
        dropped = retention.load("%s/%s-dropped.json" % (self._path, name))["frames"]
        sidecar = finish.sidecar(info, segment, before and before["ledger"], dropped)
        self._spool.make_room(os.stat(path)[6])
        try:
            facts = repair.make_true(path, info, frames, self._buf)
            sidecar["bytes"], sidecar["crc32"], sidecar["sha256"] = facts
            files.write_json(path[:-4] + ".json", sidecar)
        except OSError as error:
            self._is_whole = self._report.is_whole = False
            self._say("%s-%06d: cannot be finished yet, %s" % (name, seq, error))
            return
        self._note(sidecar)
        self._say("%s-%06d: %d frames saved" % (name, seq, frames))

    def _predecessor(self, name, seq):
        """-> the sidecar in front of segment `seq`, or None: the newest, unless it is an older one that was damaged."""
        last = self._last.get(name)
        if last is None or last["seq"] == seq - 1:
            return last
        for folder in folders(self._path):
            for mark in (".json", ".ack"):
                sidecar = files.read_json("%s/%s-%06d%s" % (folder, name, seq - 1, mark))
                if _is_whole(sidecar):
                    return sidecar
        return None

    def _count(self, folder, ended):
        """Count what is there, and remove sidecars without data, unless a ledger is still to be made from them."""
        waiting = stems(folder, ".json")
        for stem in waiting + stems(folder, ".ack"):
            path = "%s/%s" % (folder, stem)
            sizes = [files.size_of(path + extension) for extension in _DATA]
            size = sizes[0] if sizes[1] is None else sizes[1]
            if size is None:
                if ended or stem != self._newest_stem(stream_of(stem)):
                    files.remove(path + ".json")
                    files.remove(path + ".ack")
                elif files.exists(path + ".json"):
                    os.rename(path + ".json", path + ".ack")
            else:
                self._spool.space.count(size)
                self._spool.space.count(1)  # its sidecar, one block
                self._spool.pending_segments += files.exists(path + ".json")

    def _newest_stem(self, name):
        last = self._last.get(name)
        return "%s-%06d" % (name, last["seq"]) if last else None

    def _end(self):
        """Write the ledger that the power cut did not let us write."""
        self._settle_labels()
        streams = {}
        for name in set(list(self._infos) + list(self._last)):
            streams[name] = self._account(name)
        ledger = {
            "format": 1,
            "device": self._spool.device,
            "session": self._name,
            "reason": "power",
            "ended_t_us": None,
            "streams": streams,
        }
        files.replace_json(self._path + "/ledger.json", ledger)
        for name in list(files.listing(self._path)):
            if name.endswith(".jnl"):
                files.remove("%s/%s" % (self._path, name))
        for folder in folders(self._path):
            self._drop_remains(folder)
        self._say("ledger.json written, reason power")

    def _settle_labels(self):
        """Cut off a label that a power cut tore (FAT; LittleFS has all of it or nothing)."""
        path = "%s/%s" % (self._path, LABELS)
        if not files.exists(path):
            return
        with open(path, "rb") as file:
            whole = torn = 0
            for line in file:
                torn = 0 if line.endswith(b"\n") else len(line)
                whole += len(line) - torn
        if torn:
            repair.shorten(path, whole, self._buf)
            self._say("%s: a torn label removed" % LABELS)

    def _drop_remains(self, folder):
        """Sidecars without data have done their duty."""
        for stem in stems(folder, ".ack"):
            path = "%s/%s" % (folder, stem)
            if not files.exists(path + ".npy") and not files.exists(path + ".wav"):
                files.remove(path + ".ack")

    def _account(self, name):
        """-> a stream's entry of ledger.json: up to its newest segment, and behind that an unknown loss."""
        last = self._last.get(name)
        end = last["end_frame"] if last else 0
        tail = []
        noted = load("%s/%s.jnl" % (self._path, name))
        seq = last["seq"] if last else -1
        if noted and (noted["seq"] > seq or (noted["seq"] == seq and last["reason"] == "power")):
            frames = last["frames"] if noted["seq"] == seq else -1
            for at, lost, cause in noted["gaps"]:
                if at > frames:
                    tail.append([end, lost, cause])
                    end += lost or 0
        tail.append([end, None, "power"])
        known = retention.load("%s/%s-dropped.json" % (self._path, name))
        account = finish.running(last and last["ledger"], 0, tail, 0)
        account["segments"] = seq + 1
        account["end_frame"] = end
        account["tail"] = tail
        retention.fold_stream(account, known)
        return account

    def _describe(self):
        """session.json is damaged: what the segments know takes its place."""
        streams = {}
        for name, last in self._last.items():
            streams[name] = _info_from_sidecar(last).as_dict()
        document = {
            "format": 1,
            "device": self._spool.device,
            "session": self._name,
            "boot": session_key(self._name)[0],
            "reset_cause": None,
            "started_t_us": 0,
            "clock_fixes": [],
            "config": None,
            "code": None,
            "micropython": None,
            "streams": streams,
            "damaged": True,
        }
        files.replace_json(self._path + "/session.json", document)
        self._say("session.json was damaged: made again from the segments")

    def _forget(self):
        """A session that never came to hold anything."""
        for name in list(files.listing(self._path)):
            files.remove("%s/%s" % (self._path, name))
        for folder in folders(self._path):
            if not files.is_empty(folder):
                self._say("%s holds files that are no segments" % folder)
                return
            os.rmdir(folder)
        os.rmdir(self._path)
        self._say("removed, it had not begun")


def _is_whole(sidecar):
    """-> whether a sidecar has what the ledger needs."""
    try:
        ledger = sidecar["ledger"]
        return (
            min(sidecar["seq"], sidecar["frames"], sidecar["end_frame"], sidecar["bytes"], ledger["stored"]) >= 0
            and isinstance(ledger["lost"], dict)
            and len(sidecar["sha256"]) == 64
        )
    except (TypeError, KeyError):
        return False


def _settle(directory):
    """Clear temporary files; where the real one is missing (FAT renames in two steps) a whole one takes its place."""
    for name in list(files.listing(directory)):
        if not name.endswith(files.TMP):
            continue
        path = "%s/%s" % (directory, name)
        target = path[: -len(files.TMP)]
        if files.exists(target):
            files.remove(path)
        elif target[-4:] in _DATA or target.endswith(LABELS):
            os.rename(path, target)  # it was complete before the old one was removed
        elif files.read_json(path):
            os.rename(path, target)
        else:
            files.remove(path)


def _info_from_dict(name, entry):
    """-> StreamInfo from an entry of session.json; KeyError, TypeError or ValueError when that is damaged."""
    return StreamInfo(
        name,
        entry["ext"],
        entry["channels"],
        entry["units"],
        entry["scale"],
        float(entry["rate_hz"]),
        int(entry["segment_frames"]),
    )


def _info_from_sidecar(sidecar):
    """-> StreamInfo from a finished segment's sidecar, which knows all but the length of a full segment."""
    entry = dict(sidecar)
    entry["ext"] = sidecar["file"][-3:]
    entry["segment_frames"] = sidecar["frames"]
    return _info_from_dict(sidecar["stream"], entry)


def _info_from_file(name, path):
    """-> StreamInfo as far as a data file's own header tells (session.json is damaged): units and scale are None."""
    with open(path, "rb") as file:
        if path.endswith(".npy"):
            descr, fortran_order, shape, _ = npy.read_header(file)
            if descr != "<i2" or fortran_order or len(shape) != 2 or not shape[1]:
                raise ValueError("%s: not an int16 array of shape (frames, channels)" % path)
            frames, channels, rate_hz = shape[0], shape[1], None
        else:
            frames, channels, rate_hz, bits, _ = wavfmt.read_header(file)
            if bits != 16:
                raise ValueError("%s: %d bits, not 16" % (path, bits))
    names = ["channel%d" % i for i in range(channels)]
    unknown = [None] * channels
    return StreamInfo(name, path[-3:], names, unknown, unknown, rate_hz, frames)
