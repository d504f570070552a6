"""The any-motion interrupt of Bosch's BMI160, after the data sheet BST-BMI160-DS000 (section 2.6; registers INT_EN,
INT_LATCH, INT_MAP, INT_DATA, INT_MOTION), BMI160_SensorAPI, and Zephyr's driver for the threshold's step.

Modelled: the change from one sample to the next; threshold by range; duration; latched and plain interrupts, and their
reset by a command; INT1. Not modelled: that the two samples compared are 1/(2 * bandwidth) apart, which is about one
sample, temporary latches, slow and no motion, INT2.

Traps: what the first sample is compared with, nothing says: here with 0 g, so that gravity is an event; reading the
status does not end a latched interrupt; unfiltered data (INT_DATA) keep the chip out of low-power mode.
"""

INT_STATUS_0 = 0x1C
ACC_RANGE = 0x41
INT_EN_0 = 0x50
INT_LATCH = 0x54
INT_MAP_0 = 0x55
INT_MOTION_0 = 0x5F
INT_MOTION_1 = 0x60

_ANY_MOTION = 0x04  # INT_STATUS_0, INT_MAP_0
_LATCHED = 0x0F
_RANGES_G = {3: 2, 5: 4, 8: 8, 12: 16}


class Wakeup:
    """Of `chip` (bmi160.BMI160), whose source has `counts_per_g`."""

    def __init__(self, chip, counts_per_g):
        self._chip = chip
        self._counts_per_g = counts_per_g
        self.reset()

    def reset(self):
        """The chip is switched on, or was reset."""
        self._before = [0, 0, 0]
        self._above = 0

    def stop(self):
        """The accelerometer is off."""
        self.reset()

    def is_on(self):
        return self._chip.registers[INT_EN_0] & 7

    def take(self, counts):
        """The next sample of the accelerometer, in the source's counts."""
        registers = self._chip.registers
        if not self.is_on():
            self.reset()
            return
        if registers[INT_LATCH] & 0x0F not in (0, _LATCHED):
            raise NotImplementedError("BMI160 model: a temporary latch")
        full_scale = _RANGES_G[registers[ACC_RANGE] & 0x0F]
        threshold = (registers[INT_MOTION_1] or 0.5) * full_scale * self._counts_per_g
        moves = False
        for axis in range(3):
            if registers[INT_EN_0] & 1 << axis and abs(counts[axis] - self._before[axis]) * 512 > threshold:
                moves = True
            self._before[axis] = counts[axis]
        self._above = self._above + 1 if moves else 0
        if self._above > registers[INT_MOTION_0] & 3:
            registers[INT_STATUS_0] |= _ANY_MOTION
        elif not registers[INT_LATCH] & 0x0F:
            registers[INT_STATUS_0] &= ~_ANY_MOTION

    def clear(self):
        """The command int_reset."""
        self._chip.registers[INT_STATUS_0] = 0

    def interrupt(self):
        """True while INT1 is active for it."""
        return self._chip.registers[INT_MAP_0] & self._chip.registers[INT_STATUS_0] & _ANY_MOTION
