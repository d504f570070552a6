"""Motion detection of the LSM6DSOX, LSM6DSO32 and ISM330DHCX: while the board sleeps, INT1 rises when something moves.

The wake-up function (data sheet DS12814, registers WAKE_UP_THS, WAKE_UP_DUR, MD1_CFG; AN5272, "Wake-up interrupt")
compares half of the difference of two samples, 26 per second in low-power mode, with a threshold: gravity does not
count.
"""

from drivers.timing import sleep_ms

_CTRL1_XL = 0x10
_CTRL2_G = 0x11
_CTRL6_C = 0x15
_WAKE_UP_SRC = 0x1B
_TAP_CFG0 = 0x56
_TAP_CFG2 = 0x58
_WAKE_UP_THS = 0x5B
_WAKE_UP_DUR = 0x5C
_MD1_CFG = 0x5E

_XL_833_HZ = 0x70  # and the smallest full scale, FS_XL = 0
_XL_26_HZ = 0x20
_XL_HM_OFF = 0x10  # CTRL6_C: low power up to 52 Hz
_LATCHED = 0x41  # LIR, and INT_CLR_ON_READ that must go with it
_INTERRUPTS_ENABLE = 0x80
_INT1_WU = 0x20
_FINE = 0x10  # WAKE_THS_W: a step is 1/256 of the full scale, not 1/64

RATE_HZ = 26


def wake_on_motion(imu, threshold_g, duration_s=0):
    """Let INT1 of ``imu`` (a driver that is not running) rise, and stay high, once the change from one sample to the
    next was above twice ``threshold_g`` for longer than ``duration_s`` -> the threshold in g and the duration in s that
    the chip has. ``imu.start()`` ends it, and so does ``disarm``. ValueError for what the chip cannot do; takes 6 ms.
    """
    full_scale = min(imu.ACCEL)
    fine = threshold_g * 256 < 63.5 * full_scale
    steps = 256 if fine else 64
    code = max(1, round(threshold_g * steps / full_scale))
    samples = round(duration_s * RATE_HZ)
    if code > 63 or not 0 <= samples <= 3:
        most = 63 * full_scale / 64
        raise ValueError(f"{threshold_g} g for {duration_s} s: the {imu.NAME} takes up to {most} g for up to 0.115 s")
    imu._reset()
    registers = imu._registers
    registers.write(_CTRL2_G, 0)
    registers.write(_CTRL6_C, _XL_HM_OFF)
    registers.write(_WAKE_UP_THS, code)
    registers.write(_WAKE_UP_DUR, samples << 5 | (_FINE if fine else 0))
    registers.write(_TAP_CFG0, _LATCHED)
    registers.write(_TAP_CFG2, _INTERRUPTS_ENABLE)
    # The first sample is compared with 0 g: gravity would be an event. Two quick ones come first, the pin last.
    registers.write(_CTRL1_XL, _XL_833_HZ)
    sleep_ms(5)
    registers.write(_CTRL1_XL, _XL_26_HZ)
    registers.read(_WAKE_UP_SRC)
    registers.write(_MD1_CFG, _INT1_WU)
    return code * full_scale / steps, samples / RATE_HZ


def disarm(imu):
    """Motion detection and accelerometer off, INT1 low."""
    imu._reset()
