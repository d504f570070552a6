"""The segment writer: true files, sidecars that add up, no allocation, and a flash that refuses."""

import hashlib
import io
import os
from binascii import crc32, hexlify

import micropython
from disk import MOUNT, Disk, begin, content, fill, frames, info, names, record

from storage import npy, wavfmt
from storage.segment import MAX_ANCHORS, STAGE_BYTES, block_capacity

HEAP = "8M"


def raises(errno, function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno == errno, error
        return
    raise AssertionError("no OSError")


def test_full_segment_is_a_plain_npy_with_a_true_sidecar():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info())
        sidecar = record(writer, 2000)
        data, stored = content(spool, spool.pending()[1])
        assert stored == sidecar
        assert data == npy.header(2000, 3) + frames(2000)
        assert npy.read_header(io.BytesIO(data)) == ("<i2", False, (2000, 3), 128)
        assert (stored["bytes"], stored["frames"], stored["end_frame"]) == (len(data), 2000, 2000)
        assert stored["crc32"] == "%08x" % crc32(data)
        assert stored["sha256"] == hexlify(hashlib.sha256(data).digest()).decode()
        assert stored["reason"] == "full" and stored["file"] == "imu-000000.npy"
        assert stored["ledger"] == {"expected": 2000, "stored": 2000, "lost": {}, "unknown": 0}


def test_short_segment_gets_a_true_header():
    for n in (0, 1, 600, 1999):
        with Disk() as disk:
            spool = disk.spool()
            (writer,) = begin(spool, info(name="mic", ext="wav", channels=1))
            writer.open(0)
            writer.gap(3, "fifo")
            writer.write(memoryview(frames(2000, 1)), 0, n)
            sidecar = writer.close("stop")
            data, stored = content(spool, spool.pending()[1])
            assert data == wavfmt.header(n, 1, 100) + frames(n, 1), n
            assert stored["sha256"] == hexlify(hashlib.sha256(data).digest()).decode()
            assert stored["crc32"] == "%08x" % crc32(data)
            assert (sidecar["frames"], sidecar["end_frame"], sidecar["reason"]) == (n, n + 3, "stop")


def test_nothing_written_leaves_nothing():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info())
        writer.open(0)
        assert writer.close("stop") is None
        assert names(spool) == ["session.json"] and os.listdir(spool.session_path + "/000") == []
        assert record(writer, 2000)["seq"] == 0


def test_gaps_and_anchors_are_numbered_over_everything_the_sensor_made():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(100))
        writer.open(500)
        writer.gap(20, "flash")
        writer.gap(2, "flash")
        writer.write(memoryview(frames(50)), 0, 50)
        writer.anchor(writer.position - 1, 1000, 0)
        writer.gap(5, "fifo")
        writer.gap(-1, "bus")
        assert writer.write(memoryview(frames(60)), 0, 60) == 50 and writer.full
        writer.anchor(writer.position - 1, 2000, 3)
        writer.gap(4, "ring")
        sidecar = writer.close("full")
        assert sidecar["gaps"] == [[500, 22, "flash"], [572, 5, "fifo"], [577, None, "bus"], [627, 4, "ring"]]
        assert sidecar["anchors"] == [[571, 1000], [626, 3 << 30 | 2000]]
        assert (sidecar["first_frame"], sidecar["frames"], sidecar["end_frame"]) == (500, 100, 631)
        lost = {"flash": 22, "fifo": 5, "ring": 4}
        assert sidecar["ledger"] == {"expected": 131, "stored": 100, "lost": lost, "unknown": 1}
        assert record(writer, 100, 631)["ledger"]["expected"] == 231


def test_outage_longer_than_a_small_integer():
    with Disk() as disk:
        (writer,) = begin(disk.spool(), info(100))
        writer.open(0)
        outage = 0
        for n in ((1 << 28) - 1, (1 << 29) + 5, 1 << 31):
            writer.gap(n, "flash")
            outage += n
        writer.write(memoryview(frames(100)), 0, 100)
        writer.anchor(writer.position - 1, 5, 0)
        sidecar = writer.close("full")
        assert sidecar["gaps"] == [[0, outage, "flash"]]
        assert sidecar["anchors"] == [[outage + 99, 5]] and sidecar["end_frame"] == outage + 100


