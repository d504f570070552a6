"""Motion detection of the BMI160: while the board sleeps, INT1 rises when something moves.

The any-motion interrupt (data sheet BST-BMI160-DS000, sections 2.2.3 and 2.6, registers INT_MOTION, INT_LATCH; Bosch's
BMI160_SensorAPI) compares the difference of two samples, 25 per second in the accelerometer's low-power mode, with a
threshold: gravity does not count. A step is 1/512 of the full scale (the same, and Zephyr's bmi160_acc_slope_config).
"""

from drivers.timing import sleep_ms

_ACC_CONF = 0x40
_ACC_RANGE = 0x41
_INT_EN_0 = 0x50
_INT_OUT_CTRL = 0x53
_INT_LATCH = 0x54
_INT_MAP_0 = 0x55
_INT_MOTION_0 = 0x5F
_INT_MOTION_1 = 0x60
_CMD = 0x7E

_SOFT_RESET = 0xB6
_INT_RESET = 0xB1
_ACC_NORMAL = 0x11
_ACC_LOW_POWER = 0x12
_25_HZ = 0x86  # ACC_CONF: undersampling, which low power wants, one sample of each
_RANGES = {2: 3, 4: 5}  # g: ACC_RANGE
_ANY_MOTION = 0x07  # INT_EN_0: x, y, z
_ANY_MOTION_INT1 = 0x04  # INT_MAP_0
_LATCHED = 0x0F
_INT1_HIGH = 0x0A  # INT_OUT_CTRL: output, push-pull, active high

RATE_HZ = 25


def wake_on_motion(imu, threshold_g, duration_s=0):
    """Let INT1 of ``imu`` (a driver that is not running) rise, and stay high, once the change from one sample to the
    next was above ``threshold_g`` for longer than ``duration_s`` -> the threshold in g and the duration in s that the
    chip has. ``imu.start()`` ends it, and so does ``disarm``. ValueError for what the chip cannot do; takes 0.12 s.
    """
    full_scale = 2 if threshold_g * 256 < 255.5 else 4
    code = max(1, round(threshold_g * 512 / full_scale))
    samples = round(duration_s * RATE_HZ)
    if code > 255 or not 0 <= samples <= 3:
        raise ValueError(f"{threshold_g} g for {duration_s} s: the {imu._NAME} takes up to 1.99 g for up to 0.12 s")
    write = imu._registers.write
    _reset(imu)
    write(_CMD, _ACC_NORMAL)
    sleep_ms(5)  # 3.8 ms
    write(_ACC_CONF, _25_HZ)
    sleep_ms(1)
    write(_ACC_RANGE, _RANGES[full_scale])
    write(_INT_MOTION_0, samples)
    write(_INT_MOTION_1, code)
    write(_INT_LATCH, _LATCHED)
    write(_INT_MAP_0, _ANY_MOTION_INT1)
    write(_INT_EN_0, _ANY_MOTION)
    write(_CMD, _ACC_LOW_POWER)  # from here on writes need 450 us in front of them
    sleep_ms(90)  # whatever the first sample is compared with, two of them have come before the pin may rise
    write(_CMD, _INT_RESET)
    sleep_ms(1)
    write(_INT_OUT_CTRL, _INT1_HIGH)
    sleep_ms(1)
    return code * full_scale / 512, samples / RATE_HZ


def disarm(imu):
    """Motion detection and accelerometer off, INT1 low."""
    _reset(imu)
    imu._registers.write(_INT_OUT_CTRL, _INT1_HIGH)  # nothing drives it high any more


def _reset(imu):
    """Every register at its default, both sensors suspended."""
    imu._registers.write(_CMD, _SOFT_RESET)
    sleep_ms(15)
    imu._wake()
