"""A card that refuses, keeps silent, stalls or vanishes: alone, under FAT and LittleFS, and under a recording."""

import asyncio
import json
import os
import time

import micropython
from disk import frames, info

from app.recorder import FULL_RETRY, Recorder
from app.ring import BlockRing
from storage.card import EIO, LFS_BLOCK, SECTOR, TRIES, Card, Volume
from storage.segment import SegmentWriter
from storage.spool import Spool
from transport.backoff import Backoff
from transport.shipper import Shipper

HEAP = "8M"
SECTORS = 2048  # 1 MiB
MOUNT = "/sd"
FILE_SYSTEMS = ("fat", "lfs")
BLOCK = 16
STREAM = info(6000)


class Medium:
    """What lies in the slot: its bytes survive the drivers. `present`: whether it is there."""

    def __init__(self, file_system=None):
        self.data = bytearray(SECTOR * SECTORS)
        self.present = True
        if file_system == "fat":
            os.VfsFat.mkfs(Driver(self))
        if file_system == "lfs":
            card = Card(Driver(self))
            card.block_size = LFS_BLOCK
            os.VfsLfs2.mkfs(card, readsize=SECTOR, progsize=SECTOR)


class Driver:
    """A driver like micropython-lib's sdcard.py: raises when there is no answer, says nothing about a write.

    `misbehave`: the next so many requests go wrong in the way of `how`: "raise", "refuse" (the block is not written,
    nothing is said), "false", "negative", "stall". `answer`: what a write answers that went well.
    """

    def __init__(self, medium):
        if not medium.present:
            raise OSError("no SD card")
        self.medium = medium
        self.misbehave = 0
        self.how = "raise"
        self.answer = None
        self.reads = self.writes = 0

    def _goes_wrong(self):
        if not self.medium.present:
            raise OSError(116)
        if not self.misbehave:
            return False
        self.misbehave -= 1
        if self.how == "raise":
            raise OSError(5)
        if self.how == "stall":
            time.sleep_ms(30)
            return False
        return True

    def readblocks(self, sector, buf):
        self.reads += len(buf) // SECTOR
        if self._goes_wrong() and self.how != "refuse":
            return False if self.how == "false" else -5
        buf[:] = memoryview(self.medium.data)[sector * SECTOR : sector * SECTOR + len(buf)]

    def writeblocks(self, sector, buf):
        self.writes += len(buf) // SECTOR
        if self._goes_wrong():
            return {"false": False, "negative": -5}.get(self.how)
        self.medium.data[sector * SECTOR : sector * SECTOR + len(buf)] = buf
        return self.answer

    def ioctl(self, op, arg):
        if op == 3 and not self.medium.present:
            raise OSError(116)
        return {4: SECTORS, 5: SECTOR}.get(op)


class Slot:
    """A volume over a medium, mounted."""

    def __init__(self, file_system):
        self.medium = Medium(file_system)
        self.driver = None
        self.opened = 0
        self.volume = Volume(MOUNT, self._open)
        assert self.volume.ready() and not self.volume.ready()

    def _open(self):
        self.opened += 1
        self.driver = Driver(self.medium)
        return self.driver

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.volume.unmount()


def spool(slot, **options):
    made = Spool(MOUNT + "/data", "dev", reserve_bytes=8192, volume=slot.volume, **options)
    made.said = made.recover()
    return made


# --- the card alone


def test_a_write_without_an_answer_is_read_back():
    driver = Driver(Medium())
    card = Card(driver)
    data = frames(512, 3)  # six sectors
    assert card.writeblocks(7, data) == 0
    assert driver.medium.data[7 * SECTOR : 13 * SECTOR] == data
    assert (driver.reads, driver.writes, card.retries, card.rejected) == (6, 6, 0, 0)


def test_a_write_with_an_answer_is_believed():
    for answer in (True, 0):
        driver = Driver(Medium())
        driver.answer = answer
        assert Card(driver).writeblocks(1, bytes(SECTOR)) == 0
        assert (driver.reads, driver.writes) == (0, 1)


def test_whatever_goes_wrong_is_tried_again():
    for how in ("raise", "refuse", "false", "negative"):
        driver = Driver(Medium())
        card = Card(driver)
        driver.how = how
        driver.misbehave = TRIES - 1
        assert card.writeblocks(3, b"\x55" * SECTOR) == 0, how
        assert card.retries > 0 and not card.failed and (card.rejected > 0) == (how == "refuse"), how
        assert driver.medium.data[3 * SECTOR] == 0x55


def test_a_card_that_failed_is_dead():
    for how in ("raise", "refuse", "false", "negative"):
        driver = Driver(Medium())
        card = Card(driver)
        driver.how = how
        driver.misbehave = 100
        assert card.writeblocks(3, b"\x55" * SECTOR) == -EIO and card.failed, how
        driver.misbehave = 0
        buf = bytearray(SECTOR)
        requests = driver.reads, driver.writes
        assert card.readblocks(3, buf) == card.writeblocks(3, buf) == card.ioctl(3, 0) == -EIO
        assert (driver.reads, driver.writes) == requests  # it is not even asked


