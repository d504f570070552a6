"""BMI270 accelerometer and gyroscope (Bosch Sensortec), read through its FIFO.

Registers, bits and procedures are those of the data sheet BST-BMI270-DS000. The chip needs a configuration of 8192
bytes after each reset; it is Bosch's and not part of this file: the array `bmi270_config_file` in `bmi270.c` of
https://github.com/boschsensortec/BMI270_SensorAPI, as a binary file. Not offered: header mode, the auxiliary sensor,
the motion functions, the low-power modes.
"""

from drivers.bus import Registers
from drivers.clocked import ClockedFifo
from drivers.fifo import choose, measured
from drivers.timing import sleep_ms, ticks_diff, ticks_us

_CHIP_ID = 0x00
_SENSORTIME_0 = 0x18  # 24 bits of 39.0625 us; INT_STATUS_1 and FIFO_LENGTH follow: read together
_INTERNAL_STATUS = 0x21
_ACC_CONF = 0x40
_ACC_RANGE = 0x41
_GYR_CONF = 0x42
_GYR_RANGE = 0x43
_FIFO_DOWNS = 0x45
_FIFO_WTM_0 = 0x46
_FIFO_WTM_1 = 0x47
_FIFO_CONFIG_0 = 0x48
_FIFO_CONFIG_1 = 0x49
_INT1_IO_CTRL = 0x53
_INT_MAP_DATA = 0x58
_INIT_CTRL = 0x59
_INIT_ADDR_0 = 0x5B
_INIT_DATA = 0x5E
_PWR_CONF = 0x7C
_PWR_CTRL = 0x7D
_CMD = 0x7E

_SOFT_RESET = 0xB6
_FIFO_FLUSH = 0xB0
_FIFO_GYRO = 0x80  # FIFO_CONFIG_1: headerless
_FIFO_ACCEL = 0x40
_GYR_ON = 0x02  # PWR_CTRL
_ACC_ON = 0x04
_TEMP_ON = 0x08
_INT1_HIGH = 0x0A  # INT1_IO_CTRL: output, push-pull, active high
_FWM_INT1 = 0x02  # INT_MAP_DATA
_FILTERED = 0x88  # FIFO_DOWNS as after reset: filtered data, not decimated
_FILTER_PERFORMANCE = 0xA0  # ACC_CONF, GYR_CONF: performance filters in normal mode
_AVERAGE_1 = 0x00  # ACC_CONF at the rates that the performance filter lacks
_GYR_NORMAL = 0xE0  # ... and noise performance

_CONFIG_BYTES = 8192
_CHUNK = 32
_SOON_US = 2000
_EIO = 5
_ENODEV = 19

# Code 1 is 25/32 Hz and each next one twice as fast
_RATES = {25 / 32 * (1 << code): code + 1 for code in range(13)}
_SAME_RATE = {0.78: 0.78125, 1.56: 1.5625, 3.13: 3.125}


