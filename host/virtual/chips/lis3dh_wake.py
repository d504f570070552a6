"""Interrupt generator 1 of ST's LIS3DH and LIS2DH12 with the high-pass filter, as a motion detector, after the data
sheets DocID17530 and DocID025056 (registers 8.9, 8.14, 8.20 to 8.23) and AN3308 ("Wake-up" and "HP filter").

Modelled: OR of the axes' high events on the absolute value; the threshold by full scale; the duration; the filter in
its normal mode with the cut-off frequencies of AN3308, as one of the first order; its reset by reading REFERENCE;
latched and plain interrupts. Not modelled: AND and position combinations, low events, the other filter modes, the
filter on the output registers.

Traps: without the filter gravity alone is an event; the filter takes long to forget gravity (its first output is that
of a step from 0 g) unless REFERENCE is read behind a sample; a latched interrupt stays until INT1_SRC is read.
"""

CTRL_REG2 = 0x21
CTRL_REG3 = 0x22
CTRL_REG4 = 0x23
CTRL_REG5 = 0x24
REFERENCE = 0x26
INT1_CFG = 0x30
INT1_SRC = 0x31
INT1_THS = 0x32
INT1_DURATION = 0x33

_HP_IA1 = 0x01
_I1_IA1 = 0x40
_LIR_INT1 = 0x08
_HIGH = (0x02, 0x08, 0x20)  # INT1_CFG: XHIE, YHIE, ZHIE; the same bits in INT1_SRC
_IA = 0x40
_STEP_MG = (16, 32, 62, 186)  # INT1_THS, by FS
_PER_ODR = (50, 100, 9, 4)  # HPCF: cut-off frequency is ODR divided by about so much (AN3308)


class Wakeup:
    """Of `chip` (lis3dh.LIS3DH), whose source has `counts_per_g`."""

    def __init__(self, chip, counts_per_g):
        self._chip = chip
        self._counts_per_g = counts_per_g
        self.reset()

    def reset(self):
        """The chip is switched on."""
        self._before = [0, 0, 0]
        self._filtered = [0.0, 0.0, 0.0]
        self._above = 0
        self._source = 0

    def is_on(self):
        return self._chip.registers[INT1_CFG] != 0

    def is_filtering(self):
        return self.is_on() or self._chip.registers[CTRL_REG2] & _HP_IA1

    def take(self, counts):
        """The next sample, in the source's counts."""
        registers = self._chip.registers
        if registers[INT1_CFG] & ~0x2A or registers[CTRL_REG2] & ~(_HP_IA1 | 0x30):
            raise NotImplementedError("LIS3DH model: this way of detecting motion")
        keep = 1 - 6.2832 / _PER_ODR[registers[CTRL_REG2] >> 4 & 3] if registers[CTRL_REG2] & _HP_IA1 else 1
        step = _STEP_MG[registers[CTRL_REG4] >> 4 & 3] * self._counts_per_g / 1000
        threshold = (registers[INT1_THS] & 0x7F) * step
        axes = 0
        for axis in range(3):
            count = counts[axis]
            self._filtered[axis] = keep * (self._filtered[axis] + count - self._before[axis])
            self._before[axis] = count
            level = self._filtered[axis] if registers[CTRL_REG2] & _HP_IA1 else count
            if abs(level) > threshold and registers[INT1_CFG] & _HIGH[axis]:
                axes |= _HIGH[axis]
        self._above = self._above + 1 if axes else 0
        if not registers[CTRL_REG5] & _LIR_INT1:
            self._source = 0
        if self.is_on() and self._above > registers[INT1_DURATION] & 0x7F:
            self._source = _IA | axes

    def read_reference(self):
        """Reading REFERENCE zeroes the filter: the newest sample counts as rest."""
        self._filtered[:] = (0.0, 0.0, 0.0)

    def read_source(self):
        """INT1_SRC, whose reading ends a latched interrupt."""
        source = self._source
        self._source = 0
        return source

    def interrupt(self):
        """True while INT1 is active for it."""
        return self._chip.registers[CTRL_REG3] & _I1_IA1 and self._source != 0
