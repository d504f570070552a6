"""The recorder on a real spool on LittleFS: what goes through the ring is in segments, or in the account with its
cause.
"""

import io
import json
import os

import vfs

from app.recorder import FULL_RETRY, Recorder
from app.ring import FIFO, NO_ANCHOR, BlockRing
from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool

HEAP = "8M"  # flash images of 384 KB in memory, one after the other
BLOCK = 16
INFO = StreamInfo("imu", "npy", ("ax", "ay"), ("g", "g"), (0.5, 0.5), 100.0, 1024)
ODD = StreamInfo("imu", "npy", ("ax", "ay"), ("g", "g"), (0.5, 0.5), 100.0, 1001)  # ends within a block
LONG = StreamInfo("imu", "npy", ("ax", "ay"), ("g", "g"), (0.5, 0.5), 100.0, 20000)


class RefusingFlash(Flash):
    """Fails to write three times in a row, once ``refuse_in`` (0: never) has counted down to 1.

    It answers EIO and does not raise: an exception would leave LittleFS by a jump, in the middle of its work.
    """

    refuse_in = 0

    def writeblocks(self, *args):
        if self.refuse_in:
            self.refuse_in -= 1
            if self.refuse_in < 3:
                return -5
        return super().writeblocks(*args)


class Bench:
    """A stream of frames (number & 0x7fff, number >> 15) into a spool on a fresh flash of ``blocks`` 4 KiB blocks."""

    def __init__(self, blocks=64, when_full="stop", info=INFO):
        try:
            vfs.umount("/flash")
        except OSError:
            pass
        self.flash = RefusingFlash(io.BytesIO(b"\xff" * (4096 * blocks)), blocks)
        vfs.VfsLfs2.mkfs(self.flash)
        vfs.mount(vfs.VfsLfs2(self.flash), "/flash")
        self.spool = Spool("/flash/data", "dev", reserve_bytes=8192, when_full=when_full)
        self.spool.recover()
        self.spool.begin({"streams": {"imu": info.as_dict()}})
        self.ring = BlockRing(BLOCK * 4, 4)
        self.recorder = Recorder(self.ring, SegmentWriter(self.spool, info))
        self.path = self.spool.session_path
        self.made = 0

    def record(self, n_frames, drain=True):
        """Make n frames and let the recorder take them."""
        while n_frames > 0:
            view = self.ring.claim()
            n = min(BLOCK, n_frames)
            for i in range(n):
                number = self.made + i
                view[4 * i] = number & 0xFF
                view[4 * i + 1] = number >> 8 & 0x7F
                view[4 * i + 2] = number >> 15 & 0xFF
                view[4 * i + 3] = 0
            self.made += n
            n_frames -= n
            self.ring.commit(n, self.made * 10000 & 0x3FFFFFFF, self.made * 10000 >> 30, 0, view)
            if drain:
                self.recorder.step()

    def lose(self, n, cause):
        self.made += n
        self.ring.lose(n, cause)

    def finish(self, reason="stop"):
        """Close the stream, end the session, check every stored frame against its number. -> its ledger entry."""
        while self.recorder.step():
            pass
        account = self.recorder.account(self.made, self.recorder.close(reason))
        self.spool.end({"reason": reason, "ended_t_us": self.made * 10000, "streams": {"imu": account}})
        with open(self.path + "/ledger.json") as file:
            ledger = json.load(file)
        assert ledger["reason"] == reason
        account = ledger["streams"]["imu"]
        dropped = account.get("dropped", [])
        number = sum([end - first for _, _, first, end, _ in dropped])  # retention takes the oldest: these come first
        stored = 0
        for sidecar, data in self.segments():
            assert sidecar["first_frame"] == number, (sidecar["first_frame"], number)
            row = 0
            for frame, lost, _ in sidecar["gaps"] + [[sidecar["end_frame"], 0, ""]]:
                while number < frame:
                    here = data[4 * row] | data[4 * row + 1] << 8 | data[4 * row + 2] << 15
                    assert here == number, (here, number)
                    number += 1
                    row += 1
                number += lost
            assert row == sidecar["frames"] and number == sidecar["end_frame"]
            stored += row
        assert stored == account["stored"]
        for frame, lost, _ in account["tail"]:
            assert frame == number
            number += lost
        assert number == account["end_frame"] == self.made
        assert account["expected"] == account["stored"] + sum(account["lost"].values()), account
        return account

    def segments(self):
        """Yield (sidecar, frames' bytes) in order."""
        for folder in sorted(name for name in os.listdir(self.path) if name.isdigit()):
            path = "%s/%s" % (self.path, folder)
            for name in sorted(os.listdir(path)):
                if name.endswith(".json"):
                    with open("%s/%s" % (path, name)) as file:
                        sidecar = json.load(file)
                    with open("%s/%s" % (path, sidecar["file"]), "rb") as file:
                        file.seek(sidecar["bytes"] - 4 * sidecar["frames"])
                        yield sidecar, file.read()


