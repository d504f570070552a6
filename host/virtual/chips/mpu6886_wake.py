"""Wake-on-motion of TDK InvenSense's MPU-6886, after the data sheet DS-000193 (section 5.1; registers ACCEL_WOM_X_THR,
Y and Z, ACCEL_INTEL_CTRL, INT_ENABLE), M5Stack's driver for the addresses of the thresholds, and Linux' inv_mpu6050 for
their step of 4 mg.

Modelled: the change from one sample to the next, of each axis by itself, at the rate of the samples; cycle mode.
Not modelled: the comparison with a first sample (ACCEL_INTEL_MODE = 0), AND of the axes (WOM_TH_MODE), averaging.

Traps: what the first sample is compared with, nothing says: here with 0 g, so that gravity is an event; flags are set
whether their interrupt is enabled or not, so that one that is enabled later rises at once; in cycle mode the
gyroscope must be in standby.
"""

ACCEL_WOM_X_THR = 0x20
ACCEL_INTEL_CTRL = 0x69
_PWR_MGMT_1 = 0x6B
_PWR_MGMT_2 = 0x6C

_EN = 0x80
_COMPARE_PREVIOUS = 0x40
_AND = 0x01
_CYCLE = 0x20
_STEP_MG = 4


class Wakeup:
    """Of `chip` (mpu6886.MPU6886), whose source has `counts_per_g`."""

    def __init__(self, chip, counts_per_g):
        self._chip = chip
        self._counts_per_g = counts_per_g
        self._before = [0, 0, 0]

    def is_on(self):
        return self._chip.registers[ACCEL_INTEL_CTRL] & _EN

    def take(self, counts):
        """The next sample, in the source's counts -> the flags that it sets in INT_STATUS."""
        registers = self._chip.registers
        if registers[_PWR_MGMT_1] & _CYCLE and registers[_PWR_MGMT_2] & 7 != 7:
            raise NotImplementedError("MPU-6886 model: cycle mode with a gyroscope that is not in standby")
        before = self._before
        if not self.is_on():
            before[:] = (0, 0, 0)
            return 0
        if registers[ACCEL_INTEL_CTRL] & (_COMPARE_PREVIOUS | _AND) != _COMPARE_PREVIOUS:
            raise NotImplementedError("MPU-6886 model: this way of detecting motion")
        axes = 0
        for axis in range(3):
            change = abs(counts[axis] - before[axis]) * 1000
            if change > registers[ACCEL_WOM_X_THR + axis] * _STEP_MG * self._counts_per_g:
                axes |= 0x80 >> axis
            before[axis] = counts[axis]
        return axes
