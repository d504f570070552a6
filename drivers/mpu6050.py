"""MPU-6050 accelerometer and gyroscope (InvenSense), read through its FIFO.

Registers, bits and procedures are those of the register map RM-MPU-6000A and the data sheet PS-MPU-6000A. Not offered:
the motion processor, the auxiliary I2C bus, the cycled low-power mode.
"""

from drivers.bus import Registers
from drivers.fifo import FifoDriver, choose, measured, swapped
from drivers.timing import sleep_ms

_SMPLRT_DIV = 0x19
_CONFIG = 0x1A
_GYRO_CONFIG = 0x1B
_ACCEL_CONFIG = 0x1C
_FIFO_EN = 0x23
_INT_PIN_CFG = 0x37
_INT_ENABLE = 0x38
_INT_STATUS = 0x3A
_USER_CTRL = 0x6A
_PWR_MGMT_1 = 0x6B
_PWR_MGMT_2 = 0x6C
_FIFO_COUNTH = 0x72  # FIFO_COUNTL follows; reading the first latches both
_FIFO_R_W = 0x74
_WHO_AM_I = 0x75

_DEVICE_RESET = 0x80
_SLEEP = 0x40
_PLL_GYRO_X = 0x01  # "highly recommended" clock, as long as the gyroscope runs
_ACCEL_STANDBY = 0x38
_GYRO_STANDBY = 0x07
_FIFO_RUN = 0x40  # USER_CTRL
_FIFO_RESET = 0x04  # works only while FIFO_RUN is 0
_FIFO_OVERFLOW = 0x10  # INT_STATUS, cleared by reading it
_DATA_READY = 0x01

_EIO = 5

_ACCEL = {2: 0, 4: 1, 8: 2, 16: 3}  # AFS_SEL
_GYRO = {250: 0, 500: 1, 1000: 2, 2000: 3}  # FS_SEL
_BANDWIDTHS = (188, 98, 42, 20, 10, 5)  # gyroscope's, in Hz, for DLPF_CFG 1 .. 6


