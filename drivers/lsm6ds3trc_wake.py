"""Motion detection of the LSM6DS3TR-C: while the board sleeps, INT1 rises when something moves.

The wake-up function (data sheet DocID030071, registers WAKE_UP_THS, WAKE_UP_DUR, TAP_CFG, MD1_CFG; AN5130, "Wake-up
interrupt") compares half of the difference of two samples, 26 per second in low-power mode, with a threshold: gravity
does not count. Unlike the LSM6DSOX it knows one step only: 1/64 of the full scale.
"""

from drivers.timing import sleep_ms

_CTRL1_XL = 0x10
_CTRL6_C = 0x15
_WAKE_UP_SRC = 0x1B
_TAP_CFG = 0x58
_WAKE_UP_THS = 0x5B
_WAKE_UP_DUR = 0x5C
_MD1_CFG = 0x5E

_XL_833_HZ = 0x70  # and the smallest full scale, FS_XL = 0: 2 g
_XL_26_HZ = 0x20
_XL_HM_OFF = 0x10  # CTRL6_C: low power up to 52 Hz
_ENABLED_LATCHED = 0x81  # INTERRUPTS_ENABLE, LIR
_INT1_WU = 0x20
_STEP_G = 2 / 64

RATE_HZ = 26


def wake_on_motion(imu, threshold_g, duration_s=0):
    """Let INT1 of ``imu`` (a driver that is not running) rise, and stay high, once the change from one sample to the
    next was above twice ``threshold_g`` for longer than ``duration_s`` -> the threshold in g and the duration in s that
    the chip has. ``imu.start()`` ends it, and so does ``disarm``. ValueError for what the chip cannot do; takes 7 ms.
    """
    code = max(1, round(threshold_g / _STEP_G))
    samples = round(duration_s * RATE_HZ)
    if code > 63 or not 0 <= samples <= 3:
        raise ValueError(f"{threshold_g} g for {duration_s} s: the {imu._NAME} takes up to 1.96 g for up to 0.115 s")
    imu._reset()
    registers = imu._registers
    registers.write(_CTRL6_C, _XL_HM_OFF)
    registers.write(_WAKE_UP_THS, code)
    registers.write(_WAKE_UP_DUR, samples << 5)
    registers.write(_TAP_CFG, _ENABLED_LATCHED)
    # The first sample is compared with 0 g: gravity would be an event. Two quick ones come first, the pin last.
    registers.write(_CTRL1_XL, _XL_833_HZ)
    sleep_ms(5)
    registers.write(_CTRL1_XL, _XL_26_HZ)
    registers.read(_WAKE_UP_SRC)
    registers.write(_MD1_CFG, _INT1_WU)
    return code * _STEP_G, samples / RATE_HZ


def disarm(imu):
    """Motion detection and accelerometer off, INT1 low."""
    imu._reset()
