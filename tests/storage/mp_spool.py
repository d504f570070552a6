"""The spool: order, acknowledgement, retention, names, and counting instead of walking the disk."""

import json
import os
import sys

from disk import Disk, begin, content, frames, info, names, record

import storage.space
from storage import npy, retention
from storage.files import exists
from storage.spool import Spool

HEAP = "16M"
LEDGER = {"reason": "stop", "ended_t_us": 5, "streams": {}}


def account(stored, segments=1):
    """-> a stream's entry of ledger.json without any loss."""
    return {
        "expected": stored, "stored": stored, "lost": {}, "unknown": 0, "segments": segments, "end_frame": stored,
        "tail": [],
    }  # fmt: skip


def read(path):
    with open(path) as file:
        return json.load(file)


def test_oldest_first_over_streams_folders_and_sessions():
    with Disk(256) as disk:
        spool = disk.spool()
        imu, mic = begin(spool, info(100), info(100, "mic"))
        for i in range(24):
            record(imu, 100, i * 100)
            if i % 3 == 2:
                record(mic, 100, i // 3 * 100)
        spool.end(dict(LEDGER))
        (imu,) = begin(spool, info(100))
        record(imu, 100)
        pending = names(spool)
        assert pending[0] == "session.json" and pending[-2:] == ["session.json", "imu-000000"]
        imus = [name for name in pending[1:-2] if name < "mic"]
        mics = [name for name in pending[1:-2] if name > "mic"]
        assert imus == [f"imu-{i:06d}" for i in range(24)] and mics == [f"mic-{i:06d}" for i in range(8)]
        for i in range(8):  # in truth behind the third of each three; four places of error at most
            assert abs(pending.index(mics[i]) - pending.index(imus[3 * i + 2])) <= 4, pending
        assert names(spool)[:5] == [name.split("/")[2] for name in spool.pending(5)]


def test_segment_being_written_is_not_pending():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info())
        writer.open(0)
        writer.write(memoryview(frames(1500)), 0, 1500)
        assert names(spool) == ["session.json"]
        writer.close("stop")
        assert names(spool) == ["session.json", "imu-000000"]


def test_acknowledged_is_gone_and_stays_gone():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(500))
        for i in range(3):
            record(writer, 500, i * 500)
        pending = spool.pending()
        for name in pending[:3]:
            spool.acknowledge(name)
            spool.acknowledge(name)
            assert spool.parts(name) == []
        assert names(spool) == ["imu-000002"] and spool.status()["pending_segments"] == 1
        assert sorted(os.listdir(spool.session_path + "/000")) == ["imu-000002.json", "imu-000002.npy"]
        spool = disk.spool()
        assert names(spool) == ["imu-000002"]


def test_a_ledger_waits_for_the_segments_of_its_session():
    """Found by test_world.py: one that was delivered before could not tell what retention took afterwards."""
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(500))
        record(writer, 500)
        record(writer, 500, 500)
        spool.end({"reason": "stop", "ended_t_us": 5, "streams": {"imu": account(1000, 2)}})
        assert names(spool) == ["session.json", "imu-000000", "imu-000001"]
        spool.acknowledge(spool.pending()[1])
        assert names(spool) == ["session.json", "imu-000001"]
        assert retention.drop_one(spool) and names(spool) == ["session.json", "ledger.json"]
        (part,) = spool.parts(spool.pending()[1])
        with spool.open(part[0]) as file:
            assert json.loads(file.read())["streams"]["imu"]["lost"] == {"retention": 500}


def test_newest_sidecar_stays_until_it_has_a_successor():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(500))
        record(writer, 500)
        spool.acknowledge(spool.pending()[1])
        assert os.listdir(spool.session_path + "/000") == ["imu-000000.ack"]
        record(writer, 500, 500)
        assert sorted(os.listdir(spool.session_path + "/000")) == ["imu-000001.json", "imu-000001.npy"]
        spool.acknowledge(spool.pending()[1])
        session = spool.session_path
        spool = disk.spool()  # the power went; nothing but the kept sidecar knows the numbers
        ledger = read(session + "/ledger.json")["streams"]["imu"]
        assert ledger["stored"] == ledger["expected"] == 1000 and ledger["tail"] == [[1000, None, "power"]]
        assert ledger["segments"] == 2 and ledger["unknown"] == 1


def test_session_goes_when_all_of_it_is_acknowledged():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(500))
        record(writer, 500)
        for name in spool.pending():
            spool.acknowledge(name)
        spool.end(dict(LEDGER))
        assert names(spool) == ["ledger.json"]
        spool.acknowledge(spool.pending()[0])
        assert os.listdir(spool.path) == ["boot"] and spool.status()["used_bytes"] == 0


