"""A small BMI160, written from the data sheet (BST-BMI160-DS000, section 2.11) for the driver's tests."""

from host.virtual.chips.sampled import Ring, SampledChip

_DEFAULTS = ((0x00, 0xD1), (0x40, 0x28), (0x41, 0x03), (0x42, 0x28), (0x45, 0x88), (0x46, 0x80), (0x47, 0x10))


class FakeBmi160(SampledChip):
    """Registers, power modes, sensor time and the headerless FIFO of 1024 bytes."""

    def __init__(self, clock, source, *, address=0x68, cs=None, rate_ratio=1.0, faults=None, int1=None):
        super().__init__(clock, source, address, cs, rate_ratio, faults, int1)
        self.fifo = Ring(1024)
        self.power_on()

    def power_on(self):
        super().power_on()
        for i in range(128):
            self.registers[i] = 0
        for register, value in _DEFAULTS:
            self.registers[register] = value
        self.registers[0] = self._faults.get("who_am_i", 0xD1)
        self.fifo.clear()
        self.on = {"accel": False, "gyro": False}
        self.part = 0
        self.time = 0

    def _size(self):
        return (6 if self.registers[0x47] & 0x80 else 0) + (6 if self.registers[0x47] & 0x40 else 0)

    def _sample(self):
        size = self._size()
        if not size or self.registers[0x47] & 0x10:
            return
        if self.fifo.level + size > 1024:
            self.fifo.drop(size)
            self.part = 0
        self.source.row(self.row)
        for bit, first in ((0x80, 3), (0x40, 0)):
            if self.registers[0x47] & bit:
                for axis in range(first, first + 3):
                    self.fifo.put_word(self.source.counts[axis], False)

    def _skip(self, n):
        pass

    def _next(self, register):
        return register if register == 0x24 else register + 1 & 0x7F

    def read(self, register, buf, start, n):
        self.part = 0  # a frame that was not read to its end comes again
        return SampledChip.read(self, register, buf, start, n)

    def _read(self, register):
        if 0x18 <= register <= 0x1A:
            if register == 0x18:
                self.time = int(self.clock.now() * self._rate_ratio * 16 / 625)
            return self.time >> 8 * (register - 0x18) & 0xFF
        if register == 0x1D:
            return 0x20 if self.fifo.level + self._size() > 1024 else 0
        if register == 0x22 or register == 0x23:
            return self.fifo.level >> 8 * (register - 0x22) & 0xFF
        if register == 0x24:
            return self._read_fifo()
        return self.registers[register]

    def _read_fifo(self):
        if not self.fifo.level:
            return 0x80
        value = self.fifo.peek(self.part)
        self.part += 1
        if self.part == self._size():
            self.fifo.drop(self.part)
            self.part = 0
        return value

    def _write(self, register, value):
        if register != 0x7E:
            self.registers[register] = value
        elif value == 0xB6:
            self.power_on()
        elif value == 0xB0:
            self.fifo.clear()
            self.restart_rows()
        elif 0x10 <= value <= 0x17:
            self.on["accel" if value < 0x14 else "gyro"] = value & 3 == 1
        code = self.registers[0x40 if self.on["accel"] else 0x42] & 15
        self.set_period(1280000 / (1 << (code - 1)) if self.on["accel"] or self.on["gyro"] else 0)

    def _pin(self):
        return False

    def _active_level(self):
        return 1

    def _samples_to_event(self):
        return 0
