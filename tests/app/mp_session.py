"""A session's early ends: by command, for a low battery, by a driver that breaks. What was recorded is there, and the
ledger closes, with the reason.
"""

import asyncio
import io
import json
import os
import time

import vfs

from app.clock import Clock
from app.recorder import Recorder
from app.ring import BlockRing
from app.sampler import Sampler
from app.session import Session
from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool

RATE_HZ = 4000
BLOCK = 32


class Driver:
    """Frames that hold their numbers, made by the clock; `breaks` in the method of that name, with a bug's error."""

    rate_hz = RATE_HZ
    frame_bytes = 4
    fifo_frames = 4096
    lost = overruns = 0
    lost_exact = True

    def __init__(self):
        self.breaks = None
        self.read = 0
        self._produced = 0
        self._started = None

    def _bug(self, method):
        if self.breaks == method:
            raise ValueError("a bug in " + method)

    def start(self):
        self._started = time.ticks_us()

    def available(self):
        self._bug("available")
        self._produced = time.ticks_diff(time.ticks_us(), self._started) * RATE_HZ // 1000000
        return self._produced - self.read

    def readinto(self, buf):
        self._bug("readinto")
        n = min(self._produced - self.read, len(buf) // 4)
        for i in range(n):
            number = self.read + i
            buf[4 * i] = number & 0xFF
            buf[4 * i + 1] = number >> 8 & 0xFF
            buf[4 * i + 2] = buf[4 * i + 3] = 0
        self.read += n
        return n

    def produced(self):
        return self._produced

    def stop(self):
        self._bug("stop")


class Stream:
    """As app.stream.Stream, without hardware."""

    def __init__(self, name, clock):
        self.name = name
        self.driver = Driver()
        self.ring = BlockRing(4 * BLOCK, 128)  # 1 s: the machine may be busy
        self.sampler = Sampler(self.driver, self.ring, clock, BLOCK)
        self.info = StreamInfo(name, "npy", ("a", "b"), ("g", "g"), (1, 1), RATE_HZ, 500)

    def attach(self, spool):
        self.recorder = Recorder(self.ring, SegmentWriter(spool, self.info))


def mounted():
    try:
        vfs.umount("/flash")
    except OSError:
        pass
    flash = Flash(io.BytesIO(b"\xff" * (4096 * 128)), 128)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/flash")


def run(reason, breaks=None):
    """Record two streams for a moment; the first breaks in the middle. -> (session, ledger, {stream: [sidecars]})."""
    mounted()
    clock = Clock()
    spool = Spool("/flash/data", "dev", reserve_bytes=8192)
    spool.recover()
    streams = [Stream("a", clock), Stream("b", clock)]
    session = Session(spool, streams, clock)

    async def main():
        session.begin({})
        await asyncio.sleep_ms(200)
        streams[0].driver.breaks = breaks
        for _ in range(200):
            if session.failure or not breaks or breaks == "stop":
                break
            await asyncio.sleep_ms(10)
        await asyncio.sleep_ms(100)
        await session.end(reason)
        await session.end("again")  # as after Ctrl-C in the last moment of an end

    asyncio.run(main())
    path = "%s/%s" % (spool.path, session.name)
    with open(path + "/ledger.json") as file:
        ledger = json.load(file)
    assert ledger["reason"] == reason
    sidecars = {}
    for stream in streams:
        sidecars[stream.name] = checked(path, stream.name, ledger["streams"][stream.name])
    return session, ledger, sidecars


def checked(path, name, account):
    """Hold every stored frame against its number and the account against itself. -> sidecars in order."""
    assert account["expected"] == account["stored"] + sum(account["lost"].values()), account
    number = 0
    sidecars = []
    for folder in sorted([folder for folder in os.listdir(path) if folder.isdigit()]):
        for file_name in sorted(os.listdir(path + "/" + folder)):
            if not (file_name.startswith(name + "-") and file_name.endswith(".json")):
                continue
            with open("%s/%s/%s" % (path, folder, file_name)) as file:
                sidecar = json.load(file)
            with open("%s/%s/%s" % (path, folder, sidecar["file"]), "rb") as file:
                data = file.read()[-4 * sidecar["frames"] :]
            assert sidecar["first_frame"] == number and not sidecar["gaps"]
            for i in range(sidecar["frames"]):
                assert data[4 * i] | data[4 * i + 1] << 8 == number + i
            number = sidecar["end_frame"]
            sidecars.append(sidecar)
    assert number == account["stored"] > 300
    return sidecars


def test_by_command_and_for_a_low_battery():
    for reason in ("stop", "low battery"):
        session, ledger, sidecars = run(reason)
        assert session.failure is None
        for name in ("a", "b"):
            assert [sidecar["reason"] for sidecar in sidecars[name]][-1] == reason
            assert ledger["streams"][name]["lost"] == {} and ledger["streams"][name]["tail"] == []


def test_a_driver_that_breaks_while_it_records():
    for method in ("available", "readinto"):
        session, ledger, sidecars = run("error", method)
        assert session.failure == "ValueError: a bug in " + method
        assert ledger["streams"]["b"]["lost"] == {} and sidecars["b"][-1]["reason"] == "error"
        assert ledger["streams"]["b"]["stored"] > ledger["streams"]["a"]["stored"]
        assert sidecars["a"][-1]["reason"] == "error"
        lost = sum(ledger["streams"]["a"]["lost"].values())  # what was seen in the chip and never handed out
        assert lost < BLOCK if method == "available" else lost >= BLOCK, lost


def test_a_driver_that_breaks_when_it_is_stopped():
    session, ledger, _ = run("stop", "stop")
    assert session.failure == "ValueError: a bug in stop"
    assert ledger["streams"]["a"]["lost"] == ledger["streams"]["b"]["lost"] == {}


def test_a_flash_that_is_full_at_the_end_leaves_the_ledger_to_recovery():
    """Everything is closed, and told; the next start writes the ledger."""
    mounted()
    clock = Clock()
    spool = Spool("/flash/data", "dev", reserve_bytes=8192)
    spool.recover()
    session = Session(spool, [Stream("a", clock)], clock)

    def end(ledger):
        raise OSError(28)

    async def main():
        session.begin({})
        await asyncio.sleep_ms(100)
        spool.end = end
        await session.end("stop")

    asyncio.run(main())
    assert "ledger.json" in session.failure
    again = Spool("/flash/data", "dev", reserve_bytes=8192)
    assert any(["ledger.json written" in line for line in again.recover()])
