"""The power-cut campaign: a recording on a virtual flash, its power cut at any program or erase operation, and what
must be true then.

The recording runs once, on a flash that keeps a list of its operations. The state after a cut at operation k is the
first image with the first k operations done again (and, torn, a part of the next one): so a thousand cuts cost a
thousand restarts, not a thousand recordings. `Oracle` notes from outside the storage code what was promised when
(recording.py).
"""

import gc
import io
import json
import os
import random

from recording import (
    BLOCK,
    DEVICE,
    INFOS,
    MOUNT,
    ROOT,
    SCENARIOS,
    Recording,
    TracedFlash,
    mount,
    record,
    replay,
    signal,
)

from host.virtual.port.flash import Flash
from storage import npy, retention, wavfmt
from storage.layout import folders, sessions
from storage.spool import Spool


class Violation(Exception):
    """A promise that was not kept."""


def need(condition, text, *values):
    if not condition:
        raise Violation(text % values if values else text)


class Check:
    """Restart after a cut: recover and compare with the oracle. `cut`: operations that were done."""

    def __init__(self, scenario, oracle, cut):
        self.options = SCENARIOS[scenario][0]
        self.oracle = oracle
        self.cut = cut
        self.sidecars = {}  # (session, stem) -> sidecar of what is on flash
        self.lines = []

    def happened(self, operations):
        return operations is not None and operations <= self.cut

    def recover(self):
        """The restart alone."""
        spool = Spool(ROOT, DEVICE, **self.options)
        self.lines = spool.recover()
        for line in self.lines:
            need("left as it is" not in line and "cannot be" not in line, "recovery gave up: %s", line)
        return spool

    def run(self):
        spool = self.recover()
        self.read_files(spool)
        pending = set(spool.pending(10000))
        self.check_segments(spool, pending)
        self.check_documents(pending)
        self.check_ledgers(spool)
        segments = len([name for name in pending if not name.endswith(".json")])
        need(spool.status()["pending_segments"] == segments, "wrong number of pending segments")
        return spool

    def read_files(self, spool):
        """Every data file has its sidecar, says the truth about its length and holds the signal."""
        for session in sessions(spool.path):
            for folder in folders(f"{spool.path}/{session}"):
                names = os.listdir(folder)
                need(len(names) <= 32, "%s holds %d files", folder, len(names))
                for name in names:
                    stem, extension = name.rsplit(".", 1)
                    need(extension in ("npy", "wav", "json", "ack"), "leftover %s", name)
                    if extension in ("npy", "wav"):
                        self.read_segment(session, folder, stem, extension)

    def read_segment(self, session, folder, stem, extension):
        path = f"{folder}/{stem}"
        mark = ".json" if (stem + ".json") in os.listdir(folder) else ".ack"
        with open(path + mark) as file:
            sidecar = json.load(file)
        name = sidecar["stream"]
        with open(f"{path}.{extension}", "rb") as file:
            if extension == "npy":
                descr, fortran, shape, offset = npy.read_header(file)
                need((descr, fortran, shape[1]) == ("<i2", False, 6), "%s: wrong header", path)
                frames = shape[0]
            else:
                frames, channels, rate, bits, offset = wavfmt.read_header(file)
                need((channels, rate, bits) == (1, 16000, 16), "%s: wrong header", path)
            file.seek(offset)
            data = file.read()
        need(len(data) == frames * INFOS[name].frame_bytes, "%s: %d frames, %d bytes", path, frames, len(data))
        need(frames == sidecar["frames"], "%s: %d frames, the sidecar says %d", path, frames, sidecar["frames"])
        need(sidecar["bytes"] == offset + len(data), "%s: wrong length in the sidecar", path)
        number, done, lost = sidecar["first_frame"], 0, 0
        for at, n, _ in sidecar["gaps"] + [[sidecar["end_frame"], 0, None]]:
            run = at - number
            part = data[done * INFOS[name].frame_bytes : (done + run) * INFOS[name].frame_bytes]
            need(part == signal(name, number, run), "%s: frames %d..%d are not what was recorded", path, number, at)
            done += run
            number = at + (n or 0)
            lost += n or 0
        end = sidecar["first_frame"] + frames + lost
        need(done == frames and sidecar["end_frame"] == end, "%s: numbers do not add up", path)
        self.sidecars[session, stem] = sidecar
        if mark == ".ack":
            need(self.options.get("keep_acknowledged"), "%s: acknowledged, and still there", path)

    def dropped(self, spool, session, stem):
        """-> whether the record, or the ledger that was delivered, says that retention took this segment."""
        known = retention.load(f"{spool.path}/{session}/{stem[:3]}-dropped.json")["ranges"]
        if not known and session not in os.listdir(spool.path):
            known = self.oracle.delivered[session]["streams"][stem[:3]].get("dropped", [])
        return any([first <= int(stem[-6:]) <= last for first, last, _, _, _ in known])

    def check_segments(self, spool, pending):
        for (session, stem), note in self.oracle.segments.items():
            name = f"{DEVICE}/{session}/{stem}"
            there = self.sidecars.get((session, stem))
            if self.happened(note.get("acked")):
                need(name not in pending, "%s was acknowledged and is pending again", name)
                continue
            if self.happened(note.get("acking")) and not there:
                continue
            synced = max([0] + [frames for operations, frames in note["synced"] if operations <= self.cut])
            if self.happened(note.get("committed")):
                synced = note["sidecar"]["frames"]
            if not synced or self.dropped(spool, session, stem):
                need(there is None or not self.dropped(spool, session, stem), "%s: dropped, and still there", name)
                continue
            need(there, "%s: %d frames were on flash, the segment is gone", name, synced)
            if self.happened(note.get("committed")):
                same = json.loads(json.dumps(note["sidecar"]))
                need(there == same, "%s was finished, and is another one now: %s, %s", name, there, same)
            need(there["frames"] >= synced, "%s: %d frames were synced, %d are there", name, synced, there["frames"])
            need(name in pending or self.happened(note.get("acking")), "%s is not pending", name)

    def check_documents(self, pending):
        """A document is pending until it is acknowledged; a ledger not before its segments are."""
        segments = [name for name in pending if not name.endswith(".json")]
        for session, begun in self.oracle.begun.items():
            for document, since in (("session.json", begun), ("ledger.json", self.oracle.ended.get(session))):
                name = f"{DEVICE}/{session}/{document}"
                note = self.oracle.documents.get(name, {})
                if self.happened(note.get("acked")):
                    need(name not in pending, "%s was acknowledged and is pending again", name)
                elif self.happened(since) and not self.happened(note.get("acking")):
                    waits = document == "ledger.json" and any([f"{DEVICE}/{session}/" in other for other in segments])
                    need((name in pending) != waits, "%s is pending, or not, and should not be so", name)

    def check_ledgers(self, spool):
        """Every session is ended now, and its ledger agrees with what is there, was acknowledged, or was dropped."""
        for session in sessions(spool.path):
            path = f"{spool.path}/{session}/"
            with open(path + "session.json") as file:
                need(json.load(file)["session"] == session, "%s: wrong session.json", session)
            with open(path + "ledger.json") as file:
                ledger = json.load(file)
            need(set(ledger["streams"]) == set(INFOS), "%s: streams missing in the ledger", session)
            for name, account in ledger["streams"].items():
                self.check_account(spool, session, name, account)

    def check_account(self, spool, session, name, account):
        where = f"{session}/{name}"
        lost = account["lost"]
        need(account["expected"] == account["stored"] + sum(lost.values()), "%s: the ledger does not close", where)
        stored = 0
        end = 0
        losses = {}
        unknown = 0
        for seq in range(account["segments"]):
            key = (session, f"{name}-{seq:06d}")
            sidecar = self.sidecars.get(key) or self.oracle.segments[key].get("sidecar")
            need(sidecar, "%s: segment %d is counted, and was never there", where, seq)
            first = sidecar["first_frame"]
            need(first == end, "%s: segment %d starts at %d, not %d", where, seq, first, end)
            end = sidecar["end_frame"]
            stored += sidecar["frames"]
            for _, n, cause in sidecar["gaps"]:
                losses[cause] = losses.get(cause, 0) + (n or 0)
                unknown += n is None
        for at, n, cause in account["tail"]:
            need(at == end, "%s: the tail starts at %d, not %d", where, at, end)
            losses[cause] = losses.get(cause, 0) + (n or 0)
            unknown += n is None
            end += n or 0
        dropped = retention.load(f"{spool.path}/{session}/{name}-dropped.json")["frames"]
        losses["retention"] = dropped
        for key, right in (("stored", stored - dropped), ("end_frame", end), ("unknown", unknown)):
            need(account[key] == right, "%s: %s is %d, should be %d", where, key, account[key], right)
        for cause in set(list(losses) + list(lost)):
            need(lost.get(cause, 0) == losses.get(cause, 0), "%s: wrong loss for %s", where, cause)

    def go_on(self, spool):
        """The board works: it records a segment, ships everything, and then the flash is empty again."""
        recording = Recording(self.flash, spool)
        recording.begin()
        recording.step("imu", 1600)
        recording.end()
        for _ in range(100):
            names = spool.pending()
            for name in names:
                for remote, size, _ in spool.parts(name):
                    with spool.open(remote) as file:
                        need(len(file.read()) == size, "%s: not of the promised length", remote)
                spool.acknowledge(name)
            if not names:
                break
        need(not spool.pending(), "not everything can be acknowledged")
        if not self.options.get("keep_acknowledged"):
            need(os.listdir(spool.path) == ["boot"], "left on flash: %s", os.listdir(spool.path))


