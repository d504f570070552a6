"""machine.I2C and machine.SPI of the virtual board, with the signatures and errors of the ESP32 and RP2 ports.

A bus is given `chips`: objects with `read(register, buf, start, n)` and `write(register, buf, start, n)` that
increment the register by themselves, and `pointer`, the register that a plain I2C read goes on from. An I2C chip has
`address` and `answers()`, which a fault injector overrides: an error number instead of 0 is what the transfer raises.
An SPI chip has `cs`. On the virtual clock a transfer takes its bit time: a chip reads out at its beginning and takes
over at its end. Nothing here allocates when the caller brings the buffer.
"""

import errno

from pins import line


class I2C:
    """As machine.I2C. SoftI2C is the same thing, on the wires of I2C 0."""

    def __init__(self, id=0, *, scl=None, sda=None, freq=400000, timeout=50000):
        if id not in _i2c_chips:
            raise ValueError(f"I2C({id}) doesn't exist")
        self._id = id
        self._chips = _i2c_chips[id]
        self._freq = freq
        self._register = bytearray(1)

    def __str__(self):
        return f"I2C({self._id})"

    def init(self, scl=None, sda=None, *, freq=400000, timeout=50000):
        """Change the clock rate."""
        self._freq = freq

    def deinit(self):
        """Release the bus: nothing to do."""

    def scan(self):
        """Addresses that answer."""
        self._took(112)
        return [chip.address for chip in self._chips if chip.answers() == 0]

    def readfrom(self, addr, nbytes, stop=True):
        """`nbytes` bytes, from where the chip's register pointer stands."""
        buf = bytearray(nbytes)
        self.readfrom_into(addr, buf, stop)
        return bytes(buf)

    def readfrom_into(self, addr, buf, stop=True):
        """Fill `buf` from where the chip's register pointer stands."""
        chip = self._select(addr)
        self._read(chip, chip.pointer, buf, 1 + len(buf))

    def writeto(self, addr, buf, stop=True):
        """Write a register number and what follows it. -> number of ACKs"""
        chip = self._select(addr)
        self._took(1 + len(buf))
        if len(buf):
            chip.pointer = buf[0]
            chip.write(buf[0], buf, 1, len(buf) - 1)
        return len(buf)

    def writevto(self, addr, vector, stop=True):
        """As writeto() with the concatenation of the buffers in `vector`."""
        return self.writeto(addr, b"".join(vector), stop)

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        """`nbytes` bytes from register `memaddr` on."""
        buf = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, buf)
        return bytes(buf)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        """Fill `buf` from register `memaddr` on."""
        self._read(self._select(addr), memaddr, buf, 3 + len(buf))

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        """Write `buf` to register `memaddr` on."""
        chip = self._select(addr)
        self._took(2 + len(buf))
        chip.write(memaddr, buf, 0, len(buf))

    def _select(self, addr):
        for chip in self._chips:
            if chip.address == addr:
                error = chip.answers()
                if error:
                    self._took(1)
                    raise OSError(error)
                return chip
        self._took(1)
        raise OSError(errno.ENODEV)

    def _read(self, chip, register, buf, wire_bytes):
        broken = chip.broken_after(len(buf))
        if broken < 0:
            chip.read(register, buf, 0, len(buf))
            self._took(wire_bytes)
            return
        chip.read(register, buf, 0, broken)
        self._took(wire_bytes)
        raise OSError(errno.ETIMEDOUT)

    def _took(self, n_bytes):
        _clock.busy((n_bytes * 9 + 3) * 1000000 // self._freq)


class SPI:
    """As machine.SPI. Full duplex; what no selected chip drives reads as 0xff."""

    MSB = 0
    LSB = 1

    def __init__(
        self, id=1, baudrate=1000000, *, polarity=0, phase=0, bits=8, firstbit=MSB, sck=None, mosi=None, miso=None
    ):
        if id not in _spi_chips:
            raise ValueError(f"SPI({id}) doesn't exist")
        self._id = id
        self._chips = _spi_chips[id]
        self.init(baudrate, polarity=polarity, phase=phase)

    def __str__(self):
        return f"SPI({self._id})"

    def init(self, baudrate=1000000, *, polarity=0, phase=0, bits=8, firstbit=MSB, sck=None, mosi=None, miso=None):
        """Set rate and mode; the chips here speak modes 0 and 3."""
        self._baudrate = baudrate
        self._mode_ok = polarity == phase

    def deinit(self):
        """Release the bus: nothing to do."""

    def read(self, nbytes, write=0):
        """`nbytes` bytes, while sending the byte `write`."""
        buf = bytearray(nbytes)
        self.readinto(buf, write)
        return bytes(buf)

    def readinto(self, buf, write=0):
        """Fill `buf`, while sending the byte `write`."""
        self._transfer(None, buf, write, len(buf))

    def write(self, buf):
        """Send `buf`."""
        self._transfer(buf, None, 0, len(buf))

    def write_readinto(self, write_buf, read_buf):
        """Send `write_buf` while filling `read_buf`; both have the same length and may be the same object."""
        if len(write_buf) != len(read_buf):
            raise ValueError("buffers must be the same length")
        self._transfer(write_buf, read_buf, 0, len(read_buf))

    def _transfer(self, out, into, fill, n):
        chip = None
        for candidate in self._chips:
            if candidate.selected and self._mode_ok and candidate.answers() == 0:
                chip = candidate
        i = 0
        if chip and n and chip.spi_register < 0:  # first byte since chip select went low: read flag and register
            chip.spi_register = out[0] if out is not None else fill
            if into is not None:
                into[0] = 0xFF
            i = 1
        if chip and i < n:
            self._data(chip, out, into, fill, i, n)
        elif into is not None and not chip:
            while i < n:
                into[i] = 0xFF
                i += 1
        _clock.busy(n * 8 * 1000000 // self._baudrate)

    def _data(self, chip, out, into, fill, start, n):
        """Bytes `start` .. `n` of a transfer after the register byte, which has 0x80 set for reading."""
        register = chip.spi_register & 0x7F
        if chip.spi_register & 0x80:
            if into is None:
                into = bytearray(n)
            register = chip.read(register, into, start, n - start)
            chip.spi_register = register | 0x80
        else:
            if out is None:
                out = bytes([fill]) * n
            register = chip.write(register, out, start, n - start)
            chip.spi_register = register
            while into is not None and start < n:
                into[start] = 0xFF
                start += 1


_clock = None
_i2c_chips = {}
_spi_chips = {}


def wire(clock, i2c, spi):
    """Connect the buses: `i2c` and `spi` are {bus number: [chips]}."""
    global _clock
    _clock = clock
    _i2c_chips.update(i2c)
    _spi_chips.update(spi)
    for chips in spi.values():
        for chip in chips:
            line(chip.cs).level = 1
            line(chip.cs).watchers.append(chip.select)
