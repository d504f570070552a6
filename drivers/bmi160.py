"""BMI160 accelerometer and gyroscope (Bosch Sensortec), read through its FIFO.

Registers, bits and procedures are those of the data sheet BST-BMI160-DS000. Not offered: header mode, the
magnetometer interface, the motion functions, the low-power modes.
"""

from drivers.bmi270 import BMI270
from drivers.timing import sleep_ms

_ACC_CONF = 0x40
_ACC_RANGE = 0x41
_GYR_CONF = 0x42
_GYR_RANGE = 0x43
_FIFO_CONFIG_0 = 0x46  # watermark, in units of 4 bytes
_FIFO_CONFIG_1 = 0x47
_INT_EN_1 = 0x51
_INT_OUT_CTRL = 0x53
_INT_MAP_1 = 0x56
_CMD = 0x7E

_SOFT_RESET = 0xB6
_ACC_NORMAL = 0x11
_ACC_SUSPEND = 0x10
_GYR_NORMAL = 0x15
_GYR_SUSPEND = 0x14
_BANDWIDTH_NORMAL = 0x20  # ACC_CONF, GYR_CONF
_UNDERSAMPLING = 0x80  # ACC_CONF at the rates that the filter lacks: one sample of each, not averaged
_INT1_HIGH = 0x0A  # INT_OUT_CTRL: output, push-pull, active high
_FWM = 0x40  # INT_EN_1, INT_MAP_1: FIFO watermark, on INT1


class BMI160(BMI270):
    """Frames of int16 ``ax ay az gx gy gz``, or the measured half; each exactly once, losses counted and placed.

    ``bus`` has the methods of ``machine.I2C`` (``address`` 0x68 or 0x69), or of ``machine.SPI`` when ``cs`` is given.
    ``measure`` holds "accel", "gyro" or both; the gyroscope has 25 to 3200 Hz, the accelerometer up to 1600 Hz. With
    ``int_pin``, INT1 is high while ``watermark`` frames or more wait (half the FIFO unless given): a hint, nothing
    here depends on it. ValueError for a rate or range that the chip lacks, OSError when no BMI160 answers.

    Losses and settling are as with the BMI270; frames from the start on, the gyroscope needs 80 ms.
    """

    _NAME = "BMI160"
    _CHIP = 0xD1
    _DATA = 0x24
    _STATUS_BYTES = 12
    _FULL = 0x20
    _FIFO_BYTES = 1024
    _WAKE = 0x7F
    _DUMMIES = 0
    _ACCEL = {2: 3, 4: 5, 8: 8, 16: 12}

    def __init__(
        self,
        bus,
        *,
        address=None,
        cs=None,
        int_pin=None,
        rate_hz=100,
        accel_range_g=4,
        gyro_range_dps=500,
        measure=("accel", "gyro"),
        watermark=None,
    ):
        self._choose(bus, address, cs, int_pin, rate_hz, accel_range_g, gyro_range_dps, measure, watermark)
        self._wake()

    def _set_up(self):
        write = self._registers.write
        write(_CMD, _SOFT_RESET)
        sleep_ms(15)
        self._wake()
        if self._acc_conf:
            write(_CMD, _ACC_NORMAL)
            sleep_ms(5)  # 3.8 ms
        if self._gyr_conf:
            write(_CMD, _GYR_NORMAL)
            sleep_ms(81)  # 80 ms
        if self._acc_conf:
            write(_ACC_CONF, self._acc_conf | (_BANDWIDTH_NORMAL if self._acc_conf >= 5 else _UNDERSAMPLING))
            sleep_ms(1)
            write(_ACC_RANGE, self._acc_range)
            sleep_ms(1)
        if self._gyr_conf:
            write(_GYR_CONF, self._gyr_conf | _BANDWIDTH_NORMAL)
            sleep_ms(1)
            write(_GYR_RANGE, self._gyr_range)
            sleep_ms(1)
        threshold = self.watermark * self._packet // 4
        if threshold:
            write(_FIFO_CONFIG_0, min(threshold, 255))
            write(_INT_OUT_CTRL, _INT1_HIGH)
            write(_INT_MAP_1, _FWM)
            write(_INT_EN_1, _FWM)
        write(_FIFO_CONFIG_1, self._fifo_config1)
        sleep_ms(1)
        self._begin()

    def _halt(self):
        self._registers.write(_CMD, _GYR_SUSPEND)
        sleep_ms(1)
        self._registers.write(_CMD, _ACC_SUSPEND)
        sleep_ms(1)
        self._registers.write(_FIFO_CONFIG_1, 0)

    def _alive(self):
        return self._read(_FIFO_CONFIG_1) == self._fifo_config1