def test_too_many_gaps_close_the_segment_early():
    with Disk() as disk:
        (writer,) = begin(disk.spool(), info(4000))
        writer.open(0)
        view = memoryview(frames(10))
        told = 0
        while not writer.full:
            writer.gap(1, "fifo")
            told += 1
            writer.write(view, 0, 10)
        sidecar = writer.close("full")
        assert sidecar["reason"] == "gaps" and len(sidecar["gaps"]) == told
        assert sidecar["end_frame"] == sidecar["frames"] + told


def test_measured_rate_comes_from_the_anchors():
    with Disk() as disk:
        (writer,) = begin(disk.spool(), info(1000))
        for gap, rate in ((0, 200.0), (100, 200.0), (-1, None)):
            writer.open(0)
            for i in range(10):
                if gap and i == 5:
                    writer.gap(gap, "fifo")
                writer.write(memoryview(frames(100)), 0, 100)
                writer.anchor(writer.position - 1, writer.position * 5000, 0)
            measured = writer.close("full")["rate_measured_hz"]
            assert measured == rate if rate is None else abs(measured - rate) < 1e-3, (gap, measured)


def test_many_anchors_are_thinned_evenly():
    with Disk() as disk:
        (writer,) = begin(disk.spool(), info(2000))
        writer.open(0)
        for i in range(1000):
            writer.write(memoryview(frames(2)), 0, 2)
            writer.anchor(writer.position - 1, i * 1000, 0)
        anchors = writer.close("full")["anchors"]
        assert MAX_ANCHORS // 2 <= len(anchors) <= MAX_ANCHORS
        steps = {after[0] - before[0] for before, after in zip(anchors, anchors[1:])}
        assert len(steps) == 1 and anchors[0] == [1, 0], anchors
        assert all([t_us == (frame - 1) * 500 for frame, t_us in anchors])


def test_of_many_anchors_the_tight_ones_stay():
    with Disk() as disk:
        (writer,) = begin(disk.spool(), info(2000))
        writer.open(0)
        for i in range(1000):
            writer.write(memoryview(frames(2)), 0, 2)
            late = 0 if i % 50 == 7 else 3000 + 10 * (i % 7)
            writer.anchor(writer.position - 1, i * 2000 + late, 0, late)
        sidecar = writer.close("full")
        anchors = sidecar["anchors"]
        assert MAX_ANCHORS // 2 - 1 <= len(anchors) <= MAX_ANCHORS
        tight = [frame for frame, t_us in anchors if t_us == (frame - 1) * 1000]
        assert len(tight) >= 19 and len(tight) >= len(anchors) - 12, (len(tight), len(anchors))
        assert anchors == sorted(anchors)
        assert abs(sidecar["rate_measured_hz"] - 1000) < 1e-3 and 0 < sidecar["residual_us"] < 2500


def test_sampling_path_allocates_nothing():
    """A whole segment with gaps and anchors, synced to flash block by block, while the heap is locked."""
    for ext, channels, n in (("npy", 6, 3000), ("wav", 1, 20000)):
        with Disk(128) as disk:
            spool = disk.spool()
            (writer,) = begin(spool, info(n, "s", ext, channels))
            view = memoryview(frames(64, channels))
            writer.open(0)
            operations = disk.flash.operations
            calls = 0
            micropython.heap_lock()
            try:
                while not writer.full:
                    if calls & 63 == 9:
                        writer.gap(3, "fifo")
                        writer.gap(-1, "bus")
                    writer.write(view, 0, 64)
                    writer.anchor(writer.position - 1, calls << 16 & 0x3FFFFFFF, 7)
                    calls += 1
            finally:
                micropython.heap_unlock()
            assert disk.flash.operations > operations + 100
            sidecar = writer.close("full")
            assert sidecar["frames"] == n and len(sidecar["gaps"]) >= 2


