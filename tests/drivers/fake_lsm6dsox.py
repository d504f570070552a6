"""A small LSM6DSOX behind bus methods, written from the data sheet (DS12814) for the driver's tests. For both Pythons.

Time is the test's: ``advance(us)``. Every frame carries its own number, so that a test sees which frames it got.
"""

import struct

WORDS = 512


def frame_values(number):
    """-> (ax, ay, az, gx, gy, gz) of the frame with that number: no two frames alike, all signs."""
    low = (number & 0x7FFF) - 0x4000
    high = (number >> 15) - 100
    return low, high, -low, low ^ 0x55, -high, high - low


class Broken(OSError):
    """An injected failure."""


class FakeLsm6dsox:
    """Registers, FIFO and clock of one chip. ``bus`` methods: readfrom_mem_into, writeto_mem."""

    def __init__(
        self,
        address=0x6A,
        rate_ratio=1.0,
        timestamp=True,
        counter=True,
        accel_first=False,
        gyro_delay_slots=0,
        byte_us=22,
        depth=WORDS,
    ):
        self.address = address
        self.rate_ratio = rate_ratio
        self.has_timestamp = timestamp
        self.has_counter = counter
        self.accel_first = accel_first
        self.gyro_delay_slots = gyro_delay_slots
        self.byte_us = byte_us
        self.depth = depth
        self.now_us = 0
        self.timestamp_base = 0
        self.before = None  # called as before(register, size) ahead of each read: may stall or raise
        self.cut_after = -1  # bytes after which the next FIFO read breaks
        self.reads = 0
        self.writes = []
        self.power_on()

    def __str__(self):
        return "FakeI2C(7)"

    def power_on(self):
        self.registers = bytearray(128)
        self.registers[0x0F] = 0x6C
        self.registers[0x12] = 0x04
        self.registers[0x18] = 0xE0
        self.fifo = bytearray(7 * WORDS)
        self.head = 0  # oldest word
        self.level = 0
        self.overrun = False
        self.latched = False
        self.slots = 0
        self.first_frame_slot = None
        self.started_us = None
        self.reset_until_us = 0

    # time

    def advance(self, us):
        self.now_us += us
        if self.started_us is None:
            return
        period = self._period_us()
        while (self.slots + 1) * period <= self.now_us - self.started_us:
            self._slot()

    def frames_made(self):
        """Whole frames so far."""
        if self.first_frame_slot is None:
            return 0
        return self.slots - self.first_frame_slot

    def _period_us(self):
        code = (self.registers[0x10] or self.registers[0x11]) >> 4
        return 1e6 * (1 << (10 - code)) / 6667 / self.rate_ratio

    def _slot(self):
        number = self.slots
        self.slots += 1
        gyro = self.registers[0x09] >> 4 and number >= self.gyro_delay_slots
        accel = self.registers[0x09] & 15
        if self.first_frame_slot is None and bool(gyro) == bool(self.registers[0x09] >> 4):
            self.first_frame_slot = number
        values = frame_values(number)
        words = []
        if gyro:
            words.append((1, values[3:]))
        if accel:
            words.append((2, values[:3]))
        if self.accel_first:
            words.reverse()
        for sensor, xyz in words:
            self._push(sensor, number, xyz)

    def _push(self, sensor, number, xyz):
        if self.registers[0x0A] & 7 != 6:
            return
        if self.level == self.depth:
            self.head = (self.head + 1) % WORDS
            self.level -= 1
            self.overrun = True
            self.latched = True
        count = number & 3 if self.has_counter else 0
        at = (self.head + self.level) % WORDS * 7
        tag = sensor << 3 | count << 1
        bits = bin(tag).count("1")
        self.fifo[at] = tag | bits & 1
        struct.pack_into("<hhh", self.fifo, at + 1, *xyz)
        self.level += 1

    # bus

    def readfrom_mem_into(self, address, register, buffer):
        if self.before is not None:
            self.before(register, len(buffer))
        if address != self.address:
            raise OSError(19)
        self.reads += 1
        start = register
        for i in range(len(buffer)):
            if start == 0x78 and i == self.cut_after:
                self.cut_after = -1
                raise Broken(5)
            buffer[i] = self._read(register)
            if register == 0x7E:
                register = 0x77
                self._spend(7)  # new frames arrive between the words of a burst
            register += 1
        self._spend(3 if start == 0x78 else len(buffer) + 3)

    def writeto_mem(self, address, register, buffer):
        if address != self.address:
            raise OSError(19)
        for value in buffer:
            self._write(register, value)
            register += 1
        self._spend(len(buffer) + 2)

    def _spend(self, n):
        if self.byte_us:
            self.advance(n * self.byte_us)

    def _read(self, register):
        if register == 0x3A:
            return self.level & 0xFF
        if register == 0x3B:
            flags = self.level >> 8
            if self.latched:
                flags |= 0x08
            if self.overrun and self.level == self.depth:
                flags |= 0x40
            self.latched = False
            return flags
        if 0x40 <= register <= 0x43:
            if register == 0x40:
                self._latch_timestamp()
            return self.registers[register]
        if 0x78 <= register <= 0x7E:
            if not self.level:
                return 0
            value = self.fifo[self.head * 7 + register - 0x78]
            if register == 0x7E:
                self.head = (self.head + 1) % WORDS
                self.level -= 1
                self.overrun = False
            return value
        if register == 0x12 and self.registers[0x12] & 1 and self.now_us >= self.reset_until_us:
            self.power_on()
        return self.registers[register]

    def _latch_timestamp(self):
        ticks = 0
        if self.has_timestamp and self.registers[0x19] & 0x20 and self.started_us is not None:
            ticks = int((self.now_us - self.started_us) * self.rate_ratio / 25) + self.timestamp_base
        for i in range(4):
            self.registers[0x40 + i] = ticks >> 8 * i & 0xFF

    def _write(self, register, value):
        self.writes.append((register, value))
        if register == 0x12 and value & 1:
            self.reset_until_us = self.now_us + 50
        if register == 0x0A and value & 7 == 0:
            self.level = 0
            self.overrun = self.latched = False
        self.registers[register] = value
        running = self.registers[0x10] >> 4 or self.registers[0x11] >> 4
        if running and self.registers[0x0A] & 7 == 6 and self.started_us is None:
            self.started_us = self.now_us
        if not running:
            self.started_us = None
            self.slots = 0
            self.first_frame_slot = None


class FakeSpi:
    """The same chip on SPI: ``machine.SPI`` methods and the chip select, callable like a Pin."""

    def __init__(self, chip):
        self.chip = chip
        self.selected = False
        self.command = None

    def __str__(self):
        return "FakeSPI(3)"

    def cs(self, level):
        self.selected = not level
        if level:
            self.command = None

    def write(self, data):
        assert self.selected, "written without chip select"
        if data[0] & 0x80:
            self.command = data[0] & 0x7F
        else:
            self.chip.writeto_mem(self.chip.address, data[0], bytes(data[1:]))

    def readinto(self, buffer, value=0):
        assert self.selected and self.command is not None, "read without chip select and address"
        self.chip.readfrom_mem_into(self.chip.address, self.command, buffer)
