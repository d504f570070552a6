"""Motion detection of the MPU-6886: while the board sleeps, INT rises when something moves.

Wake-on-motion (data sheet DS-000193, section 5.1, with the thresholds at 0x20 to 0x22 as its register map and M5Stack's
driver have them, not at 0x1F) compares the difference of two samples, 25 per second in the accelerometer's low-power
mode, with a threshold: gravity does not count. A step is 4 mg at any full scale (Linux, inv_mpu6050, for this family).
"""

from drivers.timing import sleep_ms

_SMPLRT_DIV = 0x19
_CONFIG = 0x1A
_ACCEL_CONFIG2 = 0x1D
_ACCEL_WOM_X_THR = 0x20  # y and z follow
_INT_PIN_CFG = 0x37
_INT_ENABLE = 0x38
_INT_STATUS = 0x3A
_ACCEL_INTEL_CTRL = 0x69
_PWR_MGMT_1 = 0x6B
_PWR_MGMT_2 = 0x6C
_I2C_IF = 0x70

_AUTO_CLOCK = 0x01  # PWR_MGMT_1: awake, the best clock there is
_CYCLE = 0x20  # the accelerometer sleeps between two samples
_GYRO_STANDBY = 0x07
_I2C_IF_DIS = 0x40
_DLPF = 0x01  # CONFIG: the divider works; ACCEL_CONFIG2: 218 Hz, four samples averaged
_25_HZ = 39  # SMPLRT_DIV: 1 kHz / 40
_LATCHED = 0x20  # INT_PIN_CFG: push-pull, active high, until INT_STATUS is read
_WOM = 0xE0  # INT_ENABLE: x, y, z
_ON_CHANGE = 0xC0  # ACCEL_INTEL_CTRL: on, compare with the sample before, any axis
_STEP_G = 0.004


def wake_on_motion(imu, threshold_g, duration_s=0):
    """Let INT of ``imu`` (a driver that is not running) rise, and stay high, once the change from one sample to the
    next was above ``threshold_g`` -> the threshold in g that the chip has, and 0: it knows no duration. ``imu.start()``
    ends it, and so does ``disarm``. ValueError for what the chip cannot do; takes 0.3 s.
    """
    code = max(1, round(threshold_g / _STEP_G))
    if code > 255 or duration_s:
        raise ValueError(f"{threshold_g} g for {duration_s} s: the {imu._NAME} takes up to 1.02 g, and no duration")
    imu._reset()
    write = imu._registers.write
    if imu._on_spi:
        write(_I2C_IF, _I2C_IF_DIS)  # or what passes on the bus may look like I2C
    write(_PWR_MGMT_1, _AUTO_CLOCK)
    write(_PWR_MGMT_2, _GYRO_STANDBY)
    write(_CONFIG, _DLPF)
    write(_ACCEL_CONFIG2, _DLPF)
    write(_INT_PIN_CFG, _LATCHED)
    for axis in range(3):
        write(_ACCEL_WOM_X_THR + axis, code)
    sleep_ms(30)  # the accelerometer starts
    write(_ACCEL_INTEL_CTRL, _ON_CHANGE)
    write(_SMPLRT_DIV, _25_HZ)
    write(_PWR_MGMT_1, _AUTO_CLOCK | _CYCLE)
    sleep_ms(90)  # whatever the first sample is compared with, two of them have come before the interrupt may
    imu._registers.read(_INT_STATUS)
    write(_INT_ENABLE, _WOM)
    return code * _STEP_G, 0


def disarm(imu):
    """Motion detection and accelerometer off, INT low."""
    imu._reset()