def test_a_stall_is_waited_for_and_counted():
    driver = Driver(Medium())
    card = Card(driver)
    driver.how = "stall"
    driver.misbehave = 1
    assert card.writeblocks(0, bytes(SECTOR)) == 0
    assert 30 <= card.longest_ms < 1000 and card.retries == 0


def test_a_request_allocates_nothing():
    driver = Driver(Medium())
    driver.readblocks = driver.writeblocks = lambda sector, buf: None
    card = Card(driver)
    data = bytearray(LFS_BLOCK)
    card.writeblocks(0, data)
    micropython.heap_lock()
    try:
        ok = card.writeblocks(5, data) == -EIO or card.readblocks(5, data) == 0
    finally:
        micropython.heap_unlock()
    assert ok


# --- file systems


def test_both_file_systems_are_found():
    for kind in FILE_SYSTEMS:
        with Slot(kind) as slot:
            assert slot.volume.card.block_size == (LFS_BLOCK if kind == "lfs" else SECTOR)
            with open(MOUNT + "/a", "wb") as file:
                file.write(frames(3000))
            with open(MOUNT + "/a", "rb") as file:
                assert file.read() == frames(3000)


def test_no_card_and_an_empty_card_are_told():
    medium = Medium()
    for present, word in ((False, "no SD card"), (True, MOUNT)):
        medium.present = present
        try:
            Volume(MOUNT, lambda: Driver(medium)).ready()
        except OSError as error:
            assert word in str(error), error
        else:
            raise AssertionError("mounted")


def test_a_file_system_never_hangs_nor_jumps_whatever_fails():
    """Each request in turn is the one that fails for good: all calls end with OSError, and the card comes back."""
    for kind in FILE_SYSTEMS:
        for how in ("raise", "refuse"):
            for good in range(0, 60, 3):
                with Slot(kind) as slot:
                    wreck(slot, how, good)
                    assert slot.volume.ready()
                    with open(MOUNT + "/safe", "rb") as file:
                        assert file.read() == b"before"
                    with open(MOUNT + "/new", "wb") as file:
                        file.write(frames(2000))
                    with open(MOUNT + "/new", "rb") as file:
                        assert file.read() == frames(2000)


def wreck(slot, how, good):
    """Write and read until the card fails behind `good` good requests; then use it on."""
    with open(MOUNT + "/safe", "wb") as file:
        file.write(b"before")
    driver = slot.driver
    plain = driver._goes_wrong
    left = [good]

    def goes_wrong():
        left[0] -= 1
        if left[0] < 0:
            driver.misbehave, driver.how = 1, how
        return plain()

    driver._goes_wrong = goes_wrong
    failures = 0
    for i in range(40):
        try:
            with open(MOUNT + "/%d" % i, "wb") as file:
                file.write(frames(1500))
            os.rename(MOUNT + "/%d" % i, MOUNT + "/again")
            os.listdir(MOUNT)
        except OSError:
            failures += 1
    assert slot.volume.card.failed and failures > 10
    driver._goes_wrong = plain


# --- a recording


