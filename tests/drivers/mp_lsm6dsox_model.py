"""The LSM6DSOX driver against the virtual board's model of the chip, which others wrote from the data sheet."""

import random
import struct
from array import array

from drivers.lsm6dsox import LSM6DSOX
from host.virtual.chips.lsm6dsox import LSM6DSOX as Model


class Clock:
    def __init__(self):
        self.t = 1000000

    def now(self):
        return self.t


class Rows:
    """Row i says i in every channel, each in its own way."""

    def __init__(self):
        self.counts = array("h", bytes(12))

    def row(self, i):
        for channel, value in enumerate(row(i)):
            self.counts[channel] = value


def row(i):
    low = i % 30000
    return low, -low, i // 30000, low + 1, -low - 1, i // 30000 + 7


class Bus:
    """machine.I2C around the model: 22 us per byte, errors as the model's faults say."""

    def __init__(self, chip, clock):
        self.chip = chip
        self.clock = clock

    def _transfer(self, n):
        self.clock.t += 22 * (n + 3)
        error = self.chip.answers()
        if error:
            raise OSError(error)

    def readfrom_mem_into(self, address, register, buf):
        assert address == self.chip.address
        self._transfer(len(buf))
        arrive = self.chip.broken_after(len(buf))
        if arrive >= 0:
            self.chip.read(register, buf, 0, arrive)
            raise OSError(110)
        self.chip.read(register, buf, 0, len(buf))

    def writeto_mem(self, address, register, buf):
        assert address == self.chip.address
        self._transfer(len(buf))
        self.chip.write(register, buf, 0, len(buf))


class Session:
    def __init__(self, measure=("accel", "gyro"), rate_hz=104, rate_ratio=1.0213):
        self.clock = Clock()
        self.chip = Model(self.clock, Rows(), rate_ratio=rate_ratio)
        bus = Bus(self.chip, self.clock)
        self.driver = LSM6DSOX(bus, rate_hz=rate_hz, measure=measure)
        self.driver.start()
        self.first = 0 if "accel" in measure else 3
        self.channels = len(self.driver.channels)
        self.buffer = bytearray(12 * 600)
        self.position = 0
        self.lost = 0
        self.got = 0
        self.errors = 0
        self.period_us = 1e6 * 2 ** (10 - (self.driver._batch & 15 or self.driver._batch >> 4)) / 6667 / rate_ratio

    def read(self, room):
        driver = self.driver
        size = driver.frame_bytes
        try:
            n = driver.readinto(memoryview(self.buffer)[: room * size])
        except OSError:
            self.errors += 1
            return 1
        self.position += driver.lost - self.lost
        self.lost = driver.lost
        for i in range(n):
            values = struct.unpack_from(f"<{self.channels}h", self.buffer, i * size)
            assert values == row(self.position)[self.first : self.first + self.channels], (values, self.position)
            self.position += 1
        self.got += n
        return n

    def run(self, frames, longest):
        driver = self.driver
        while self.position < frames:
            self.clock.t += int(random.randrange(1, longest) * self.period_us)
            try:
                driver.available()
            except OSError:
                self.errors += 1
            self.read(random.choice((1, 30, 64, 200, 600)))
            if self.chip.fifo.level > 200:
                for _ in range(4):  # one of them may fail
                    self.read(600)

    def finish(self):
        self.chip._every = self.chip._break_every = 0
        for _ in range(20):
            self.read(600)
        waiting = self.driver.available()
        while waiting > 0:
            waiting -= self.read(min(waiting, 600))
        assert self.got + self.lost == self.driver.produced() == self.position


def test_every_frame_once():
    random.seed(30)
    for measure in (("accel", "gyro"), ("accel",), ("gyro",)):
        for rate in (104, 1667 if len(measure) == 1 else 833):
            session = Session(measure, rate)
            session.run(4000, 100)
            session.finish()
            assert session.lost == 0 and session.driver.overruns == 0 and session.driver.lost_exact


def test_overruns():
    random.seed(31)
    for measure in (("accel", "gyro"), ("gyro",)):
        session = Session(measure)
        session.run(2500, 100)
        for k in range(8):
            session.clock.t += int((530 + random.randrange(300)) * session.period_us)
            session.run(session.position + 900, 100)
            assert session.driver.overruns == k + 1
        session.finish()
        assert session.driver.lost_exact and session.lost * len(measure) >= session.chip.fifo.overwritten > 100


def test_bus_failures():
    random.seed(32)
    session = Session()
    session.run(1000, 100)
    session.chip._every = 7
    session.run(5000, 40)
    session.finish()
    assert session.chip.fifo.overwritten == 0
    assert session.errors > 50 and session.lost == 0 and session.driver.lost_exact


def test_broken_bursts():
    random.seed(33)
    session = Session()
    session.run(2000, 60)
    session.chip._break_every = 5
    session.chip._break_after = 100
    session.run(6000, 60)
    session.finish()
    assert session.errors > 20 and session.lost > 100 and session.driver.lost_exact
