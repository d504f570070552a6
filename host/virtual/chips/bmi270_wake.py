"""The any-motion feature of Bosch's BMI270, after the data sheet BST-BMI270-DS000 (section 4.8; feature page 1:
ANYMO_1, ANYMO_2; INT1_MAP_FEAT, INT_LATCH) and BMI270_SensorAPI; how the reference moves, after BMA456's
BST-BMA456-DS000, whose engine is of the same kind.

Modelled: feature page 1, of which any-motion alone means something; its engine at 50 Hz; the reference; duration;
latched and plain interrupts; INT1. Not modelled: the other features, axis remapping, INT2.

Traps: the engine is in the configuration file: before that is loaded there are no features; while power is saved they
cannot be reached; the engine stands still while the accelerometer has less than 50 Hz; the output must be 7 to be seen
in bit 6 of INT_STATUS_0, which the file sets and a careless write takes away.
"""

INT_STATUS_0 = 0x1C
FEAT_PAGE = 0x2F
FEATURES = 0x30
INT_LATCH = 0x55
INT1_MAP_FEAT = 0x56
_ACC_CONF = 0x40

_ANY_MOTION = 0x40  # INT_STATUS_0, INT1_MAP_FEAT
_DEFAULTS = b"\x05\xe0\xaa\x38"  # ANYMO_1: 5 points, x, y, z; ANYMO_2: output 7, 170 steps
_50_HZ = 7  # ACC_CONF.acc_odr
_STEPS_PER_G = 2048


class Wakeup:
    """Of `chip` (bmi270.BMI270), whose source has `counts_per_g`."""

    def __init__(self, chip, counts_per_g):
        self._chip = chip
        self._counts_per_g = counts_per_g
        self._page = bytearray(16)
        self.reset()

    def reset(self):
        """The chip is switched on, or was reset: nothing is loaded."""
        for i in range(16):
            self._page[i] = 0
        self.stop()

    def loaded(self):
        """The engine starts."""
        for i in range(4):
            self._page[12 + i] = _DEFAULTS[i]

    def stop(self):
        """The accelerometer is off."""
        self._reference = [0, 0, 0]
        self._has_reference = False
        self._above = 0
        self._samples = 0

    def read(self, register):
        """A register of the features."""
        return self._page[register - FEATURES] if self._chip.registers[FEAT_PAGE] == 1 else 0

    def write(self, register, value):
        """A register of the features."""
        if self._chip.registers[FEAT_PAGE] == 1:
            self._page[register - FEATURES] = value

    def is_on(self):
        return self._page[15] & 0x80 and self._chip.registers[_ACC_CONF] & 0x0F >= _50_HZ

    def take(self, counts):
        """The next sample of the accelerometer, in the source's counts."""
        registers = self._chip.registers
        if not self.is_on():
            self.stop()
            return
        self._samples += 1
        if self._samples % (1 << (registers[_ACC_CONF] & 0x0F) - _50_HZ):
            return
        if not self._has_reference:
            self._refer_to(counts)
            return
        page = self._page
        threshold = (page[14] | (page[15] & 7) << 8) * self._counts_per_g
        moves = False
        for axis in range(3):
            if page[13] & 0x20 << axis and abs(counts[axis] - self._reference[axis]) * _STEPS_PER_G > threshold:
                moves = True
        self._above = self._above + 1 if moves else 0
        if self._above and self._above >= page[12] | (page[13] & 0x1F) << 8:
            self._refer_to(counts)
            if page[15] >> 3 & 15 == 7:
                registers[INT_STATUS_0] |= _ANY_MOTION
        elif not registers[INT_LATCH] & 1:
            registers[INT_STATUS_0] &= ~_ANY_MOTION

    def _refer_to(self, counts):
        for axis in range(3):
            self._reference[axis] = counts[axis]
        self._has_reference = True

    def interrupt(self):
        """True while INT1 is active for it."""
        return self._chip.registers[INT1_MAP_FEAT] & self._chip.registers[INT_STATUS_0] & _ANY_MOTION