class Bench:
    """A stream of numbered frames through a ring into a spool on a card."""

    def __init__(self, slot):
        self.slot = slot
        self.spool = spool(slot)
        self.spool.begin({"streams": {"imu": STREAM.as_dict()}})
        self.path = self.spool.session_path
        self.ring = BlockRing(BLOCK * STREAM.frame_bytes, 4)
        self.recorder = Recorder(self.ring, SegmentWriter(self.spool, STREAM))
        self.made = 0

    def record(self, n):
        for _ in range(n // BLOCK):
            view = self.ring.claim()
            view[:] = frames(BLOCK, 3, self.made)
            self.made += BLOCK
            self.ring.commit(BLOCK, self.made & 0x3FFFFFFF, 0, 0, view)
            self.recorder.step()

    def finish(self):
        """End the session. -> (ledger entry, reasons of the segments); every frame is compared with its number."""
        account = self.recorder.account(self.made, self.recorder.close("stop"))
        self.spool.end({"reason": "stop", "ended_t_us": 1, "streams": {"imu": account}})
        assert account["expected"] == account["stored"] + sum(account["lost"].values()) == self.made, account
        return account, self.compare()

    def compare(self):
        number = 0
        reasons = []
        for name in self.spool.pending(100):
            if name.endswith(".json"):
                continue
            (data_name, size, _), (sidecar_name, _, _) = self.spool.parts(name)
            with self.spool.open(sidecar_name) as file:
                sidecar = json.loads(file.read())
            with self.spool.open(data_name) as file:
                data = file.read()
            assert len(data) == size == sidecar["bytes"]
            row = len(STREAM.header(0))
            for at, lost, _ in sidecar["gaps"] + [[sidecar["end_frame"], 0, ""]]:
                n = at - number
                assert data[row : row + n * STREAM.frame_bytes] == frames(n, 3, number), (number, n)
                row += n * STREAM.frame_bytes
                number = at + lost
            assert row == len(data)
            reasons.append(sidecar["reason"])
        return reasons


def test_a_card_that_goes_and_comes_back_is_a_gap():
    for kind in FILE_SYSTEMS:
        for pulled_at in (0, 1600, 3200, 5984, 6400):
            with Slot(kind) as slot:
                bench = Bench(slot)
                bench.record(4800 + pulled_at)
                slot.medium.present = False
                bench.record(3200)
                assert not slot.volume.status()["mounted"]
                slot.medium.present = True
                bench.record(BLOCK * FULL_RETRY + 3200)
                assert slot.volume.status()["mounted"] and slot.volume.failures == 1
                account, reasons = bench.finish()
                assert "flash" in reasons and reasons[-1] == "stop", reasons
                assert list(account["lost"]) == ["flash"]
                assert 0 < account["lost"]["flash"] <= 3200 + BLOCK * FULL_RETRY + 6000
                assert bench.recorder.errors > 0 and bench.spool.status()["card"]["failures"] == 1


def test_a_card_that_refuses_for_a_moment_costs_nothing():
    for kind in FILE_SYSTEMS:
        with Slot(kind) as slot:
            bench = Bench(slot)
            for how in ("raise", "refuse", "stall"):
                slot.driver.how = how
                slot.driver.misbehave = TRIES - 1
                bench.record(2000)
            account, _ = bench.finish()
            assert account["lost"] == {} and slot.volume.card.retries > 0 and slot.volume.failures == 0


def test_a_card_that_refuses_for_good_loses_only_what_was_not_safe():
    """It answers nothing and stores nothing: read back, that is noticed at once."""
    for kind in FILE_SYSTEMS:
        with Slot(kind) as slot:
            bench = Bench(slot)
            bench.record(2000)
            slot.driver.how = "refuse"
            slot.driver.misbehave = 1000000
            bench.record(2000)
            assert slot.volume.card.failed or slot.driver.misbehave == 0
            bench.record(BLOCK * FULL_RETRY + 2000)
            account, reasons = bench.finish()
            assert "flash" in reasons and account["lost"]["flash"] > 0


def test_a_card_that_stays_away_ends_in_the_account_and_is_recovered_at_the_next_start():
    for kind in FILE_SYSTEMS:
        slot = Slot(kind)
        bench = Bench(slot)
        bench.record(4000)
        slot.medium.present = False
        bench.record(4000)
        account = bench.recorder.account(bench.made, bench.recorder.close("stop"))
        assert account["expected"] == account["stored"] + sum(account["lost"].values())
        ledger = {"streams": {"imu": account}}
        for call, arguments in ((bench.spool.end, (ledger,)), (bench.spool.pending, ())):
            try:
                call(*arguments)
                raise AssertionError("no card, and no error")
            except OSError:
                pass
        slot.medium.present = True
        slot.volume.unmount()
        slot.volume.ready()
        again = spool(slot)
        assert any(["ledger.json written" in line for line in again.said]), again.said
        bench.spool = again
        assert bench.compare() == ["power"]
        slot.volume.unmount()


def test_shipping_does_not_take_a_missing_card_for_an_empty_one():
    class Transport:
        conflicts = refused = {}
        on_the_way = ()
        stays = False

        async def connect(self):
            pass

        async def ship(self, take, answered):
            take()

    with Slot("lfs") as slot:
        bench = Bench(slot)
        shipper = Shipper(bench.spool, Transport(), interval_s=1, backoff=Backoff(0.125, 1))
        slot.medium.present = False
        bench.record(3200)
        assert slot.volume.card is None or slot.volume.card.failed
        assert asyncio.run(shipper.drain(0.05)) == -1
        assert shipper.failures == 1 and "no SD card" in shipper.last_error
        slot.medium.present = True
        assert bench.spool.pending() and slot.volume.status()["mounted"]


def test_a_card_that_fails_while_something_is_acknowledged():
    """The data is gone, the sidecar is left: that means acknowledged, also without a start in between."""
    for kind in FILE_SYSTEMS:
        with Slot(kind) as slot:
            bench = Bench(slot)
            bench.record(13008)
            bench.recorder.close("stop")
            name = [name for name in bench.spool.pending() if not name.endswith(".json")][0]
            (data, _, _), _ = bench.spool.parts(name)
            os.remove(bench.path + "/000/" + data.rsplit("/", 1)[1])
            before = bench.spool.status()["pending_segments"]
            assert bench.spool.parts(name) == [] and name not in bench.spool.pending()
            assert bench.spool.status()["pending_segments"] == before - 1
