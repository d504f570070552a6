"""The spool after deep sleep: it goes on with the numbers that it kept, however much waits, and looks for nothing."""

import json
import os

from disk import MOUNT, Disk, begin, fill, frames, info, names, record

import storage.files
import storage.space
from storage import retention

HEAP = "16M"
N = 2500  # frames of a segment


def ledger(stored):
    account = {"expected": stored, "stored": stored, "lost": {}, "unknown": 0, "segments": 1, "end_frame": stored}
    return {"reason": "stop", "ended_t_us": 5, "streams": {"imu": account}}


def kept(spool):
    """As it comes back from JSON."""
    return json.loads(json.dumps(spool.kept()))


def one_boot(disk, known, stored=N, **options):
    """A boot that records one session. -> (the spool, what it keeps)"""
    spool = disk.spool(kept=known, **options)
    (writer,) = begin(spool, info(N))
    if stored:
        record(writer, stored)
    spool.end(ledger(stored))
    return spool, kept(spool)


def free_bytes(spool):
    """-> what is really free: `statvfs` counts the two blocks of a directory twice (measured)."""
    status = os.statvfs(spool.path)
    folders = 2  # /data, /data/dev
    for session in os.listdir(spool.path):
        if session.startswith("0"):
            folders += 1 + sum([name.isdigit() for name in os.listdir(spool.path + "/" + session)])
    return status[0] * (status[3] + 2 * folders)


def test_bug_labels_and_long_journals_took_room_that_nobody_counted():
    with Disk(640) as disk:
        known = None
        for boot in range(40):
            spool = disk.spool(kept=known)
            (writer,) = begin(spool, info(200))
            writer.open(0)
            for _ in range(6):
                writer.write(memoryview(frames(10)), 0, 10)
                writer.gap(1, "fifo")
            writer.write(memoryview(frames(140)), 0, 140)
            writer.close("full")
            spool.label({"t_us": 1, "text": "x" * 150})
            spool.end(ledger(200))
            if boot > 25:  # two sessions go for every one that comes
                for name in spool.pending(8):
                    spool.acknowledge(name)
            known = kept(spool)
            assert spool.space.free_bytes <= free_bytes(spool), (boot, spool.space.free_bytes - free_bytes(spool))


def test_bug_what_recovery_could_not_finish_waited_for_the_next_power_cut():
    with Disk(48) as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(8000))
        writer.open(0)
        writer.write(memoryview(frames(7000)), 0, 7000)
        fill(MOUNT + "/other", 0)
        spool = disk.spool()
        assert "cannot be finished yet" in spool.said[0], spool.said
        assert spool.kept() is None, "it has to try again"
        os.remove(MOUNT + "/other")
        spool = disk.spool(kept=kept(spool))
        assert spool.pending_segments == 1 and spool.kept() is not None


class Watched:
    """`os`, in which nobody asks for the whole file system or for what a directory holds."""

    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        if name in ("statvfs", "ilistdir", "listdir"):
            self.seen.append(name)
        return getattr(os, name)


def test_waking_walks_over_nothing():
    with Disk(512) as disk:
        known = None
        for _ in range(6):
            _, known = one_boot(disk, known)
        watched = Watched()
        modules = (storage.files, storage.space)
        for module in modules:
            module.os = watched
        try:
            spool = disk.spool(kept=known)
            (writer,) = begin(spool, info(N))
            record(writer, N)
        finally:
            for module in modules:
                module.os = os
        assert spool.boot == 7 and watched.seen == [], watched.seen


def test_it_knows_what_a_full_recovery_finds():
    with Disk(512) as disk:
        known = None
        for _ in range(9):
            spool, known = one_boot(disk, known)
            if spool.boot % 3 == 0:
                spool.acknowledge([name for name in spool.pending() if "imu" in name][0])
                known = kept(spool)
        woken = disk.spool(kept=known)
        after = disk.spool()
        assert (woken.boot, after.boot) == (10, 11)
        assert woken.pending_segments == after.pending_segments == 6
        assert woken.space.used_bytes == after.space.used_bytes
        assert names(woken) == names(after)


def test_free_space_is_never_thought_too_large():
    with Disk(512) as disk:
        known = None
        for boot in range(30):
            spool, known = one_boot(disk, known)
            if boot > 9:  # a session goes for every one that comes
                for name in spool.pending(3):
                    spool.acknowledge(name)
                known = kept(spool)
            true = free_bytes(spool)
            assert true - 24 * 4096 < spool.space.free_bytes <= true, (boot, true - spool.space.free_bytes)


def test_a_flash_that_seems_full_is_measured_before_anything_is_dropped():
    with Disk(128) as disk:
        _, known = one_boot(disk, None)
        known["space"][1] = 0  # counted too low by far
        spool, _ = one_boot(disk, known, when_full="drop_oldest")
        assert spool.pending_segments == 2 and spool.status()["dropped_segments"] == 0
        _, known = one_boot(disk, None, when_full="drop_oldest")
        for _ in range(12):
            spool, known = one_boot(disk, known, when_full="drop_oldest")
        assert spool.pending_segments < 12 and disk.spool().pending_segments == spool.pending_segments


def test_what_was_kept_by_an_earlier_boot_counts_for_nothing():
    with Disk(256) as disk:
        _, stale = one_boot(disk, None)
        one_boot(disk, stale)
        spool = disk.spool(kept=stale)
        assert spool.pending_segments == 2 and spool.boot == 3


def test_nothing_is_kept_while_something_is_unfinished():
    with Disk(128) as disk:
        spool = disk.spool()
        (writer,) = begin(spool, info(N))
        assert spool.kept() is None, "a session runs"
        writer.open(0)
        writer.write(memoryview(frames(1500)), 0, 1500)
        disk.flash.broken = True
        writer.close("stop")
        disk.flash.broken = False
        spool.end(ledger(0))
        assert spool.kept() is None, "a segment waits to be finished"
        assert disk.spool().pending_segments == 1


def test_sessions_without_a_sample_are_forgotten_all_the_same():
    with Disk(256) as disk:
        known = None
        for _ in range(20):
            spool, known = one_boot(disk, known, stored=0)
        left = [name for name in os.listdir(spool.path) if name.startswith("0")]
        assert len(left) <= retention.MAX_BARREN + 2, left
