"""The one door to the bus: errors name everything, a failed transfer leaves the chip select high, no heap."""

import micropython

from drivers.bus import Registers


class I2C:
    def __init__(self):
        self.log = []
        self.error = None

    def __str__(self):
        return "I2C(0)"

    def readfrom_mem_into(self, address, register, buf):
        if self.error:
            raise self.error
        for i in range(len(buf)):
            buf[i] = register + i

    def writeto_mem(self, address, register, buf):
        if self.error:
            raise self.error
        self.log.append((address, register, bytes(buf)))


class SPI:
    def __init__(self):
        self.level = None
        self.sent = bytearray(2)
        self.error = None

    def __str__(self):
        return "SPI(1)"

    def cs(self, level):
        assert level != self.level
        self.level = level

    def write(self, buf):
        assert self.level == 0
        for i in range(len(buf)):
            self.sent[i] = buf[i]

    def readinto(self, buf, value=0):
        assert self.level == 0
        if self.error:
            raise self.error
        for i in range(len(buf)):
            buf[i] = 7


def failure(function, *args):
    try:
        function(*args)
    except OSError as error:
        return error
    raise AssertionError("nothing was raised")


def test_i2c():
    bus = I2C()
    registers = Registers(bus, address=0x6A)
    buf = bytearray(3)
    registers.read_into(0x20, buf)
    assert buf == b"\x20\x21\x22" and registers.read(0x0F) == 0x0F
    registers.write(0x10, 0xA5)
    assert bus.log == [(0x6A, 0x10, b"\xa5")]


def test_spi_sets_the_read_and_increment_bits():
    bus = SPI()
    registers = Registers(bus, cs=bus.cs, increment_bit=0x40)
    assert registers.read(0x0F) == 7 and bus.sent[0] == 0x8F
    registers.read_into(0x20, bytearray(2))
    assert bus.sent[0] == 0xE0
    registers.write(0x10, 0xA5)
    assert bus.sent == b"\x10\xa5" and bus.level == 1


def test_errors_name_bus_chip_and_register():
    bus = I2C()
    registers = Registers(bus, address=0x6B)
    bus.error = OSError(19)
    for function, args, word in ((registers.read, (0x0F,), "read"), (registers.write, (0x0F, 1), "write")):
        error = failure(function, *args)
        assert error.args[0] == 19
        for part in ("I2C(0)", "address 0x6B", "register 0x0F", word):
            assert part in str(error), error
    bus.error = OSError("a text")
    assert failure(registers.read, 1).args[0] == 5
    bus.error = None
    error = failure(registers.expect, 0x0F, 0x6C, "THING")
    for part in ("I2C(0)", "address 0x6B", "register 0x0F", "reads 0x0F", "expected 0x6C", "THING"):
        assert part in str(error), error


def test_failed_spi_transfer_releases_the_chip():
    bus = SPI()
    registers = Registers(bus, cs=bus.cs)
    bus.error = OSError(5)
    assert "SPI(1) cs" in str(failure(registers.read, 0x0F))
    assert bus.level == 1
    bus.error = None
    assert registers.read(0x0F) == 7


def test_neither_address_nor_cs():
    try:
        Registers(I2C())
    except ValueError as error:
        assert "address" in str(error) and "cs" in str(error)
    else:
        raise AssertionError("accepted")


def test_transfers_need_no_heap():
    i2c = I2C()
    i2c.writeto_mem = lambda address, register, buf: None
    spi = SPI()
    buf = bytearray(16)
    for registers in (Registers(i2c, address=0x6A), Registers(spi, cs=spi.cs)):
        micropython.heap_lock()
        try:
            for _ in range(3):
                registers.read(0x0F)
                registers.read_into(0x20, buf)
                registers.write(0x10, 3)
                registers.expect(0x07, 0x07, "chip")
        finally:
            micropython.heap_unlock()