def test_folders_hold_sixteen_segments_and_go_when_empty():
    with Disk(256) as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(100))
        for i in range(33):
            record(writer, 100, i * 100)
        assert [len(os.listdir(f"{spool.session_path}/00{i}")) for i in range(3)] == [32, 32, 2]
        for name in spool.pending()[1:18]:
            spool.acknowledge(name)
        assert not exists(spool.session_path + "/000") and len(os.listdir(spool.session_path + "/001")) == 30


def test_kept_segments_stay_until_their_room_is_needed():
    with Disk() as disk:
        spool = disk.spool(keep_acknowledged=True, when_full="drop_oldest", max_bytes=24 * 4096)
        (writer,) = begin(spool, info(2500))
        for i in range(4):
            record(writer, 2500, i * 2500)
        for name in spool.pending()[2:4]:
            spool.acknowledge(name)
        assert names(spool) == ["session.json", "imu-000000", "imu-000003"]
        spool = disk.spool(keep_acknowledged=True, when_full="drop_oldest", max_bytes=24 * 4096)
        assert names(spool) == ["session.json", "imu-000000", "imu-000003"]
        path = spool.path + "/" + spool.pending()[0].split("/")[1]
        assert exists(path + "/000/imu-000001.npy") and exists(path + "/000/imu-000002.npy")
        (writer,) = begin(spool, info(2500))
        record(writer, 2500)  # acknowledged ones go first, oldest first, and are no loss
        assert not exists(path + "/000/imu-000001.npy") and exists(path + "/000/imu-000002.npy")
        record(writer, 2500, 2500)
        record(writer, 2500, 5000)
        assert names(spool)[:2] == ["session.json", "imu-000003"]
        ledger = read(path + "/ledger.json")["streams"]["imu"]
        assert ledger["lost"] == {"retention": 2500} and ledger["dropped"] == [[0, 0, 0, 2500, 2500]]


def test_drop_oldest_leaves_its_entry_in_sidecars_and_ledger():
    with Disk() as disk:
        spool = disk.spool(when_full="drop_oldest", max_bytes=20 * 4096)
        (writer,) = begin(spool, info(2500))
        end = 0
        for _ in range(8):
            writer.open(end)
            writer.gap(10, "fifo")
            writer.write(memoryview(frames(2500)), 0, 2500)
            sidecar = writer.close("full")
            end = sidecar["end_frame"]
        assert names(spool) == ["session.json", "imu-000005", "imu-000006", "imu-000007"]
        assert sidecar["ledger"] == {
            "expected": 8 * 2510, "stored": 3 * 2500, "lost": {"fifo": 80, "retention": 5 * 2500}, "unknown": 0
        }  # fmt: skip
        assert spool.status()["dropped_segments"] == 5
        path = spool.session_path
        spool.end({"reason": "stop", "ended_t_us": 5, "streams": {"imu": account(8 * 2500, 8)}})
        ledger = read(path + "/ledger.json")["streams"]["imu"]
        assert ledger["stored"] == 3 * 2500 and ledger["lost"] == {"retention": 5 * 2500}
        assert ledger["dropped"] == [[0, 4, 0, 5 * 2510, 5 * 2500]]
        (writer,) = begin(spool, info(2500))  # an ended session loses more
        record(writer, 2500)
        ledger = read(path + "/ledger.json")["streams"]["imu"]
        assert ledger["stored"] == 2 * 2500 and ledger["lost"] == {"retention": 6 * 2500}
        assert ledger["dropped"] == [[0, 5, 0, 6 * 2510, 6 * 2500]]


def test_stop_keeps_everything():
    with Disk() as disk:
        spool = disk.spool(when_full="stop", max_bytes=20 * 4096)
        (writer,) = begin(spool, info(2500))
        for i in range(3):
            record(writer, 2500, i * 2500)
        assert not spool.free(15000)
        try:
            writer.open(7500)
        except OSError as error:
            assert error.errno == 28
        assert len(names(spool)) == 4 and not writer.is_open
        spool.acknowledge(spool.pending()[1])
        assert spool.free(15000)
        writer.open(7500)


def test_what_is_being_sent_is_not_dropped():
    with Disk() as disk:
        spool = disk.spool(when_full="drop_oldest", max_bytes=20 * 4096)
        (writer,) = begin(spool, info(2500))
        for i in range(3):
            record(writer, 2500, i * 2500)
        with spool.open(spool.pending()[1] + ".npy") as file:
            start = file.read(1000)
            record(writer, 2500, 7500)
            assert names(spool) == ["session.json", "imu-000000", "imu-000002", "imu-000003"]
            rest = file.read()
        assert start + rest == npy.header(2500, 3) + frames(2500)
        record(writer, 2500, 10000)
        assert "imu-000000" not in names(spool)


