"""One door to the bus: the registers of one chip behind ``machine.I2C`` or ``machine.SPI``."""

_EIO = 5
_ENODEV = 19


class Registers:
    """Reads and writes registers of one chip; allocates nothing unless something fails.

    ``bus`` has the methods of ``machine.I2C`` (``address`` given), or of ``machine.SPI`` when ``cs`` is given: a
    Pin, anything callable like one, or a pin number. ``read_bit`` and ``increment_bit`` are what the chip wants to
    see in the SPI address byte of a read, and of a read of several registers. Every failure is an OSError that
    names bus, chip and register.
    """

    def __init__(self, bus, *, address=None, cs=None, read_bit=0x80, increment_bit=0):
        if address is None and cs is None:
            raise ValueError("a chip needs an address (on I2C) or a cs pin (on SPI)")
        if isinstance(cs, int):
            from machine import Pin

            cs = Pin(cs, Pin.OUT, value=1)
        self._bus = bus
        self._address = address
        self._cs = cs
        self._read_bit = read_bit
        self._increment_bit = increment_bit
        self._byte = bytearray(1)
        self._pair = bytearray(2)
        if cs is not None:
            cs(1)

    def read(self, register):
        """-> one register, 0 .. 255."""
        self.read_into(register, self._byte)
        return self._byte[0]

    def read_into(self, register, buffer):
        """Fill ``buffer`` from ``register`` on, in one transaction."""
        try:
            if self._cs is None:
                self._bus.readfrom_mem_into(self._address, register, buffer)
            else:
                self._spi_read(register, buffer)
        except OSError as error:
            self._fail(error, register, "read")

    def write(self, register, value):
        """Set one register to ``value``, 0 .. 255."""
        try:
            if self._cs is None:
                self._byte[0] = value
                self._bus.writeto_mem(self._address, register, self._byte)
            else:
                self._pair[0] = register
                self._pair[1] = value
                self._cs(0)
                try:
                    self._bus.write(self._pair)
                finally:
                    self._cs(1)
        except OSError as error:
            self._fail(error, register, "write")

    def write_many(self, register, buffer):
        """Write ``buffer[1:]`` to ``register`` on, in one transaction (allocates). ``buffer[0]`` is overwritten."""
        try:
            if self._cs is None:
                self._bus.writeto_mem(self._address, register, memoryview(buffer)[1:])
            else:
                buffer[0] = register
                self._cs(0)
                try:
                    self._bus.write(buffer)
                finally:
                    self._cs(1)
        except OSError as error:
            self._fail(error, register, "write")

    def expect(self, register, value, what):
        """Raise OSError(ENODEV) unless ``register`` reads ``value``: the chip is not ``what`` it should be."""
        found = self.read(register)
        if found != value:
            raise OSError(
                _ENODEV, f"{self.where(register)} reads 0x{found:02X}, expected 0x{value:02X}: no {what} answers there"
            )

    def where(self, register):
        """-> text naming bus, chip and register (allocates: for error messages)."""
        chip = f"address 0x{self._address:02X}" if self._cs is None else f"cs {self._cs}"
        return f"{self._bus} {chip} register 0x{register:02X}"

    def _spi_read(self, register, buffer):
        self._byte[0] = register | self._read_bit | (self._increment_bit if len(buffer) > 1 else 0)
        self._cs(0)
        try:
            self._bus.write(self._byte)
            self._bus.readinto(buffer)
        finally:
            self._cs(1)

    def _fail(self, error, register, action):
        code = error.args[0] if error.args and isinstance(error.args[0], int) else _EIO
        raise OSError(code, f"{self.where(register)}: {action} failed ({error})")
