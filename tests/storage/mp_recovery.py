"""Recovery from damage that a power cut on LittleFS cannot do, but other file systems, cards and people can."""

import json
import os

from disk import Disk, begin, content, frames, info, names, record

from host.virtual.port.flash import PowerCut
from storage import npy
from storage.files import exists

HEAP = "16M"
DAMAGES = (b"", b"{", b"\xff\xfe\x00garbage", b"[1, 2]", b'{"seq": 0, "ledger": 7}', b"{}")


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path) as file:
        return json.load(file)


def unfinished(disk, ended=False):
    """A session with a finished segment, an unfinished one with a gap, and a journal. -> path of the session."""
    spool = disk.spool()
    (writer,) = begin(spool, info())
    record(writer, 2000)
    writer.open(2000)
    writer.gap(30, "fifo")
    view = memoryview(frames(2000, start=2030))
    writer.write(view, 0, 500)
    writer.anchor(writer.position - 1, 700, 2)
    writer.write(view, 500, 1000)
    path = spool.session_path
    if ended:
        writer.close("stop")
        spool.end({"reason": "stop", "ended_t_us": 1, "streams": {}})
    return path


def test_gaps_and_anchors_of_the_unfinished_segment_survive():
    with Disk() as disk:
        path = unfinished(disk)
        spool = disk.spool()
        assert names(spool) == ["session.json", "imu-000000", "imu-000001"]
        data, sidecar = content(spool, spool.pending()[2])
        n = sidecar["frames"]
        assert 1300 < n <= 1500 and data == npy.header(n, 3) + frames(n, start=2030)
        assert sidecar["gaps"] == [[2000, 30, "fifo"]] and sidecar["anchors"] == [[2529, 2 << 30 | 700]]
        assert sidecar["first_frame"] == 2000 and sidecar["end_frame"] == 2030 + n and sidecar["reason"] == "power"
        ledger = read(path + "/ledger.json")
        assert ledger["reason"] == "power" and ledger["ended_t_us"] is None
        account = ledger["streams"]["imu"]
        assert account["tail"] == [[2030 + n, None, "power"]] and account["unknown"] == 1
        assert account["expected"] == 2030 + n and account["stored"] == 2000 + n and account["lost"] == {"fifo": 30}


def test_gap_that_reached_the_flash_before_its_frames_goes_into_the_tail():
    """The journal is written first; the power goes at every operation from there to the sync of the data."""
    tails = []
    for cut in range(40):
        with Disk() as disk:
            spool = disk.spool()
            (writer,) = begin(spool, info())
            path = spool.session_path
            writer.open(0)
            view = memoryview(frames(2000))
            writer.write(view, 0, 1340)  # one block is on flash
            writer.gap(9, "ring")
            disk.flash.cut_at = disk.flash.operations + cut
            try:
                writer.write(view, 1340, 60)
            except PowerCut:
                pass
            spool = disk.spool()
            account = read(path + "/ledger.json")["streams"]["imu"]
            assert account["expected"] == account["stored"] + sum(account["lost"].values())
            assert account["stored"] in (661, 1343), account
            gaps = content(spool, spool.pending()[1])[1]["gaps"]
            tail = account["tail"]
            assert tail[-1] == [account["end_frame"], None, "power"]
            if account["stored"] == 1343:
                assert gaps == [[1340, 9, "ring"]] and len(tail) == 1
            else:
                assert gaps == [] and tail[:-1] in ([], [[661, 9, "ring"]])
            tails.append(len(tail) + account["stored"])
    assert sorted(set(tails)) == [662, 663, 1344], tails  # gap unknown, gap known, everything there


def test_every_small_file_may_be_damaged():
    """Whatever stands in a sidecar, a journal, a document or the boot counter: the board starts, the data is there."""
    for ended in (False, True):
        with Disk() as disk:
            path = unfinished(disk, ended)
            device = path.rsplit("/", 1)[0]
            victims = [path + "/" + name for name in os.listdir(path) if name[-5:] == ".json" or name[-4:] == ".jnl"]
            victims += [path + "/000/" + name for name in os.listdir(path + "/000") if name.endswith(".json")]
            victims.append(device + "/boot")
        assert len(victims) == (6 if ended else 4), victims
        for victim in victims:
            for damage in DAMAGES:
                with Disk() as disk:
                    path = unfinished(disk, ended)
                    target = path + victim[len(victims[0].rsplit("/", 1)[0]) :]
                    target = device + "/boot" if victim.endswith("boot") else target
                    write(target, damage)
                    check_all_there(disk, path, (victim, damage, ended))