def test_everything_is_stored_over_several_segments():
    bench = Bench()
    bench.record(3000)
    account = bench.finish()
    assert account["segments"] == 3 and account["stored"] == 3000 and account["lost"] == {} and account["tail"] == []


def test_losses_stand_where_they_happened():
    bench = Bench()
    bench.record(100)
    bench.lose(7, FIFO)
    bench.record(2000)
    bench.lose(5, FIFO)
    account = bench.finish()
    gaps = [gap for sidecar, _ in bench.segments() for gap in sidecar["gaps"]]
    assert gaps == [[100, 7, "fifo"]] and account["tail"] == [[2107, 5, "fifo"]]
    assert account["lost"] == {"fifo": 12}


def test_a_full_ring_is_a_gap():
    bench = Bench()
    bench.record(10 * BLOCK, drain=False)
    assert bench.finish()["lost"] == {"ring": 6 * BLOCK}


def test_anchors_name_the_frame_that_was_newest():
    bench = Bench()
    bench.lose(3, FIFO)
    bench.record(1500)
    bench.finish()
    anchors = [anchor for sidecar, _ in bench.segments() for anchor in sidecar["anchors"]]
    assert len(anchors) > 10
    for frame, t_us in anchors:
        assert t_us == (frame + 1) * 10000, (frame, t_us)


def test_a_block_without_anchor_leaves_none():
    bench = Bench()
    view = bench.ring.claim()
    bench.ring.commit(1, 5, 0, NO_ANCHOR, view)
    bench.recorder.step()
    bench.made = 1
    view = None
    bench.finish()
    assert next(bench.segments())[0]["anchors"] == []


def test_flash_full_is_counted_and_recording_goes_on_when_room_appears():
    bench = Bench(blocks=40)
    bench.record(20000)
    full = dict(bench.recorder.lost_total())
    assert full["flash"] > 5000, full
    names = [name for name in bench.spool.pending() if not name.endswith(".json")]
    for name in names[:4]:
        bench.spool.acknowledge(name)
    bench.record(BLOCK * FULL_RETRY + 500)
    stored = bench.recorder.frames()
    account = bench.recorder.account(bench.made, bench.recorder.close("stop"))
    assert account["stored"] >= stored
    assert account["expected"] == account["stored"] + sum(account["lost"].values()), account
    assert account["segments"] > len(names) and account["end_frame"] == bench.made


def test_flash_full_in_the_middle_of_a_block_stop():
    """A segment ends within a block and there is no room for the next: the rest of the block is a loss."""
    bench = Bench(blocks=40, info=ODD)
    bench.record(20000)
    account = bench.finish()
    assert account["stored"] == account["segments"] * ODD.segment_frames and account["stored"] % BLOCK
    assert account["tail"] == [[account["stored"], 20000 - account["stored"], "flash"]]


def test_flash_full_in_the_middle_of_a_block_drop_oldest():
    """The same, and the oldest segments make room: nothing is lost to the flash, all of it is in the ledger."""
    bench = Bench(blocks=40, when_full="drop_oldest", info=ODD)
    bench.record(20000)
    account = bench.finish()
    assert list(account["lost"]) == ["retention"] and account["stored"] > 3 * ODD.segment_frames
    assert account["stored"] + account["lost"]["retention"] == 20000
    lost = account["lost"]["retention"]
    assert account["dropped"] == [[0, lost // ODD.segment_frames - 1, 0, lost, lost]]


def test_a_disk_filled_by_somebody_else_in_the_middle_of_a_block():
    """The spool had kept the room, another program took it: what was synced stays, the rest is a loss to the flash."""
    for when_full in ("stop", "drop_oldest"):
        bench = Bench(blocks=96, when_full=when_full, info=LONG)
        bench.record(9000)
        with open("/flash/somebody", "wb") as file:
            try:
                while True:
                    file.write(bytes(4000))
                    file.flush()
            except OSError:
                pass
        bench.record(3000)
        os.remove("/flash/somebody")
        bench.record(BLOCK * FULL_RETRY + 3000)
        account = bench.finish()
        reasons = [sidecar["reason"] for sidecar, _ in bench.segments()]
        assert "flash" in reasons and reasons[-1] == "stop", reasons
        assert 0 < account["lost"]["flash"] <= BLOCK * (FULL_RETRY + 1) + 4096, account


def test_flash_that_refuses_in_the_middle_of_a_segment():
    losses = 0
    for at in range(3, 15):
        bench = Bench()
        bench.record(500)
        bench.flash.refuse_in = at
        bench.record(7000)
        losses += bench.finish()["lost"].get("flash", 0)
    assert losses > 0


def test_bug_a_lack_of_memory_at_the_end_of_a_segment_ended_the_recording():
    bench = Bench()
    writer = bench.recorder.writer
    finish = writer._finish
    wanting = [0]

    def lacking():
        wanting[0] += 1
        if wanting[0] == 2:
            raise MemoryError()
        finish()

    writer._finish = lacking
    bench.record(5000)
    account = bench.finish()
    assert wanting[0] > 3 and account["stored"] == 5000 and not account["lost"]
