"""Motion detection of the LIS3DH and LIS2DH12: while the board sleeps, INT1 rises when something moves.

Interrupt generator 1 (data sheet DocID17530, registers INT1_CFG, INT1_THS, INT1_DURATION; AN3308, "Wake-up") compares
the high-pass filtered acceleration, 25 samples per second, cut-off at 0.5 Hz, with a threshold: gravity does not count.
"""

from drivers.timing import sleep_ms

_CTRL_REG1 = 0x20
_CTRL_REG2 = 0x21
_CTRL_REG3 = 0x22
_CTRL_REG5 = 0x24
_REFERENCE = 0x26
_INT1_CFG = 0x30
_INT1_SRC = 0x31
_INT1_THS = 0x32
_INT1_DURATION = 0x33

_400_HZ = 0x77  # CTRL_REG1, all three axes, 10 bits (CTRL_REG4 is 0: normal mode, 2 g) ...
_25_HZ = 0x37
_HP_IA1 = 0x01  # the filter, in its normal mode, for this generator
_I1_IA1 = 0x40
_LATCHED = 0x08
_ANY_AXIS_HIGH = 0x2A
_STEP_G = 0.016  # INT1_THS at a full scale of 2 g

RATE_HZ = 25


def wake_on_motion(imu, threshold_g, duration_s=0):
    """Let INT1 of ``imu`` (a driver that is not running) rise, and stay high, once the acceleration without gravity was
    above ``threshold_g`` for longer than ``duration_s`` -> the threshold in g and the duration in s that the chip has.
    ``imu.start()`` ends it, and so does ``disarm``. ValueError for what the chip cannot do; takes 18 ms.
    """
    code = max(1, round(threshold_g / _STEP_G))
    samples = round(duration_s * RATE_HZ)
    if code > 127 or not 0 <= samples <= 127:
        raise ValueError(f"{threshold_g} g for {duration_s} s: the {imu._NAME} takes up to 2.03 g for up to 5 s")
    imu._reset()
    registers = imu._registers
    registers.write(_INT1_CFG, 0)
    registers.write(_CTRL_REG2, _HP_IA1)
    registers.write(_CTRL_REG3, _I1_IA1)
    registers.write(_CTRL_REG5, _LATCHED)
    registers.write(_INT1_THS, code)
    registers.write(_INT1_DURATION, samples)
    registers.write(_CTRL_REG1, _400_HZ)
    sleep_ms(8)  # a first sample, which the filter takes for 0 when it is reset
    registers.write(_CTRL_REG1, _25_HZ)
    registers.read(_REFERENCE)
    registers.read(_INT1_SRC)
    registers.write(_INT1_CFG, _ANY_AXIS_HIGH)
    return code * _STEP_G, samples / RATE_HZ


def disarm(imu):
    """Motion detection and accelerometer off, INT1 low."""
    imu._reset()
    imu._registers.write(_INT1_CFG, 0)
