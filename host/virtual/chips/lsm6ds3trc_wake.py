"""The wake-up function of ST's LSM6DS3TR-C, after its data sheet DocID030071 (registers WAKE_UP_SRC, TAP_CFG,
WAKE_UP_THS, WAKE_UP_DUR, MD1_CFG) and AN5130 (section "Wake-up interrupt"): as the LSM6DSOX's (lsm6_wake.py), with all
switches in one register, TAP_CFG, one weight of the threshold, and a latched interrupt that ends when WAKE_UP_SRC is
read.

Traps: those of the LSM6DSOX; bit 4 of WAKE_UP_DUR is the time stamp's resolution here, not the threshold's weight.
"""

from .lsm6_wake import Wakeup

TAP_CFG = 0x58
_INTERRUPTS_ENABLE = 0x80


class PlainWakeup(Wakeup):
    """Of `chip` (lsm6ds3trc.LSM6DS3TRC), which hands over each sample of its accelerometer."""

    _TAP_CFG = TAP_CFG

    def _steps(self):
        return 64

    def is_on(self):
        return self._chip.registers[TAP_CFG] & _INTERRUPTS_ENABLE != 0

    def read_source(self):
        source = self._source
        self._source = 0
        return source