def test_chunks_end_with_littlefs_blocks():
    """Independent of the writer: after each call the file on flash is as long as its full blocks are."""
    for block_size in (512, 1024, 4096, 16384):
        blocks = 1 << 20 // block_size if block_size < 4096 else 64
        with Disk(max(64, 524288 // block_size) if blocks else 64, block_size) as disk:
            spool = disk.spool(reserve_bytes=0)
            (writer,) = begin(spool, info(7000))
            writer.open(0)
            view = memoryview(frames(100))
            path = spool.session_path + "/000/imu-000000.npy"
            seen = set()
            for _ in range(100, 7000, 100):
                writer.write(view, 0, 100)
                with open(path, "rb") as file:
                    seen.add(file.seek(0, 2))
            ends = []
            end = index = 0
            while end < 128 + 7000 * 6:
                end += block_capacity(block_size, index)
                index += 1
                ends.append(end)
            assert len(seen) >= 2 and all([n == 0 or n in ends for n in seen]), (block_size, seen)
            assert max(seen) > 128 + 6900 * 6 - max(block_size, STAGE_BYTES) - 4096


def test_block_capacity_is_that_of_the_specification():
    assert [block_capacity(4096, i) for i in (0, 1, 2, 3, 4, 8, 64)] == [4096, 4092, 4088, 4092, 4084, 4080, 4068]


def test_works_on_fat():
    with Disk(600, 512, os.VfsFat) as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info())
        record(writer, 2000)
        record(writer, 700, 2000, reason="stop")
        assert content(spool, spool.pending()[1])[0] == npy.header(2000, 3) + frames(2000)
        assert content(spool, spool.pending()[2])[0] == npy.header(700, 3) + frames(700, start=2000)
        writer.open(2700)
        writer.write(memoryview(frames(1000)), 0, 1000)
        spool = disk.spool()  # the power went
        data, sidecar = content(spool, spool.pending()[3])
        n = sidecar["frames"]
        assert 600 < n <= 1000 and data == npy.header(n, 3) + frames(n) and sidecar["reason"] == "power"


def test_no_room_is_said_before_anything_is_written():
    with Disk(16) as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(20000))
        operations = disk.flash.operations
        raises(28, writer.open, 0)
        assert not writer.is_open and disk.flash.operations == operations


def test_flash_full_in_the_middle_of_a_segment():
    """Somebody else fills the disk: what was synced stays, the segment is finished as soon as there is room."""
    for drop in (False, True):
        with Disk(96) as disk:
            spool = disk.spool(when_full="drop_oldest" if drop else "stop")
            (writer,) = begin(spool, info(12000))
            record(writer, 12000)
            writer.open(12000)
            view = memoryview(frames(12000, start=12000))
            assert writer.write(view, 0, 4000) == 4000
            fill(MOUNT + "/other", 2)
            raises(28, writer.write, view, 4000, 8000)
            assert writer.full and writer.write(view, 4000, 10) == 0
            sidecar = writer.close("flash")
            n = sidecar["frames"]
            assert 3300 < n <= 4000 and sidecar["reason"] == "flash" and sidecar["end_frame"] == 12000 + n
            if drop:  # the oldest made room for the copy
                assert names(spool) == ["session.json", "imu-000001"]
                spool.end({"reason": "stop", "ended_t_us": 0, "streams": {}})
            else:
                assert names(spool) == ["session.json", "imu-000000"]
                raises(28, writer.open, 12000 + n)
                os.remove(MOUNT + "/other")
                writer.open(12000 + n)
                assert names(spool) == ["session.json", "imu-000000", "imu-000001"]
            data, stored = content(spool, "dev/%s/imu-000001" % sidecar["session"])
            assert data == npy.header(n, 3) + frames(n, start=12000)
            assert stored["frames"] == n


def test_card_that_disappears_and_comes_back():
    with Disk(96) as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(12000))
        writer.open(0)
        view = memoryview(frames(12000))
        writer.write(view, 0, 5000)
        disk.flash.broken = True
        raises(5, writer.write, view, 5000, 3000)
        sidecar = writer.close("flash")
        n = sidecar["frames"]
        assert 4000 < n <= 5000 and not writer.is_open
        raises(5, writer.open, n)
        disk.flash.broken = False
        writer.open(n)
        data, stored = content(spool, spool.pending()[1])
        assert data == npy.header(n, 3) + frames(n) and stored["reason"] == "flash"
        writer.gap(8000 - n, "flash")
        writer.write(view, 8000, 100)
        assert writer.close("stop")["ledger"] == {
            "expected": 8100, "stored": n + 100, "lost": {"flash": 8000 - n}, "unknown": 0
        }