class MPU6050(FifoDriver):
    """Frames of int16 ``ax ay az gx gy gz``, or the measured half; each exactly once, losses counted.

    ``bus`` has the methods of ``machine.I2C`` (``address`` 0x68 or 0x69). ``measure`` holds "accel", "gyro" or both.
    ``rate_hz``: 1000 / n for n = 1 .. 256 (fractions to 0.01 Hz); for the gyroscope alone also 8000 / n down to
    1000. The low-pass filter is the widest one of at most half the rate. With ``int_pin``, INT gives a pulse for each
    frame (the chip has no watermark): a hint, nothing here depends on it. ValueError for a rate or range that the
    chip lacks, OSError when no MPU-6050 answers.

    An overflow overwrites single bytes, so that frames are out of step: whatever the FIFO holds then is dropped and the
    FIFO starts anew. The chip tells no time: how much was lost says the host's clock (``lost_exact`` turns False).
    Each burst is held back until the chip says that it did not overflow meanwhile. Frames come as the chip makes them
    from ``start()`` on, its settling included (gyroscope: 30 ms).
    """

    _NAME = "MPU-6050"
    _DATA = _FIFO_R_W
    _FLUSHES = True
    _IDENTITY = 0x68
    _FIFO_BYTES = 1024
    _HAS_SPI = False
    _FAST = 8000  # the gyroscope's rate without a low-pass filter, ...
    _FAST_DIVIDED = 8  # ... and up to what it can be divided to get more than 1 kHz

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
    ):
        accel, gyro = measured(self._NAME, measure)
        if cs is not None and not self._HAS_SPI:
            raise ValueError(f"cs {cs}: the {self._NAME} has no SPI")
        self._set_rate(rate_hz, accel)
        accel_scale = gyro_scale = 0
        self._accel_config = self._gyro_config = 0
        self._standby = 0
        if accel:
            self._accel_config = choose(self._NAME, "accel_range_g", accel_range_g, _ACCEL) << 3
            accel_scale = accel_range_g / 32768
        else:
            self._standby |= _ACCEL_STANDBY
        if gyro:
            self._gyro_config = choose(self._NAME, "gyro_range_dps", gyro_range_dps, _GYRO) << 3
            gyro_scale = gyro_range_dps / 32768
        else:
            self._standby |= _GYRO_STANDBY
        self._pin = int_pin is not None
        self._fifo_en, size, order = self._packets(accel, gyro)
        self._count_bytes = bytearray(2)
        self._prepare(
            Registers(bus, address=0x68 if address is None else address, cs=cs),
            self.rate_hz,
            accel_scale,
            gyro_scale,
            size,
            self._FIFO_BYTES // size,
            order,
        )
        self._reset()

    def _set_rate(self, rate_hz, accel):
        fast = rate_hz > 1000 and not accel
        base = self._FAST if fast else 1000
        most = self._FAST_DIVIDED - 1 if fast else 256
        n = round(base / rate_hz) if rate_hz > 0 else 0
        if not 1 <= n <= most or abs(base / n - rate_hz) > 0.0051:
            have = ", ".join(str(1000 // k) for k in range(256, 0, -1) if 1000 % k == 0)
            have = f"1000 / n for n = 1 to 256 ({have}, ...)"
            if not accel:
                have += f", and {self._FAST} / n for n = 1 to {self._FAST_DIVIDED - 1}"
            raise ValueError(f"rate_hz {rate_hz}: the {self._NAME} has {have}")
        self._divider = n - 1
        self.rate_hz = base / n if base % n else base // n
        self._filter = 0
        if not fast:
            wide = [i for i, hz in enumerate(_BANDWIDTHS) if 2 * hz <= rate_hz]
            self._filter = 1 + (wide[0] if wide else len(_BANDWIDTHS) - 1)

    def _packets(self, accel, gyro):
        """-> FIFO_EN, bytes per packet, order of its bytes in a frame."""
        words = 3 * (accel + gyro)
        return (0x08 if accel else 0) | (0x70 if gyro else 0), 2 * words, swapped(0, words)

    def _reset(self):
        """Prove the chip, then give every register its default."""
        registers = self._registers
        for _ in range(3):  # it may not answer for 100 ms after power-up
            try:
                registers.expect(_WHO_AM_I, self._IDENTITY, self._NAME)
                break
            except OSError:
                sleep_ms(50)
        else:
            registers.expect(_WHO_AM_I, self._IDENTITY, self._NAME)
        registers.write(_PWR_MGMT_1, _DEVICE_RESET)
        for _ in range(10):
            sleep_ms(100)  # the register map wants 100 ms
            if not registers.read(_PWR_MGMT_1) & _DEVICE_RESET:
                return
        raise OSError(_EIO, f"{registers.where(_PWR_MGMT_1)}: the {self._NAME} does not finish its reset")

    def _set_up(self):
        self._reset()
        write = self._registers.write
        write(_PWR_MGMT_1, self._clock_source())
        sleep_ms(10)  # the clock changes
        write(_PWR_MGMT_2, self._standby)
        write(_SMPLRT_DIV, self._divider)
        write(_CONFIG, self._filter)
        write(_GYRO_CONFIG, self._gyro_config)
        write(_ACCEL_CONFIG, self._accel_config)
        self._configure_more(write)
        write(_INT_PIN_CFG, 0)
        write(_INT_ENABLE, _DATA_READY if self._pin else 0)
        sleep_ms(50)  # gyroscope and accelerometer start
        self._flush()
        write(_FIFO_EN, self._fifo_en)

    def _clock_source(self):
        return 0 if self._standby & _GYRO_STANDBY else _PLL_GYRO_X

    def _configure_more(self, write):
        pass

    def _halt(self):
        write = self._registers.write
        write(_FIFO_EN, 0)
        write(_USER_CTRL, 0)
        write(_PWR_MGMT_1, _SLEEP)

    def _flush(self):
        """Empty the FIFO and let it go on with a whole packet."""
        registers = self._registers
        registers.write(_USER_CTRL, 0)
        registers.write(_USER_CTRL, _FIFO_RESET)
        registers.read(_INT_STATUS)
        registers.write(_USER_CTRL, _FIFO_RUN)

    def _status(self):
        """The count in one burst, behind it the flag: an overflow in between is seen now, not never."""
        count = self._count_bytes
        self._registers.read_into(_FIFO_COUNTH, count)
        level = count[0] << 8 | count[1]
        if level > self._FIFO_BYTES:
            where = self._registers.where(_FIFO_COUNTH)
            raise OSError(_EIO, f"{where} reads {level} bytes of {self._FIFO_BYTES}: the bus is disturbed")
        flags = self._registers.read(_INT_STATUS)
        self._level = level // self._packet
        self._rest = level % self._packet
        self._flagged = flags & _FIFO_OVERFLOW != 0 or self._rest != 0 and self._level == self.fifo_frames
