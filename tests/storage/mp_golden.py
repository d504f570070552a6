"""One golden example of each format on flash. Whoever has to change one of these has changed what old data sets hold:
then `format` gets another number.
"""

import hashlib
import json
from binascii import hexlify, unhexlify

from disk import MOUNT, Disk, frames, info

from storage.journal_reader import load
from storage.segment import SegmentWriter

JOURNAL = (
    "314a4d00" "00000000" "00000000" "00000000"  # magic, number of the segment, its first frame
    "01000000" "02000000"  # one gap, two anchors
    "1d000000" "e0930400" "00000000"  # frame 29 at 300000 us
    "42000000" "60182300" "01000000"  # frame 66 at 2**30 + 2300000 us
    "{sums}"
    "1e000000" "07000000" "00000000" "00000000"  # behind 30 frames 7 are missing: fifo
)  # fmt: skip
SIDECAR = {
    "format": 1, "device": "dev", "stream": "imu", "seq": 0, "file": "imu-000000.npy", "first_frame": 0, "frames": 60,
    "end_frame": 67, "channels": ["ax", "ay", "az"], "units": ["g", "g", "g"], "scale": [0.25, 0.25, 0.25],
    "rate_hz": 100.0, "anchors": [[29, 300000], [66, 1076041824]], "gaps": [[30, 7, "fifo"]],
    "clock_fixes": [[1000, 1700000000000000, 50, "rtc"]], "bytes": 488, "crc32": "06985a0b",
    "sha256": "60c602d616aed076e0c92b35da4ce4c2d3f557cb6d00cf5b2525cbbe1814863b", "reason": "stop",
    "ledger": {"expected": 67, "stored": 60, "lost": {"fifo": 7}, "unknown": 0},
}  # fmt: skip
WAV_SHA256 = "96dfb1ce1d9be441"
POWER_LEDGER = {
    "format": 1, "device": "dev", "reason": "power", "ended_t_us": None,
    "streams": {
        "imu": {
            "expected": 67, "stored": 60, "lost": {"fifo": 7}, "unknown": 1, "segments": 1, "end_frame": 67,
            "tail": [[67, None, "power"]], "dropped": [],
        },
        "mic": {
            "expected": 40, "stored": 40, "lost": {}, "unknown": 1, "segments": 1, "end_frame": 40,
            "tail": [[40, None, "power"]], "dropped": [],
        },
    },
}  # fmt: skip


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_golden_files():
    with Disk() as disk:
        spool = disk.spool()
        infos = info(100), info(40, "mic", "wav", 1)
        spool.begin({"streams": {i.name: i.as_dict() for i in infos}, "clock_fixes": SIDECAR["clock_fixes"]})
        imu, mic = [SegmentWriter(spool, i) for i in infos]
        imu.open(0)
        imu.write(memoryview(frames(30)), 0, 30)
        imu.anchor(29, 300000, 0)
        imu.gap(7, "fifo")
        imu.write(memoryview(frames(30, start=37)), 0, 30)
        imu.anchor(66, 2300000, 1)
        imu.close("stop")
        mic.open(0)
        mic.write(memoryview(frames(40, 1)), 0, 40)
        mic.close("full")
        path = spool.session_path

        check_journal(read(path + "/imu.jnl"))
        sidecar = json.loads(read(path + "/000/imu-000000.json"))
        assert sidecar["session"] == spool.session
        for key, value in SIDECAR.items():
            assert sidecar[key] == value, (key, sidecar[key])
        assert hexlify(hashlib.sha256(read(path + "/000/imu-000000.npy")).digest()).decode() == SIDECAR["sha256"]
        wav = hexlify(hashlib.sha256(read(path + "/000/mic-000000.wav")).digest()).decode()
        assert wav[:16] == WAV_SHA256, wav

        session = spool.session
        disk.spool()  # the power goes, and the ledger is written by recovery
        ledger = json.loads(read(path + "/ledger.json"))
        assert ledger.pop("session") == session
        assert ledger == POWER_LEDGER, ledger


def check_journal(data):
    before, after = JOURNAL.split("{sums}")
    before, after = unhexlify(before), unhexlify(after)
    assert len(data) == 128
    assert data[: len(before)] == before, hexlify(data)
    assert data[len(before) + 8 : len(before) + 8 + len(after)] == after, hexlify(data)
    assert not any(data[len(before) + 8 + len(after) :])
    for i in range(-1, len(data)):  # -1: whole; else one byte is damaged, and the journal is none
        damaged = bytearray(data)
        if i >= 0:
            damaged[i] ^= 0x10
        with open(MOUNT + "/copy", "wb") as file:
            file.write(damaged)
        assert (load(MOUNT + "/copy") is None) == (i >= 0), i