def snapshot(spool):
    """-> what is pending, with hashes."""
    return [part for name in spool.pending(10000) for part in spool.parts(name)]


def after_cut(scenario, oracle, image, cut, *, twice=None, go_on=False, block_size=BLOCK):
    """Restart on `image`, the state after a cut behind operation `cut`. Raises Violation.

    `twice` (random): recovery itself loses power at some operation, and is repeated. `go_on`: then the board is used.
    """
    if twice is not None:
        trace = recovery_trace(scenario, oracle, image, cut, block_size)
        image = bytearray(image)
        done = int(twice * len(trace))
        for operation in trace[:done]:
            replay(image, operation, block_size)
        if done < len(trace):
            replay(image, trace[done], block_size, part=twice)
    flash = TracedFlash(image, len(image) // block_size, block_size)
    mount(flash)
    try:
        check = Check(scenario, oracle, cut)
        check.flash = flash
        spool = check.run()
        if go_on:
            check.go_on(spool)
        else:
            before = snapshot(spool)
            need(snapshot(check.recover()) == before, "a second start changes what is pending")
    finally:
        os.umount(MOUNT)


def recovery_trace(scenario, oracle, image, cut, block_size=BLOCK):
    """-> the operations of the restart on `image`, which stays as it is."""
    flash = TracedFlash(image, len(image) // block_size, block_size)
    mount(flash)
    try:
        Check(scenario, oracle, cut).recover()
    finally:
        os.umount(MOUNT)
    return flash.trace


def export_files(scenario, image, folder):
    """Restart on an image and copy all data files and sidecars to a folder of the host, for CPython to look at."""
    os.mkdir(folder)
    mount(Flash(io.BytesIO(image), len(image) // BLOCK))
    try:
        spool = Spool(ROOT, DEVICE, **SCENARIOS[scenario][0])
        spool.recover()
        for name in spool.pending(10000):
            for remote, _, _ in spool.parts(name):
                with spool.open(remote) as source, open(folder + "/" + remote.replace("/", "_"), "wb") as target:
                    target.write(source.read())
    finally:
        os.umount(MOUNT)


def recovery_campaign(scenario, every, start=0):
    """Cut the power behind each `every`-th operation, and then the recovery at each of its own, whole and torn.

    -> (cuts tried, list of violations).
    """
    image, trace, oracle = record(scenario)
    state = bytearray(image)
    tried = 0
    violations = []
    for cut in range(len(trace) + 1):
        if cut:
            replay(state, trace[cut - 1])
        if cut % every != start % every:
            continue
        again = bytearray(state)
        for number, operation in enumerate(recovery_trace(scenario, oracle, state, cut)):
            for part in (0, 0.6):
                torn = bytearray(again)
                replay(torn, operation, part=part)
                tried += 1
                try:
                    after_cut(scenario, oracle, torn, cut, go_on=tried % 5 == 0)
                except Violation as error:
                    violations.append(f"cut {cut} of {len(trace)}, recovery cut at {number}, torn {part}: {error}")
                gc.collect()
            replay(again, operation)
    return tried, violations


def campaign(scenario, every=1, start=0, export=None, export_every=1):
    """Cut the power behind each `every`-th operation, whole and torn. -> (cuts tried, list of violations).

    `export`: a folder of the host, into which the data files of boards restarted from some of these cuts are copied.
    """
    image, trace, oracle = record(scenario)
    state = bytearray(image)
    tried = 0
    violations = []
    random.seed(start + every)
    for cut in range(len(trace) + 1):
        if cut:
            replay(state, trace[cut - 1])
        if cut % every != start % every:
            continue
        for part in (0, random.random()):
            torn = bytearray(state)
            if part and cut < len(trace):
                replay(torn, trace[cut], part=part)
            for twice in (None,) if part else (None, random.random()):
                tried += 1
                try:
                    after_cut(scenario, oracle, torn, cut, twice=twice, go_on=tried % 5 == 0)
                except Violation as error:
                    violations.append(f"cut {cut} of {len(trace)}, torn {part}, twice {twice}: {error}")
                gc.collect()
        if export and cut // every % export_every == 0:
            export_files(scenario, torn, f"{export}/{scenario}-{cut}")
    return tried, violations
