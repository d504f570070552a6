"""What every FIFO driver must do, whatever its chip: one set of checks, run against a register-level model.

``Bench`` wires one driver to one model, with a clock that a test moves by hand; each transfer takes its time on it.
Frames carry their number, so that a test sees which ones it got.
"""

import random
import time
from array import array

import micropython

import drivers.fifo

_TICKS = time.ticks_add(0, -1)  # the greatest value that ticks have on this port


class Kind:
    """A chip: its model, its driver, the driver's module, its address, its data register, its identity."""

    def __init__(self, model, driver, module, address, data, who_am_i, identity):
        self.model = model
        self.driver = driver
        self.module = module
        self.address = address
        self.data = data
        self.who_am_i = who_am_i
        self.identity = identity

    def set_time(self, ticks_us, sleep_ms):
        """Whatever the driver asks for the time, it gets the test's."""
        for module in (drivers.fifo, self.module):
            for name, function in (("ticks_us", ticks_us), ("sleep_ms", sleep_ms)):
                if hasattr(module, name):
                    setattr(module, name, function)


class Clock:
    """Microseconds, for the model and for the driver."""

    def __init__(self):
        self.t = 5000000

    def now(self):
        return self.t

    def ticks_us(self):
        return self.t & _TICKS

    def sleep_ms(self, ms):
        self.t += 1000 * ms