def test_disk_is_not_walked_while_recording():
    class Os:
        """The os module without statvfs."""

        def __getattr__(self, name):
            if name == "statvfs":
                raise AssertionError("statvfs while recording")
            return getattr(os, name)

    with Disk() as disk:
        spool = disk.spool(when_full="drop_oldest", max_bytes=20 * 4096)
        (writer,) = begin(spool, info(2500))
        storage.space.os = Os()
        try:
            for i in range(6):
                record(writer, 2500, i * 2500)
                spool.free(15000)
                spool.status()
            spool.acknowledge(spool.pending()[1])
        finally:
            storage.space.os = os


def test_counted_space_is_close_to_the_real_one():
    with Disk(256) as disk:
        spool = disk.spool(when_full="drop_oldest", max_bytes=100 * 4096)
        (writer,) = begin(spool, info(3000))
        for i in range(30):
            record(writer, 3000, i * 3000)
            if i % 4 == 3:
                spool.acknowledge(spool.pending()[2])
        counted = spool.space.free_bytes
        spool.space.measure()
        assert abs(counted - spool.space.free_bytes) <= 4 * 4096, (counted, spool.space.free_bytes)


def test_boot_counter_counts_and_survives_damage():
    with Disk() as disk:
        for boot, damage in ((1, None), (2, b""), (3, b"{]"), (4, b'{"boot": "x"}'), (5, b'{"boot": -3}'), (6, None)):
            spool = disk.spool()
            assert spool.boot == boot, (spool.boot, boot)
            begin(spool, info())
            spool.end(dict(LEDGER))
            begin(spool, info())
            assert spool.session.startswith(f"0000{boot}-01-") and len(spool.session) == 17
            if damage is not None:
                with open(spool.path + "/boot", "wb") as file:
                    file.write(damage)


def test_wrong_use_is_told():
    with Disk():
        for call, says in (
            (lambda: Spool("/disk/data", "dev", when_full="overwrite"), "stop or drop_oldest"),
            (lambda: Spool("/disk/data", "dev").begin({}), "recover()"),
        ):
            try:
                call()
            except (ValueError, RuntimeError) as error:
                assert says in str(error)
                continue
            raise AssertionError(says)


def test_one_segment_is_sent_as_it_is():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(100))
        sidecar = record(writer, 100)
        name = spool.pending()[1]
        (data, size, sha256), (side, _, _) = spool.parts(name)
        assert (data, size, sha256) == (name + ".npy", sidecar["bytes"], sidecar["sha256"])
        assert side == name + ".json" and content(spool, name)[1] == sidecar
        assert spool.parts("dev/00001-00-00000000/imu-000000") == []
        session = spool.parts(spool.pending()[0])
        assert [part[0] for part in session] == [spool.pending()[0]]


def test_at_rest_the_code_for_reading_is_gone_and_comes_back():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(100))
        record(writer, 100)
        name = spool.pending()[1]
        before = spool.parts(name)
        file = spool.open(name + ".npy")
        spool.rest()
        spool.rest()
        assert "storage.reading" not in sys.modules and not hasattr(storage, "reading")
        assert len(file.read()) == before[0][1]
        assert spool.is_lent(spool.session_path + "/000/imu-000000")
        file.close()
        assert not spool.is_lent(spool.session_path + "/000/imu-000000")
        assert spool.parts(name) == before
        spool.acknowledge(name)
        assert not spool.is_pending(name)


def test_starts_without_a_link_do_not_fill_the_flash():
    """Each start leaves a session without a sample, or one that loses its only segment; the documents of eight stay."""
    with Disk(128) as disk:
        for boot in range(14):
            spool = disk.spool(when_full="drop_oldest", max_bytes=8 * 4096)
            (writer,) = begin(spool, info(2500))
            if boot % 2:
                record(writer, 2500)
        kept = [name for name in os.listdir(spool.path) if name.startswith("0")]
        assert len(kept) == 10, kept  # eight, the one with the segment in between, the running one
        forgotten = read(spool.session_path + "/session.json")["forgotten"]
        assert forgotten["sessions"] == len(forgotten["last"]) == 4
        assert [session[:5] for session, _ in forgotten["last"]] == ["00001", "00002", "00003", "00004"]
        assert [sums for _, sums in forgotten["last"]] == [{"imu": [0, 0]}, {"imu": [2500, 2500]}] * 2
        assert names(spool).count("ledger.json") == 9 and "imu-000000" in names(spool)
