"""Motion detection of the BMI270: while the board sleeps, INT1 rises when something moves.

The any-motion feature (data sheet BST-BMI270-DS000, section 4.8 and feature page 1: ANYMO_1, ANYMO_2; Bosch's
BMI270_SensorAPI) runs in the chip's own engine, out of the configuration file that the driver loads. 50 times per
second, the accelerometer being in its low-power mode, it compares the difference of a sample and a reference, the last
sample in which something moved or the first one, with a threshold: gravity does not count, but tilting does.
"""

from drivers.timing import sleep_ms

_INT_STATUS_0 = 0x1C
_FEAT_PAGE = 0x2F
_FEATURES = 0x30  # 16 registers of a page
_ACC_CONF = 0x40
_ACC_RANGE = 0x41
_INT1_IO_CTRL = 0x53
_INT_LATCH = 0x55
_INT1_MAP_FEAT = 0x56
_PWR_CONF = 0x7C
_PWR_CTRL = 0x7D

_PAGE = 1
_ANYMO_1 = 12  # in the page: duration in bits 12..0, x, y, z in 13 .. 15
_ANYMO_2 = 14  # threshold in bits 10..0, output in 14..11, enable in 15
_XYZ = 0xE0
_ENABLE = 0x80
_OUTPUT = 0x78
_ANY_MOTION = 0x40  # INT_STATUS_0, INT1_MAP_FEAT
_INT1_HIGH = 0x0A  # INT1_IO_CTRL: output, push-pull, active high
_50_HZ = 0x17  # ACC_CONF: the lowest rate of the engine; low-power filter, two samples averaged
_ACC_ON = 0x04
_SAVE = 0x03  # PWR_CONF: advanced power save, as after a reset
_STEPS_PER_G = 2048

RATE_HZ = 50


def wake_on_motion(imu, threshold_g, duration_s=0):
    """Let INT1 of ``imu`` (a driver that is not running) rise, and stay high, once the acceleration was more than
    ``threshold_g`` from its reference for longer than ``duration_s`` -> the threshold in g and the duration in s that
    the chip has. ``imu.start()`` ends it, and so does ``disarm``. ValueError for what the chip cannot do; takes 0.4 s.
    """
    code = max(1, round(threshold_g * _STEPS_PER_G))
    samples = round(duration_s * RATE_HZ)
    if code > 2047 or not 0 <= samples <= 250:
        raise ValueError(f"{threshold_g} g for {duration_s} s: the {imu._NAME} takes up to 0.999 g for up to 5 s")
    imu._reset()
    registers = imu._registers
    write = registers.write
    write(_ACC_CONF, _50_HZ)
    write(_ACC_RANGE, 0)
    write(_INT_LATCH, 1)
    write(_INT1_MAP_FEAT, _ANY_MOTION)
    write(_PWR_CTRL, _ACC_ON)
    sleep_ms(50)  # it starts: the first sample is the reference
    _set_feature(imu, samples + 1, code)
    write(_PWR_CONF, _SAVE)  # from here on writes need 450 us in front of them
    sleep_ms(50)
    imu._read(_INT_STATUS_0)
    write(_INT1_IO_CTRL, _INT1_HIGH)
    sleep_ms(1)
    return code / _STEPS_PER_G, samples / RATE_HZ


def _set_feature(imu, points, code):
    """Switch it on, for so many data points in a row above the threshold. A page is read and written as a whole."""
    registers = imu._registers
    registers.write(_FEAT_PAGE, _PAGE)
    page = bytearray(imu._dummy + 16)  # over SPI, a dummy byte comes first
    registers.read_into(_FEATURES, page)
    page = bytearray(1) + page[imu._dummy :]
    page[1 + _ANYMO_1] = points & 0xFF
    page[2 + _ANYMO_1] = _XYZ | points >> 8
    page[1 + _ANYMO_2] = code & 0xFF
    page[2 + _ANYMO_2] = _ENABLE | page[2 + _ANYMO_2] & _OUTPUT | code >> 8
    registers.write_many(_FEATURES, page)


def disarm(imu):
    """Motion detection and accelerometer off, INT1 low. The configuration stays loaded."""
    imu._registers.write(_PWR_CONF, 0)
    sleep_ms(1)
    imu._registers.write(_INT1_MAP_FEAT, 0)
    imu._halt()
