"""What every chip model on a bus has: where it sits, and how it fails on purpose.

`faults` (from the world file): `every`: n - each n-th transfer is not acknowledged; `at_s`: [seconds] - the first
transfer after each of these times; `absent_s`: [[from, to]] - nothing answers meanwhile, the chip goes on; `errno`:
the error that an unanswered transfer raises (default 19, ENODEV); `break_every`: n, `break_after`: bytes - each n-th
read ends with ETIMEDOUT after so many bytes, which the chip has already given away; `reset_s`: [seconds] - the supply
dips, registers and FIFO are lost. A chip's own keys (`who_am_i`) are its own business.
"""

_ENODEV = 19


class Chip:
    """`clock.now()` gives microseconds; `address` for I2C, `cs` (pin number) for SPI."""

    def __init__(self, clock, address=None, cs=None, faults=None):
        faults = faults or {}
        self.clock = clock
        self.address = address
        self.cs = cs
        self.pointer = 0
        self.selected = False
        self.spi_register = -1  # -1 = the next byte says the register
        self.transfers = 0  # tried so far, answered or not
        self.reads = 0
        self._every = faults.get("every", 0)
        self._errno = faults.get("errno", _ENODEV)
        self._at_us = _microseconds(faults.get("at_s", ()))
        self._absent_us = [_microseconds(span) for span in faults.get("absent_s", ())]
        self._reset_us = _microseconds(faults.get("reset_s", ()))
        self._break_every = faults.get("break_every", 0)
        self._break_after = faults.get("break_after", 0)

    def select(self, level):
        """The chip select pin changed."""
        self.selected = not level
        self.spi_register = -1

    def answers(self):
        """0 if the chip takes part in the transfer that begins now, else the error number that the bus raises."""
        now = self.clock.now()
        while self._reset_us and self._reset_us[0] <= now:
            self._reset_us.pop(0)
            self.power_on()
        self.transfers += 1
        for span in self._absent_us:
            if span[0] <= now < span[1]:
                return self._errno
        if self._at_us and self._at_us[0] <= now:
            self._at_us.pop(0)
            return self._errno
        if self._every and self.transfers % self._every == 0:
            return self._errno
        return 0

    def broken_after(self, n):
        """How many of a read's `n` bytes arrive before the bus breaks, -1 = all."""
        self.reads += 1
        if self._break_every and self.reads % self._break_every == 0 and self._break_after < n:
            return self._break_after
        return -1

    def power_on(self):
        """The state after the supply came up."""
        raise NotImplementedError


def _microseconds(seconds):
    return [int(s * 1000000) for s in seconds]
