"""The wake-up function of ST's LSM6DSOX and its variants, after the data sheet DS12814 (registers WAKE_UP_SRC,
TAP_CFG0, TAP_CFG2, WAKE_UP_THS, WAKE_UP_DUR, MD1_CFG) and AN5272 (section "Wake-up interrupt").

Modelled: the slope filter, half of the difference of two samples; the threshold with both weights; WAKE_DUR; latched
and plain interrupts; INT1. Not modelled: the high-pass filter (SLOPE_FDS), the user offset, sleep and tap functions,
ALL_INT_SRC, INT2.

Traps: the first sample after switching on is compared with 0 g, so gravity alone is an event; that history survives a
change of the data rate. A latched interrupt stays until WAKE_UP_SRC is read, and with LIR but without INT_CLR_ON_READ
until the next sample behind that. An interrupt that is not driven to the pin is not latched.
"""

WAKE_UP_SRC = 0x1B
TAP_CFG0 = 0x56
TAP_CFG2 = 0x58
WAKE_UP_THS = 0x5B
WAKE_UP_DUR = 0x5C
MD1_CFG = 0x5E
_CTRL1_XL = 0x10

_LIR = 0x01
_SLOPE_FDS = 0x10
_INT_CLR_ON_READ = 0x40
_INTERRUPTS_ENABLE = 0x80
_INT1_WU = 0x20
_THS_W = 0x10
_WU_IA = 0x08


class Wakeup:
    """Of `chip` (lsm6dsox.LSM6DSOX), whose source has `counts_per_g`. `full_scales_g`: by FS_XL."""

    _TAP_CFG = TAP_CFG0  # has SLOPE_FDS and LIR

    def __init__(self, chip, counts_per_g, full_scales_g=(2, 16, 4, 8)):
        self._chip = chip
        self._counts_per_g = counts_per_g
        self._full_scales_g = full_scales_g
        self.reset()

    def reset(self):
        """The accelerometer is switched off, or the chip was reset: nothing is remembered."""
        self._before = [0, 0, 0]
        self._next = 0  # sample not yet looked at
        self._above = 0  # samples in a row above the threshold
        self._source = 0  # WAKE_UP_SRC
        self._is_read = False

    def new_grid(self):
        """The chip counts its samples anew."""
        self._next = 0

    def _steps(self):
        """Of the threshold in the full scale."""
        return 256 if self._chip.registers[WAKE_UP_DUR] & _THS_W else 64

    def is_on(self):
        return self._chip.registers[TAP_CFG2] & _INTERRUPTS_ENABLE != 0

    def fill(self):
        """Take in the samples up to now."""
        end = self._chip.samples()
        every = self._chip.accel_every
        if not every:
            self._next = end
            self._before[:] = (0, 0, 0)
            self._above = 0
            return
        while self._next < end:
            if self._next % every == 0:
                self._take(self._next)
            self._next += 1

    def _take(self, k):
        source = self._chip.source
        source.row(self._chip.row_of(k))
        self.take(source.counts)

    def take(self, counts):
        """The next sample, in the source's counts."""
        registers = self._chip.registers
        if registers[self._TAP_CFG] & _SLOPE_FDS:
            raise NotImplementedError("LSM6 model: the high-pass filter of the wake-up function")
        full_scale = self._full_scales_g[registers[_CTRL1_XL] >> 2 & 3]
        steps = self._steps()
        threshold = (registers[WAKE_UP_THS] & 0x3F) * full_scale * self._counts_per_g  # in counts / steps
        axes = 0
        for axis in range(3):
            count = counts[axis]
            if abs(count - self._before[axis]) * steps > 2 * threshold:
                axes |= 4 >> axis
            self._before[axis] = count
        self._above = self._above + 1 if axes else 0
        if self._is_read or not self._is_latched():
            self._source = 0
            self._is_read = False
        if self.is_on() and self._above > registers[WAKE_UP_DUR] >> 5 & 3:
            self._source = _WU_IA | axes

    def _is_latched(self):
        registers = self._chip.registers
        return registers[self._TAP_CFG] & _LIR and registers[MD1_CFG] & _INT1_WU

    def read_source(self):
        """WAKE_UP_SRC, whose reading ends a latched interrupt."""
        source = self._source
        self._is_read = True
        if self._chip.registers[TAP_CFG0] & _INT_CLR_ON_READ:
            self._source = 0
        return source

    def interrupt(self):
        """True while INT1 is active for it."""
        return self._chip.registers[MD1_CFG] & _INT1_WU and self.is_on() and self._source != 0

    def next_sample(self):
        """The next sample that may change that; -1: none."""
        every = self._chip.accel_every
        if not every or not self.is_on():
            return -1
        return (self._next + every - 1) // every * every
