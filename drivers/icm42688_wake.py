"""Motion detection of the ICM-42688-P: while the board sleeps, INT1 rises when something moves.

Wake-on-motion (data sheet DS-000347, registers ACCEL_WOM_X_THR in bank 4, SMD_CONFIG, INT_SOURCE1; the same values in
Linux, inv_icm42600_set_wom) compares the difference of two samples, 25 per second in the accelerometer's low-power
mode, with a threshold: gravity does not count. A step is 1/256 g at any full scale.
"""

from drivers.timing import sleep_ms

_INT_CONFIG = 0x14
_INT_STATUS2 = 0x37
_PWR_MGMT0 = 0x4E
_ACCEL_CONFIG0 = 0x50
_SMD_CONFIG = 0x57
_INT_CONFIG1 = 0x64
_INT_SOURCE0 = 0x65
_INT_SOURCE1 = 0x66
_REG_BANK_SEL = 0x76
_ACCEL_WOM_X_THR = 0x4A  # bank 4; y and z follow

_LATCHED_HIGH = 0x07  # INT_CONFIG: INT1 latched until INT_STATUS2 is read, push-pull, active high
_ACCEL_LOW_POWER = 0x02
_2_G_25_HZ = 0x6A
_ON_CHANGE = 0x05  # SMD_CONFIG: compare with the sample before, any axis, wake-on-motion
_WOM_INT1 = 0x07  # x, y, z


def wake_on_motion(imu, threshold_g, duration_s=0):
    """Let INT1 of ``imu`` (a driver that is not running) rise, and stay high, once the change from one sample to the
    next was above ``threshold_g`` -> the threshold in g that the chip has, and 0: it knows no duration. ``imu.start()``
    ends it, and so does ``disarm``. ValueError for what the chip cannot do; takes 0.2 s.
    """
    code = max(1, round(threshold_g * 256))
    if code > 255 or duration_s:
        raise ValueError(f"{threshold_g} g for {duration_s} s: the {imu._NAME} takes up to 0.996 g, and no duration")
    imu._reset()
    write = imu._registers.write
    write(_INT_SOURCE0, 0)  # else the reset that is done is an interrupt
    write(_INT_CONFIG, _LATCHED_HIGH)
    write(_INT_CONFIG1, 0)  # INT_ASYNC_RESET off: else the pin does not work as it should
    write(_ACCEL_CONFIG0, _2_G_25_HZ)
    write(_REG_BANK_SEL, 4)
    for axis in range(3):
        write(_ACCEL_WOM_X_THR + axis, code)
    write(_REG_BANK_SEL, 0)
    write(_PWR_MGMT0, _ACCEL_LOW_POWER)
    sleep_ms(90)  # the accelerometer starts (and no register may be written for 200 us)
    write(_SMD_CONFIG, _ON_CHANGE)
    sleep_ms(90)  # whatever the first sample is compared with, two of them have come before the interrupt may
    imu._registers.read(_INT_STATUS2)
    write(_INT_SOURCE1, _WOM_INT1)
    return code / 256, 0


def disarm(imu):
    """Motion detection and accelerometer off, INT1 low."""
    imu._reset()
    imu._registers.write(_INT_SOURCE0, 0)
    imu._registers.write(_INT_CONFIG, _LATCHED_HIGH)