def check_all_there(disk, path, what):
    spool = disk.spool()
    for line in spool.said:
        assert "left as it is" not in line, (what, line)
    assert names(spool) == ["session.json", "imu-000000", "imu-000001"], (what, names(spool), spool.said)
    first = 0
    for name in spool.pending()[1:3]:
        data, sidecar = content(spool, name)
        n = sidecar["frames"]
        start = 2030 if first else 0
        assert n > 1300 and data == npy.header(n, 3) + frames(n, start=start), what
        assert sidecar["first_frame"] == first, what
        first = sidecar["end_frame"]
    assert isinstance(read(path + "/session.json")["streams"], dict), what
    for account in read(path + "/ledger.json")["streams"].values():
        assert account["expected"] == account["stored"] + sum(account["lost"].values()), what
    again = disk.spool()
    assert names(again) == names(spool), what
    begin(again, info())


def test_a_torn_label_goes_and_the_others_stay():
    with Disk() as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info())
        record(writer, 100)
        spool.label({"text": "one"})
        spool.label({"text": "two"})
        path = spool.session_path + "/labels.jsonl"
        with open(path, "rb") as file:
            whole = file.read()
        write(path, whole + b'{"text": "thr')
        spool = disk.spool()
        for name in spool.pending():
            spool.acknowledge(name)
        assert names(spool) == ["labels.jsonl", "ledger.json"]
        with spool.open(spool.pending()[0]) as file:
            assert file.read() == whole
        for name in spool.pending():
            assert spool.parts(name), name
            spool.acknowledge(name)
        assert spool.pending() == [] and not exists(path)


def test_finished_session_is_left_alone():
    with Disk() as disk:
        unfinished(disk, ended=True)
        operations = disk.flash.operations
        spool = disk.spool()
        assert spool.said == []
        assert disk.flash.operations - operations < 10  # the boot counter


def test_rename_in_two_steps_may_be_cut():
    """FAT removes the old file before it renames the new one: then the temporary file is all there is."""
    with Disk(600, 512, os.VfsFat) as disk:
        path = unfinished(disk, ended=True)
        for name in (path + "/000/imu-000001.npy", path + "/ledger.json", path + "/session.json"):
            os.rename(name, name + ".tmp")
        os.remove(path + "/000/imu-000001.json")
        spool = disk.spool()
        assert names(spool) == ["session.json", "imu-000000", "imu-000001"], spool.said
        data, sidecar = content(spool, spool.pending()[2])
        assert sidecar["frames"] == 1500 and data == npy.header(1500, 3) + frames(1500, start=2030)


def test_temporary_files_beside_the_real_ones_go():
    with Disk() as disk:
        path = unfinished(disk, ended=True)
        for name in ("/000/imu-000001.npy.tmp", "/ledger.json.tmp", "/other.json.tmp"):
            write(path + name, b"half")
        spool = disk.spool()
        assert not [name for name in os.listdir(path) + os.listdir(path + "/000") if name.endswith(".tmp")]
        assert len(names(spool)) == 3


def test_session_that_had_not_begun_is_removed():
    with Disk() as disk:
        spool = disk.spool()
        os.mkdir(spool.path + "/00001-00-12345678")
        write(spool.path + "/00001-00-12345678/session.json.tmp", b'{"for')
        spool = disk.spool()
        assert os.listdir(spool.path) == ["boot"] and len(spool.said) == 1


def test_what_is_not_ours_stays():
    with Disk() as disk:
        path = unfinished(disk)
        for name in ("/notes.txt", "/000/readme.txt"):
            write(path + name, b"hello")
        os.mkdir(path.rsplit("/", 1)[0] + "/photos")
        spool = disk.spool()
        assert exists(path + "/notes.txt") and exists(path + "/000/readme.txt") and exists(spool.path + "/photos")
        assert len(names(spool)) == 3


def test_interrupted_drop_is_finished():
    """The entry was durable, the data still there: the cut came in between."""
    with Disk() as disk:
        path = unfinished(disk, ended=True)
        record_ = {"frames": 2000, "ranges": [[0, 0, 0, 2000, 2000]]}
        write(path + "/imu-dropped.json", json.dumps(record_).encode())
        ledger = read(path + "/ledger.json")
        ledger["streams"]["imu"] = {
            "expected": 3530, "stored": 3500, "lost": {"fifo": 30}, "unknown": 0, "segments": 2, "end_frame": 3530,
            "tail": [],
        }  # fmt: skip
        write(path + "/ledger.json", json.dumps(ledger).encode())
        for _ in range(2):
            spool = disk.spool()
            assert names(spool) == ["session.json", "imu-000001"]
            account = read(path + "/ledger.json")["streams"]["imu"]
            assert account["stored"] == 1500 and account["lost"] == {"fifo": 30, "retention": 2000}
            assert account["dropped"] == [[0, 0, 0, 2000, 2000]]
