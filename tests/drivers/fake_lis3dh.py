"""A small LIS3DH, written from the data sheet (DocID17530, AN3308) for tests; surface of the chip models."""

WORD_MASK = 0xFFF0  # 12 bits, left-justified


class FakeLis3dh:
    """Registers and the FIFO of 32 samples. ``faults``: {"who_am_i": value}. ``spi``: bit 6 is the increment bit."""

    spi = False

    def __init__(self, clock, source, address=0x18, cs=None, rate_ratio=1.0, faults=None):
        self.clock = clock
        self.source = source
        self.address = address
        self.rate_ratio = rate_ratio
        self.registers = bytearray(64)
        self.registers[0x0F] = (faults or {}).get("who_am_i", 0x33)
        self.registers[0x20] = 0x07
        self.samples = []
        self.begin_us = None
        self.made = 0

    def answers(self):
        return 0

    def select(self, level):
        pass

    def broken_after(self, n):
        return -1

    def _fill(self):
        if self.begin_us is None:
            return
        while self.begin_us + (self.made + 1) * self.period_us <= self.clock.now():
            self.source.row(self.made)
            self.made += 1
            if self.registers[0x24] & 0x40 and self.registers[0x2E] >> 6 == 2:
                words = [value & WORD_MASK for value in self.source.counts[:3]]
                self.samples.append(bytes(b for word in words for b in (word & 0xFF, word >> 8)))
                if len(self.samples) > 32:
                    self.samples.pop(0)

    def read(self, register, buf, start, n):
        self._fill()
        increment = register & (0x40 if self.spi else 0x80)
        register &= 0x3F
        for i in range(start, start + n):
            buf[i] = self._read(register)
            if increment:
                register = 0x28 if register == 0x2D else register + 1
        return register

    def _read(self, register):
        if 0x28 <= register <= 0x2D:
            if not self.samples:
                return 0
            value = self.samples[0][register - 0x28]
            if register == 0x2D:
                self.samples.pop(0)
            return value
        if register == 0x2F:  # AN3308, table of FIFO_SRC_REG's values
            n = len(self.samples)
            watermark = 0x80 if n > (self.registers[0x2E] & 0x1F) else 0
            return watermark | (0x5F if n == 32 else n if n else 0x20)
        return self.registers[register]

    def write(self, register, buf, start, n):
        self._fill()
        register &= 0x3F
        value = buf[start]
        self.registers[register] = value & 0x7F if register == 0x24 else value
        if register == 0x2E and not value >> 6:
            self.samples = []
        if register == 0x20:
            hz = (0, 1, 10, 25, 50, 100, 200, 400, 1600, 5376 if value & 8 else 1344)[value >> 4]
            self.begin_us = self.clock.now() if hz else None
            self.made = 0
            if hz:
                self.period_us = 1000000 / hz / self.rate_ratio
        return register
