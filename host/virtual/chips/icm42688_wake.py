"""Wake-on-motion of TDK InvenSense's ICM-42688-P, after the data sheet DS-000347 (bank 4: ACCEL_WOM_X_THR ..
ACCEL_WOM_Z_THR; bank 0: SMD_CONFIG, INT_SOURCE1, INT_STATUS2) and Linux' inv_icm42600 (a step is 1/256 g).

Modelled: the change from one sample to the next, of each axis by itself, at the accelerometer's rate. Not modelled:
the comparison with a first sample (WOM_MODE = 0), AND of the axes (WOM_INT_MODE), significant motion, INT2.

Traps: the thresholds lie in another bank; what the first sample is compared with, nothing says: here with 0 g, so that
gravity is an event; flags are set whether their interrupt is enabled or not, and read at INT_STATUS2 alone.
"""

SMD_CONFIG = 0x57
INT_SOURCE1 = 0x66
INT_STATUS2 = 0x37
ACCEL_WOM_X_THR = 0x4A  # bank 4

_WOM = 0x07  # INT_STATUS2, INT_SOURCE1: x in bit 0
_SMD_MODE = 0x03  # SMD_CONFIG: 1 = wake-on-motion
_COMPARE_PREVIOUS = 0x04
_AND = 0x08


class Wakeup:
    """Of `chip` (icm42688.ICM42688), whose source has `counts_per_g`."""

    def __init__(self, chip, counts_per_g):
        self._chip = chip
        self._counts_per_g = counts_per_g
        self.reset()

    def reset(self):
        """The chip is switched on, or was reset."""
        self._before = [0, 0, 0]
        self._thresholds = bytearray(3)
        self._source = 0  # INT_STATUS2

    def write_bank4(self, register, value):
        """A write to bank 4."""
        if 0 <= register - ACCEL_WOM_X_THR < 3:
            self._thresholds[register - ACCEL_WOM_X_THR] = value

    def take(self, counts):
        """The next sample of the accelerometer, in the source's counts."""
        config = self._chip.registers[SMD_CONFIG]
        before = self._before
        if not config & _SMD_MODE:
            before[:] = (0, 0, 0)
            return
        if config & (_SMD_MODE | _COMPARE_PREVIOUS | _AND) != 1 | _COMPARE_PREVIOUS:
            raise NotImplementedError("ICM-42688-P model: this way of detecting motion")
        for axis in range(3):
            if abs(counts[axis] - before[axis]) * 256 > self._thresholds[axis] * self._counts_per_g:
                self._source |= 1 << axis
            before[axis] = counts[axis]

    def read_source(self):
        """INT_STATUS2, whose reading ends a latched interrupt."""
        source = self._source
        self._source = 0
        return source

    def is_wanted(self):
        """True while INT1 waits for it."""
        registers = self._chip.registers
        return registers[INT_SOURCE1] & _WOM and registers[SMD_CONFIG] & _SMD_MODE

    def interrupt(self):
        """True while INT1 is active for it."""
        return self._chip.registers[INT_SOURCE1] & self._source & _WOM
