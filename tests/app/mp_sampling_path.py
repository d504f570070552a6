"""Driver, ring, sampler, recorder and segment writer on LittleFS, all real: between the opening of a segment and its
closing nothing is allocated, not even while frames are lost.
"""

import asyncio
import io
import json
import os
import struct

import micropython
import vfs
from replay import ADDRESS, I2S, Lsm6dsox, frame

from app.clock import Clock
from app.recorder import Recorder
from app.ring import BlockRing
from app.sampler import Sampler
from drivers.i2s_mic import I2SMic
from drivers.lsm6dsox import LSM6DSOX
from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool


class Bench:
    """One stream from ``driver``, fed by ``sensor``, to a fresh flash of 256 KiB."""

    def __init__(self, sensor, driver, extension, block_frames, segment_frames):
        try:
            vfs.umount("/flash")
        except OSError:
            pass
        flash = Flash(io.BytesIO(b"\xff" * 262144), 64)
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/flash")
        self.sensor = sensor
        self.driver = driver
        self.block_frames = block_frames
        self.segment_frames = segment_frames
        info = StreamInfo("s", extension, driver.channels, driver.units, driver.scale, driver.rate_hz, segment_frames)
        self.spool = Spool("/flash/data", "dev", reserve_bytes=8192)
        self.spool.recover()
        self.spool.begin({"streams": {"s": info.as_dict()}})
        self.ring = BlockRing(block_frames * driver.frame_bytes, 4)
        self.sampler = Sampler(driver, self.ring, Clock(), block_frames)
        self.recorder = Recorder(self.ring, SegmentWriter(self.spool, info))
        driver.start()

    def go(self, frames, consume=True):
        """Let frames be made, in steps of 3/4 block; drain, and record."""
        step = self.block_frames * 3 // 4
        while frames > 0:
            self.sensor.make(min(step, frames))
            frames -= step
            self.sampler.try_drain(self.block_frames)
            while consume and self.recorder.step():
                pass

    def record(self):
        """A segment whose whole inside is recorded with the heap locked: losses in chip and ring included."""
        self.go(2 * self.block_frames)
        assert self.recorder.writer.is_open
        micropython.heap_lock()
        try:
            self.go(700)
            self.sensor.make(self.driver.fifo_frames + 300)  # more than the sensor can hold
            self.go(300)
            self.go(6 * self.block_frames + self.driver.fifo_frames, consume=False)  # more than ring and sensor hold
            while self.recorder.frames() < self.segment_frames - 3 * self.block_frames:
                self.go(self.block_frames)
        finally:
            micropython.heap_unlock()
        while self.recorder.frames() < self.segment_frames + 500:
            self.go(self.block_frames)
        while self.sampler.try_drain(1):
            while self.recorder.step():
                pass
        while self.recorder.step():
            pass
        tail = self.recorder.close("stop")
        return self.recorder.account(self.driver.produced(), tail)

    def rows(self):
        """Yield (frame number, the frame's bytes) of all that is stored."""
        size = self.driver.frame_bytes
        folder = self.spool.session_path + "/000"
        for name in sorted(name for name in os.listdir(folder) if name.endswith(".json")):
            with open("%s/%s" % (folder, name)) as file:
                sidecar = json.load(file)
            number = sidecar["first_frame"]
            gaps = sidecar["gaps"]
            with open("%s/%s" % (folder, sidecar["file"]), "rb") as file:
                file.seek(sidecar["bytes"] - size * sidecar["frames"])
                for _ in range(sidecar["frames"]):
                    while gaps and gaps[0][0] == number:
                        number += gaps.pop(0)[1]
                    yield number, file.read(size)
                    number += 1


def check_account(bench, account):
    assert account["lost"]["fifo"] > 0 and account["lost"]["ring"] > 0, account["lost"]
    assert account["expected"] == account["stored"] + sum(account["lost"].values()), account
    assert account["expected"] == bench.sensor.made, (account["expected"], bench.sensor.made)
    assert account["segments"] == 2 and not bench.recorder.errors and not bench.sampler.bus_errors


def imu(bus_kind):
    chip = Lsm6dsox(8000)
    how = {"address": ADDRESS} if bus_kind == "i2c" else {"cs": chip.cs}
    bench = Bench(chip, LSM6DSOX(chip, rate_hz=104, **how), "npy", 32, 4096)
    account = bench.record()
    stored = 0
    for number, row in bench.rows():
        assert struct.unpack("<6h", row) == frame(number), number
        stored += 1
    assert stored == account["stored"]
    check_account(bench, account)


def test_imu_on_i2c():
    imu("i2c")


def test_imu_on_spi():
    imu("spi")


def test_microphone():
    sensor = I2S()
    driver = I2SMic(sensor, rate_hz=15625, ibuf_bytes=8 * sensor.capacity, ticks_us=sensor.ticks_us)
    bench = Bench(sensor, driver, "wav", 256, 16384)
    account = bench.record()
    for number, row in bench.rows():
        assert struct.unpack("<H", row)[0] == number & 0xFFFF, number
    check_account(bench, account)


def test_the_tasks_that_wait_between_the_drains():
    """The sampler's own loop and the event loop below it."""
    chip = Lsm6dsox(8000)
    bench = Bench(chip, LSM6DSOX(chip, rate_hz=104), "npy", 32, 4096)
    bench.sampler.period_ms = 2

    async def make():
        while True:
            chip.make(16)
            while bench.recorder.step():
                pass
            await asyncio.sleep_ms(2)

    async def main():
        tasks = [asyncio.create_task(make()), asyncio.create_task(bench.sampler.run())]
        await asyncio.sleep_ms(30)
        before = bench.recorder.frames()
        turns = 0
        micropython.heap_lock()
        try:
            while turns < 75:
                await asyncio.sleep_ms(2)
                turns += 1
        finally:
            micropython.heap_unlock()
        assert bench.recorder.frames() > before + 100 and bench.recorder.segments == 0
        for task in tasks:
            assert not task.done()
            task.cancel()
        await asyncio.sleep_ms(0)

    asyncio.run(main())
    bench.recorder.close("stop")