class Numbered:
    """Row n of the source tells n twice: in ax and ay, in gx and gy. 12 significant bits; -32768 never comes."""

    def __init__(self):
        self.counts = array("h", bytes(12))

    def row(self, n):
        counts = self.counts
        low = n % 4000
        high = n // 4000
        counts[0] = (low - 2040) << 4
        counts[1] = (high - 100) << 4
        counts[2] = (2000 - low) << 4
        counts[3] = (low - 2047) << 4
        counts[4] = (high - 500) << 4
        counts[5] = (high - low // 2) << 4


def number_of(gyro, first, second):
    """-> the row number that the first two channels of a sensor tell."""
    return (first >> 4) + (2047 if gyro else 2040) + 4000 * ((second >> 4) + (500 if gyro else 100))


class I2C:
    """``machine.I2C``'s methods for registers. ``before(register, size)``: called ahead of each read, may raise."""

    def __init__(self, model, clock, byte_us):
        self.model = model
        self.clock = clock
        self.byte_us = byte_us
        self.before = None

    def __str__(self):
        return "TestI2C(0)"

    def _begin(self, address):
        error = self.model.answers() if address == self.model.address else 19
        if error:
            raise OSError(error)

    def readfrom_mem_into(self, address, register, buffer):
        if self.before:
            self.before(register, len(buffer))
        self._begin(address)
        n = len(buffer)
        broken = self.model.broken_after(n)
        self.model.read(register, buffer, 0, n if broken < 0 else broken)
        self.clock.t += (3 + n) * self.byte_us
        if broken >= 0:
            raise OSError(110)

    def writeto_mem(self, address, register, buffer):
        self._begin(address)
        self.clock.t += (2 + len(buffer)) * self.byte_us
        self.model.write(register, buffer, 0, len(buffer))


class SPI:
    """``machine.SPI``'s methods, and the chip select, callable like a Pin. ``mask``: bits of the register number."""

    def __init__(self, model, clock, byte_us, mask=0x7F):
        self.i2c = I2C(model, clock, byte_us)
        self.mask = mask
        self.selected = False
        self.command = None

    def __str__(self):
        return "TestSPI(1)"

    def cs(self, level):
        self.selected = not level
        self.command = None
        self.i2c.model.select(level)

    def write(self, data):
        assert self.selected, "written without chip select"
        if data[0] & 0x80:
            self.command = data[0] & self.mask
        else:
            self.i2c.writeto_mem(self.i2c.model.address, data[0] & self.mask, memoryview(data)[1:])

    def readinto(self, buffer, value=0):
        assert self.selected and self.command is not None, "read without chip select and address"
        self.i2c.readfrom_mem_into(self.i2c.model.address, self.command, buffer)


class Bench:
    """A model, a bus, a driver that was started, and the check of every frame that it hands out.

    ``tolerance``: how far the driver's account of lost frames may ever be off (0: it is exact, place and length).
    """

    def __init__(self, kind, spi=False, byte_us=22, tolerance=0, rate_ratio=1.0, faults=None, **settings):
        self.clock = clock = Clock()
        kind.set_time(clock.ticks_us, clock.sleep_ms)
        cs = 5 if spi else None
        self.model = kind.model(clock, Numbered(), address=kind.address, cs=cs, rate_ratio=rate_ratio, faults=faults)
        self.bus = (SPI if spi else I2C)(self.model, clock, byte_us)
        self.i2c = self.bus.i2c if spi else self.bus
        self.driver = kind.driver(
            self.bus, address=None if spi else kind.address, cs=self.bus.cs if spi else None, **settings
        )
        self.period_us = 1000000 / self.driver.rate_hz / rate_ratio
        self.driver.start()
        self.tolerance = tolerance
        self.gyro = self.driver.channels[0] == "gx"
        self.expected = None  # number of the next frame; None before the first
        self.lost = 0
        self.got = 0
        self.gaps = []
        self.off = 0  # sum of what the gaps were estimated too long
        self.buffer = bytearray(self.driver.frame_bytes * 600 + 1)
        self._row = Numbered()

    def wait(self, frames):
        """Let the chip make about so many frames."""
        self.clock.t += int(frames * self.period_us)

    def read(self, room):
        """readinto of ``room`` frames, all checked -> frames; the bus may raise."""
        driver = self.driver
        size = driver.frame_bytes
        n = driver.readinto(memoryview(self.buffer)[: room * size + room % 2])  # an odd byte more now and then
        lost = driver.lost - self.lost
        self.lost = driver.lost
        assert lost >= 0
        if lost and not n:
            raise AssertionError("a loss was told without the frames behind it")
        for i in range(n):
            self._check(i, lost if i == 0 else 0)
        self.got += n
        return n

    def _check(self, i, lost):
        channels = len(self.driver.channels)
        values = []
        for k in range(channels):
            at = 2 * (i * channels + k)
            word = self.buffer[at] | self.buffer[at + 1] << 8
            values.append((word ^ 0x8000) - 0x8000)
        number = number_of(self.gyro, values[0], values[1])
        self._row.row(number)
        want = list(self._row.counts)[3 if self.gyro else 0 :][:channels]
        assert values == want, (i, number, self.expected, values, want)
        if self.expected is not None:
            gap = number - self.expected
            if lost or gap:
                self.gaps.append((self.expected, gap, lost))
            self.off += lost - gap
            assert gap >= 0 and abs(self.off) <= self.tolerance, (i, self.off, self.gaps[-4:])
        self.expected = number + 1

    def drain(self, room=600):
        """Everything that waits."""
        self.driver.available()
        while self.read(room):
            pass

    def record(self, frames, most):
        """Let the chip make ``frames`` frames, read at random moments in random portions, never too late."""
        held = self.driver.available()
        while frames > 0:
            n = random.randrange(1, most)
            if held + n > self.driver.fifo_frames * 3 // 4:
                self.drain()
                held = 0
            self.wait(n)
            held += n
            frames -= n
            self.driver.available()
            held -= min(held, self.read(random.choice((1, 3, 10, 100, 600))))

    def balance(self):
        """Read what is left, time standing still: what the sensor made was read or is known to be lost."""
        self.drain()
        self.i2c.byte_us = 0
        self.wait(2)  # frames behind the last loss, if there was one
        self.drain()
        produced = self.driver.produced()
        assert self.got + self.driver.lost == produced, (self.got, self.driver.lost, produced)


def every_frame_once(kind, frames, **how):
    """No loss, whatever the portions: -> the bench."""
    bench = Bench(kind, **how)
    bench.record(frames, bench.driver.fifo_frames // 2)
    bench.balance()
    assert bench.driver.lost == bench.driver.overruns == 0 and bench.driver.lost_exact
    assert bench.got > frames // 4, (bench.got, frames)  # what the chip marks invalid while it starts is no frame
    return bench


def overruns(kind, events, **how):
    """Pauses longer than the FIFO, some frames waiting in front: each seen, placed and sized."""
    bench = Bench(kind, **how)
    driver = bench.driver
    room = driver.fifo_frames
    bench.record(12 * room, room // 2)
    for k in range(events):
        bench.drain()
        bench.wait(random.randrange(room * 3 // 4))
        if k % 2:
            bench.read(random.randrange(1, 20))
        before = driver.overruns
        bench.wait(room + 4 + random.randrange(4 * room))
        if k % 3:
            driver.available()
            assert driver.overruns == before + 1, (k, driver.overruns, before)
        bench.drain(random.choice((7, 16, 600)))
        assert driver.overruns == before + 1, (k, driver.overruns, before)
        bench.record(2 * room, room // 2)
    bench.balance()
    assert events <= len(bench.gaps) <= 2 * events, bench.gaps  # more than one: overwritten while it was read
    return bench


def stalls(kind, events, **how):
    """The host stalls right in front of a read of the data: the FIFO overflows between status and data."""
    bench = Bench(kind, **how)
    room = bench.driver.fifo_frames
    bench.record(12 * room, room // 2)
    for _ in range(events):
        left = [1]

        def before(at, size, left=left):
            if at & 0x7F == kind.data and left[0]:
                left[0] = 0
                bench.wait(random.randrange(room // 2, 3 * room))

        bench.wait(random.randrange(1, room * 3 // 4))
        bench.driver.available()
        bench.i2c.before = before
        bench.read(16)
        bench.i2c.before = None
        bench.record(2 * room, room // 3)
    bench.balance()
    return bench


def bus_failures(kind, rounds, **how):
    """Transfers that nobody answers lose nothing."""
    bench = Bench(kind, **how)
    bench.record(200, bench.driver.fifo_frames // 2)

    def before(register, size):
        if random.random() < 0.2:
            raise OSError(19)

    room = bench.driver.fifo_frames
    failures = 0
    for _ in range(rounds):
        bench.wait(random.randrange(room // 4))
        bench.i2c.before = before
        for _ in range(3):
            try:
                bench.driver.available()
                bench.read(random.choice((1, 16, 64)))
            except OSError as error:
                assert "register 0x" in str(error)
                failures += 1
        bench.i2c.before = None
        _drain_for_sure(bench)
    bench.balance()
    assert failures > rounds // 4 and bench.driver.lost == bench.driver.overruns == 0 and bench.driver.lost_exact, (
        bench.driver.lost,
        bench.driver.overruns,
        bench.gaps,
    )
    return bench


def broken_reads(kind, rounds, **how):
    """Reads of the FIFO that break off after the chip gave some bytes away: a loss, and back in step."""
    bench = Bench(kind, **how)
    room = bench.driver.fifo_frames
    bench.record(12 * room, room // 2)
    left = [-1]
    real = bench.model.broken_after

    def broken_after(n):
        if left[0] >= 0 and left[0] < n and n > 3:
            cut = left[0]
            left[0] = -1
            return cut
        return real(n)

    bench.model.broken_after = broken_after
    for _ in range(rounds):
        bench.drain()
        bench.wait(random.randrange(room // 4, room // 2))
        bench.driver.available()
        bench.read(random.randrange(1, 8))
        left[0] = random.randrange(100)
        try:
            bench.drain()
        except OSError:
            pass
        left[0] = -1
        _drain_for_sure(bench)
    bench.balance()
    assert bench.driver.lost > rounds // 4 and bench.driver.overruns == 0, (bench.driver.lost, bench.driver.overruns)
    return bench


def _drain_for_sure(bench):
    for _ in range(3):
        try:
            bench.drain()
            return
        except OSError:  # kept from a read that had frames to hand out first
            pass
    bench.drain()


def raises(kind, function, *args, **settings):
    """-> the text of the error that must come."""
    try:
        function(*args, **settings)
    except kind as error:
        return str(error)
    raise AssertionError("nothing was raised")


def wrong_or_missing_chip(kind):
    """OSError that names bus, address, register, what was expected and what was read."""
    clock = Clock()
    kind.set_time(clock.ticks_us, clock.sleep_ms)
    model = kind.model(clock, Numbered(), address=kind.address, faults={"who_am_i": 0x5A})
    bus = I2C(model, clock, 22)
    text = raises(OSError, kind.driver, bus, address=kind.address)
    parts = [f"0x{n:02X}" for n in (kind.address, kind.who_am_i, kind.identity, 0x5A)]
    for part in parts + ["TestI2C(0)"]:
        assert part in text, (part, text)
    text = raises(OSError, kind.driver, bus, address=kind.address ^ 1)
    assert f"0x{kind.address ^ 1:02X}" in text, text


class _Tape:
    """A bus that notes what the chip answered, then answers the same again without the chip, and without the heap."""

    def __init__(self, bus, clock):
        self.bus = bus
        self.clock = clock
        self.answers = []
        self.times = []
        self.playing = False
        self.at = 0
        self.time_at = 0

    def __str__(self):
        return "Tape"

    def readfrom_mem_into(self, address, register, buffer):
        if not self.playing:
            self.bus.readfrom_mem_into(address, register, buffer)
            self.answers.append(bytes(buffer))
            return
        answer = self.answers[self.at]
        self.at += 1
        i = 0
        while i < len(buffer):
            buffer[i] = answer[i]
            i += 1

    def writeto_mem(self, address, register, buffer):
        if not self.playing:
            self.bus.writeto_mem(address, register, buffer)

    def ticks_us(self):
        if not self.playing:
            self.times.append(self.clock.ticks_us())
            return self.times[-1]
        self.time_at += 1
        return self.times[self.time_at - 1]


def needs_no_heap(kind, **settings):
    """The same drains twice, the second time from the tape and with the heap locked; one of them overruns."""
    bench = Bench(kind, byte_us=0, **settings)
    tape = _Tape(bench.i2c, bench.clock)
    kind.set_time(tape.ticks_us, bench.clock.sleep_ms)
    room = bench.driver.fifo_frames
    pauses = (room // 3, room // 2, 3 * room, room // 3, room // 2)
    totals = []
    for playing in (False, True):
        tape.playing = playing
        driver = kind.driver(tape, address=kind.address, **settings)
        driver.start()
        buffer = memoryview(bytearray(10 * driver.frame_bytes))
        for pause in pauses:
            bench.wait(pause)
            total = 0
            if playing:
                micropython.heap_lock()
            try:
                waiting = driver.available()
                driver.produced()
                while total < waiting:
                    n = driver.readinto(buffer)
                    if not n:
                        break
                    total += n
            finally:
                if playing:
                    micropython.heap_unlock()
            totals.append(total)
        assert driver.overruns == 1, driver.overruns
    assert totals[: len(pauses)] == totals[len(pauses) :] and sum(totals) > room, totals