class BMI270(ClockedFifo):
    """Frames of int16 ``ax ay az gx gy gz``, or the measured half; each exactly once, losses counted and placed.

    ``bus`` has the methods of ``machine.I2C`` (``address`` 0x68 or 0x69), or of ``machine.SPI`` when ``cs`` is given.
    ``measure`` holds "accel", "gyro" or both; the gyroscope has 25 to 3200 Hz, the accelerometer up to 1600 Hz.
    ``config_file`` holds Bosch's configuration (see above). With ``int_pin``, INT1 is high while ``watermark`` frames
    or more wait (half the FIFO unless given): a hint, nothing here depends on it. ValueError for a rate or range that
    the chip lacks, OSError when no BMI270 answers, when the file is missing, or when the chip does not take it.

    The FIFO is read in headerless mode; how many frames were lost in an overflow says the chip's sensor time
    (drivers/clocked.py). One sensor's frames go from the I2C bus straight into the caller's buffer, if it is filled
    whole. At the start, frames in which a sensor is not ready yet (the chip writes a dummy instead) are dropped and do
    not count; what settles after that is kept.
    """

    _NAME = "BMI270"
    _CHIP = 0x24  # CHIP_ID
    _DATA = 0x26  # FIFO_DATA
    _STATUS_BYTES = 14  # SENSORTIME_0 .. FIFO_LENGTH_1
    _FULL = 0x01  # in INT_STATUS_1: FIFO full
    _FIFO_BYTES = 2048
    _WAKE = _CHIP_ID  # the register that is read first; on SPI this makes the chip listen to this bus
    _DUMMIES = 1  # bytes that go ahead of what was asked for, on SPI
    _ACCEL = {2: 0, 4: 1, 8: 2, 16: 3}
    _GYRO = {125: 4, 250: 3, 500: 2, 1000: 1, 2000: 0}

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
        config_file="/bmi270.bin",
    ):
        self._config_file = config_file
        self._choose(bus, address, cs, int_pin, rate_hz, accel_range_g, gyro_range_dps, measure, watermark)
        self._wake()
        self._open().close()

    def _choose(self, bus, address, cs, int_pin, rate_hz, accel_range_g, gyro_range_dps, measure, watermark):
        """Check the settings, make the buffers."""
        accel, gyro = measured(self._NAME, measure)
        rate_hz = _SAME_RATE.get(rate_hz, rate_hz)
        has = {hz: code for hz, code in _RATES.items() if (code <= 12 or not accel) and (code >= 6 or not gyro)}
        rate = choose(self._NAME, "rate_hz", rate_hz, has)
        self._acc_conf = self._gyr_conf = self._acc_range = self._gyr_range = 0
        if accel:
            self._acc_range = choose(self._NAME, "accel_range_g", accel_range_g, self._ACCEL)
            self._acc_conf = rate
        if gyro:
            self._gyr_range = choose(self._NAME, "gyro_range_dps", gyro_range_dps, self._GYRO)
            self._gyr_conf = rate
        self._fifo_config1 = (_FIFO_GYRO if gyro else 0) | (_FIFO_ACCEL if accel else 0)
        size = 6 * (accel + gyro)
        frames = self._FIFO_BYTES // size
        self.watermark = 0  # frames; may be set before start()
        if int_pin is not None:
            watermark = frames // 2 if watermark is None else watermark
            if not 0 < watermark < frames:
                raise ValueError(f"watermark {watermark}: the {self._NAME} takes 1 to {frames - 1} frames")
            self.watermark = watermark
        self._dummy = 0 if cs is None else self._DUMMIES
        order = bytes((6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5)) if accel and gyro else bytes(range(6))
        if self._dummy:
            order = bytes(at + 1 for at in order)
        self._prepare(
            Registers(bus, address=0x68 if address is None else address, cs=cs),
            rate_hz,
            accel_range_g / 32768 if accel else 0,
            gyro_range_dps / 32768 if gyro else 0,
            size,
            frames,
            order,
        )
        self._straight = size == 6 and not self._dummy  # a packet is a frame
        self._identity_order = order
        if self._dummy:
            self._raw = bytearray(1 + len(self._raw))
            whole = memoryview(self._raw)
            self._bursts = tuple(whole[: 1 + len(burst)] for burst in self._bursts)
        self._prepare_clock(1 << (16 - rate), 39.0625)
        self._one = bytearray(1 + self._dummy)
        self._status_bytes = bytearray(self._STATUS_BYTES + self._dummy)

    def _read(self, register):
        self._registers.read_into(register, self._one)
        return self._one[self._dummy]

    def _wake(self):
        """Prove the chip."""
        registers = self._registers
        for _ in range(3):  # it may not answer yet after power-up
            try:
                self._read(self._WAKE)
                if self._read(_CHIP_ID) == self._CHIP:
                    return
            except OSError:
                pass
            sleep_ms(2)
        found = self._read(_CHIP_ID)
        if found != self._CHIP:
            where = registers.where(_CHIP_ID)
            raise OSError(
                _ENODEV, f"{where} reads 0x{found:02X}, expected 0x{self._CHIP:02X}: no {self._NAME} answers there"
            )

    def _reset(self):
        """Give every register its default, and load the configuration (data sheet, initialization)."""
        registers = self._registers
        registers.write(_CMD, _SOFT_RESET)
        sleep_ms(3)
        self._wake()
        registers.write(_PWR_CONF, 0)  # no advanced power save
        sleep_ms(1)  # 450 us
        registers.write(_INIT_CTRL, 0)
        self._load()
        registers.write(_INIT_CTRL, 1)
        for _ in range(40):  # takes up to 20 ms
            sleep_ms(2)
            status = self._read(_INTERNAL_STATUS) & 15
            if status:
                break
        if status != 1:
            where = registers.where(_INTERNAL_STATUS)
            raise OSError(
                _EIO,
                f"{where} reads {status}, expected 1: the {self._NAME} does not accept the configuration in "
                f"{self._config_file}",
            )

    def _load(self):
        """Stream the configuration file into the chip."""
        write = self._registers.write_many
        chunk = bytearray(1 + _CHUNK)
        data = memoryview(chunk)[1:]
        with self._open() as file:
            for at in range(0, _CONFIG_BYTES, _CHUNK):
                file.readinto(data)
                write(_INIT_ADDR_0, bytearray((0, at >> 1 & 15, at >> 5)))  # in words of 16 bits
                write(_INIT_DATA, chunk)

    def _open(self):
        """-> the configuration file, of the right size."""
        try:
            file = open(self._config_file, "rb")
        except OSError as error:
            raise OSError(
                error.args[0],
                f"{self._NAME}: cannot read its configuration {self._config_file} ({error}); it is the array "
                "bmi270_config_file in bmi270.c of github.com/boschsensortec/BMI270_SensorAPI, as a binary file",
            ) from None
        size = file.seek(0, 2)
        file.seek(0)
        if size != _CONFIG_BYTES:
            file.close()
            raise ValueError(f"{self._config_file}: {size} bytes; the {self._NAME}'s configuration has {_CONFIG_BYTES}")
        return file

    def _set_up(self):
        self._reset()
        write = self._registers.write
        if self._acc_conf:
            write(_ACC_CONF, (_FILTER_PERFORMANCE if self._acc_conf >= 5 else _AVERAGE_1) | self._acc_conf)
            write(_ACC_RANGE, self._acc_range)
        if self._gyr_conf:
            write(_GYR_CONF, _GYR_NORMAL | self._gyr_conf)
            write(_GYR_RANGE, self._gyr_range)
        write(_FIFO_DOWNS, _FILTERED)
        threshold = self.watermark * self._packet
        write(_FIFO_WTM_0, threshold & 0xFF)
        write(_FIFO_WTM_1, threshold >> 8)
        write(_FIFO_CONFIG_0, 0)
        write(_FIFO_CONFIG_1, self._fifo_config1)
        if threshold:
            write(_INT1_IO_CTRL, _INT1_HIGH)
            write(_INT_MAP_DATA, _FWM_INT1)
        self._begin()
        write(_PWR_CTRL, self._power())

    def _power(self):
        return _TEMP_ON | (_ACC_ON if self._acc_conf else 0) | (_GYR_ON if self._gyr_conf else 0)

    def _begin(self):
        """An empty FIFO, whose first frames may be dummies."""
        self._starting = True
        self._order = self._identity_order
        self._flush()

    def _halt(self):
        self._registers.write(_PWR_CTRL, 0)
        self._registers.write(_CMD, _FIFO_FLUSH)

    def _inspect(self, n):
        """Drop the frames of the start in which a sensor is a dummy."""
        if not self._starting:
            return n
        first = 0
        while first < n and self._is_dummy(self._dummy + first * self._packet):
            first += 1
        if first < n:
            self._starting = False
            if self._straight:
                self._order = None
            at = self._dummy
            for i in range((n - first) * self._packet):
                self._raw[at + i] = self._raw[at + first * self._packet + i]
        return n - first

    def _is_dummy(self, at):
        """0x7F01 (accelerometer) or 0x7F02 (gyroscope), 0x8000, 0x8000."""
        raw = self._raw
        for k in range(at, at + self._packet, 6):
            if raw[k + 1] == 0x7F and (raw[k] == 1 or raw[k] == 2) and raw[k + 3] == 0x80 and not raw[k + 2]:
                if raw[k + 5] == 0x80 and not raw[k + 4]:
                    return True
        return False

    def _flush(self):
        self._registers.write(_CMD, _FIFO_FLUSH)

    def _alive(self):
        return self._read(_PWR_CTRL) == self._power()

    def _status(self):
        status = self._status_bytes
        at = self._dummy
        full = False
        for _ in range(3):
            us = ticks_us()
            self._registers.read_into(_SENSORTIME_0, status)
            took = max(0, ticks_diff(ticks_us(), us))
            full = full or status[at + 5] & self._FULL != 0
            if took < _SOON_US:
                break  # else the time may be much older than the length
        self._early = 2 + took // 35  # in ticks of a fast oscillator
        self._ticks = status[at] | status[at + 1] << 8 | status[at + 2] << 16
        at += self._STATUS_BYTES
        length = status[at - 2] | (status[at - 1] & 0x3F) << 8
        if length > self._FIFO_BYTES:
            where = self._registers.where(_SENSORTIME_0 + self._STATUS_BYTES - 2)
            raise OSError(_EIO, f"{where} shows {length} bytes of {self._FIFO_BYTES}: the bus is disturbed")
        self._level = length // self._packet
        self._flagged = full or self._level >= self.fifo_frames
