"""Any sequence of operations on a spool, on real LittleFS: what tests/storage/test_world.py asks about.

`handle({"options", "steps"})` does the steps on a fresh flash and checks DESIGN's promise at every restart and at the
end. -> None, or the sentence that says what was broken. Steps:

    ["write", stream, frames, gap]      frames with a gap in front of them (-1: of unknown length)
    ["close"]                           the open segments are finished early
    ["end"]                             the session is ended; the next write begins another
    ["acknowledge", i]                  the i-th of what is pending (modulo)
    ["retain"]                          room is made: the segment that is missed least goes
    ["crash", when, part]               the power went behind `when` (0..1) of all flash operations since the start, of
                                        the next one a `part` was done
"""

import os

from powercut import Check, Violation
from recording import BLOCK, MOUNT, ROOT, Oracle, Recording, TracedFlash, mount, replay

from host.virtual.port.flash import Flash
from storage import retention

BLOCKS = 96


class World:
    """A board with a flash, over its starts."""

    def __init__(self, options):
        self.options = options
        flash = Flash(None, BLOCKS, BLOCK)
        os.VfsLfs2.mkfs(flash)
        self.image = flash.snapshot()  # at the last start
        flash.close()
        self.oracle = Oracle(None)
        self.recording = None
        self.start(0)

    def start(self, cut):
        """Start on `image`, which has done `cut` operations since the start before, and check everything."""
        flash = TracedFlash(self.image, BLOCKS, BLOCK)
        mount(flash)
        check = AnyCheck(self.options, self.oracle, cut)
        spool = check.run()
        self.oracle = remembered(self.oracle, check, flash)
        self.recording = Recording(flash, spool)
        self.recording.oracle = self.oracle
        self.flash = flash

    def do(self, step):
        name, *arguments = step
        try:
            getattr(self, name)(*arguments)
        except OSError as error:
            if error.errno != 28:
                raise

    def write(self, stream, frames, gap):
        if not self.recording.spool.session:
            self.recording.begin()
        self.recording.streams[stream].write(frames, gap)

    def close(self):
        for stream in self.recording.streams.values():
            stream.close("stop")

    def end(self):
        if self.recording.spool.session:
            self.recording.end()
            self.recording.streams = {}

    def acknowledge(self, i):
        pending = self.recording.spool.pending()
        if pending:
            self.recording.acknowledge([pending[i % len(pending)]])

    def retain(self):
        retention.drop_one(self.recording.spool)

    def crash(self, when, part):
        trace = self.flash.trace
        self.flash.gone = True
        for stream in self.recording.streams.values():
            abandon(stream.writer)
        os.umount(MOUNT)
        cut = int(when * len(trace))
        image = bytearray(self.image)
        for operation in trace[:cut]:
            replay(image, operation)
        if cut < len(trace):
            replay(image, trace[cut], part=part)
        self.image = image
        self.start(cut)


class AnyCheck(Check):
    """The campaign's check, with the options of the spool instead of a scenario's name."""

    def __init__(self, options, oracle, cut):
        self.options = options
        self.oracle = oracle
        self.cut = cut
        self.sidecars = {}
        self.lines = []


def abandon(writer):
    """Let go of a writer's open files; else the garbage collector complains that their flash is gone."""
    for file in (writer._file, writer._journal):
        try:
            if file:
                file.close()
        except OSError:
            pass


def remembered(oracle, check, flash):
    """-> the oracle of the next start: what was there at this one, checked, is what must not be lost now."""
    new = Oracle(flash)
    new.delivered = oracle.delivered
    for key, sidecar in check.sidecars.items():
        new.segments[key] = {"synced": [], "sidecar": sidecar, "committed": 0}
    for key, note in oracle.segments.items():
        if check.happened(note.get("acked")) or (check.happened(note.get("acking")) and key not in check.sidecars):
            new.segments.setdefault(key, note)["acked"] = 0
            if "sidecar" in note:
                new.segments[key].setdefault("sidecar", note["sidecar"])
        elif key not in check.sidecars and "sidecar" in note:
            new.segments[key] = {"synced": [], "sidecar": note["sidecar"]}  # retention took it
    for name, note in oracle.documents.items():
        if check.happened(note.get("acked")):
            new.documents[name] = {"acking": 0, "acked": 0}
        elif check.happened(note.get("acking")):
            new.documents[name] = {"acking": 0}
    for session, begun in oracle.begun.items():
        if check.happened(begun):
            new.begun[session] = new.ended[session] = 0
    return new


def handle(case):
    """-> None, or what was broken."""
    world = World(case["options"])
    try:
        for step in case["steps"] + [["crash", 1, 0]]:
            world.do(step)
    except Violation as error:
        return str(error)
    finally:
        os.umount(MOUNT)
    return None


__all__ = ("ROOT", "handle")
