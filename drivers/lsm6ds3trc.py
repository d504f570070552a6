"""LSM6DS3TR-C accelerometer and gyroscope (ST), read through its FIFO.

Registers, bits and sensitivities are those of the data sheet DocID030071, procedures those of application note
AN5130. LSM6DSL and LSM6DSM have the same map. Not offered: the 1.6 Hz low-power rate, decimation, the sensor hub, the
step counter.
"""

from drivers.bus import Registers
from drivers.clocked import ClockedFifo
from drivers.fifo import choose, measured
from drivers.timing import sleep_ms, ticks_diff, ticks_us

_FIFO_CTRL1 = 0x06  # threshold, low 8 bits, in words of 16 bits
_FIFO_CTRL2 = 0x07  # threshold, high 3 bits
_FIFO_CTRL3 = 0x08  # decimation: gyroscope in bits 5..3, accelerometer in bits 2..0; 1 = none, 0 = not stored
_FIFO_CTRL4 = 0x09
_FIFO_CTRL5 = 0x0A  # rate in bits 6..3, mode in bits 2..0
_INT1_CTRL = 0x0D
_WHO_AM_I = 0x0F
_CTRL1_XL = 0x10
_CTRL2_G = 0x11
_CTRL3_C = 0x12
_CTRL10_C = 0x19
_FIFO_STATUS1 = 0x3A  # words waiting and flags, and the place of the next word in its frame: 4 registers
_FIFO_DATA_OUT_L = 0x3E  # a longer read goes on from 0x3F to 0x3E and takes the next word
_TIMESTAMP0 = 0x40  # 24 bits
_WAKE_UP_DUR = 0x5C

_IDENTITY = 0x6A
_CONTINUOUS = 6
_INT1_FTH = 0x08
_BDU_IF_INC = 0x44
_IF_INC_SW_RESET = 0x05
_TIMER_EN = 0x20
_TIMER_HR = 0x10  # the time stamp ticks every 25 us
_OVER_RUN = 0x40  # completely filled
_FIFO_EMPTY = 0x10

_FIFO_WORDS = 2048
_SOON_US = 2000
_EIO = 5

# Code 1 is 12.5 Hz and each next one twice as fast; the fastest is a sample every 6 ticks of 25 us
_RATES = (12.5, 26, 52, 104, 208, 416, 833, 1660, 3330, 6660)
_SAME_RATE = {417: 416, 1666: 1660, 1667: 1660, 3332: 3330, 3333: 3330, 6664: 6660, 6667: 6660}
_ACCEL = {2: (0x00, 0.061e-3), 4: (0x08, 0.122e-3), 8: (0x0C, 0.244e-3), 16: (0x04, 0.488e-3)}  # FS_XL, g per count
_GYRO = {  # FS_G and FS_125, deg/s per count
    125: (0x02, 4.375e-3),
    250: (0x00, 8.75e-3),
    500: (0x04, 17.5e-3),
    1000: (0x08, 35e-3),
    2000: (0x0C, 70e-3),
}
_GYRO_FIRST = bytes((6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5))


class LSM6DS3TRC(ClockedFifo):
    """Frames of int16 ``ax ay az gx gy gz``, or the measured half; each exactly once, losses counted and placed.

    ``bus`` has the methods of ``machine.I2C`` (``address`` 0x6A or 0x6B), or of ``machine.SPI`` when ``cs`` is given.
    ``measure`` holds "accel", "gyro" or both. With ``int_pin``, INT1 is high while ``watermark`` frames or more
    wait (half the FIFO unless given): a hint, nothing here depends on it. ValueError for a rate or range that the
    chip lacks, OSError when no LSM6DS3TR-C answers.

    The FIFO holds words without tags. 2048 of them are no whole number of frames, so an overflow leaves part of a
    frame in front: FIFO_PATTERN tells which, and it is dropped. How many frames are missing says the chip's time stamp
    (drivers/clocked.py). One sensor's frames go from the bus straight into the caller's buffer, if it is filled whole.

    The first frame is dropped (AN5130: the first sample acquired after a change of the FIFO's mode must be discarded).
    Settling frames are kept (the gyroscope needs 80 ms).
    """

    _NAME = "LSM6DS3TR-C"
    _DATA = _FIFO_DATA_OUT_L
    _GARBAGE = 1

    def __init__(
        self,
        bus,
        *,
        address=None,
        cs=None,
        int_pin=None,
        rate_hz=104,
        accel_range_g=4,
        gyro_range_dps=500,
        measure=("accel", "gyro"),
        watermark=None,
    ):
        accel, gyro = measured(self._NAME, measure)
        rate_hz = _SAME_RATE.get(rate_hz, rate_hz)
        rate = choose(self._NAME, "rate_hz", rate_hz, {hz: code + 1 for code, hz in enumerate(_RATES)})
        self._ctrl1_xl = self._ctrl2_g = accel_scale = gyro_scale = 0
        if accel:
            code, accel_scale = choose(self._NAME, "accel_range_g", accel_range_g, _ACCEL)
            self._ctrl1_xl = rate << 4 | code
        if gyro:
            code, gyro_scale = choose(self._NAME, "gyro_range_dps", gyro_range_dps, _GYRO)
            self._ctrl2_g = rate << 4 | code
        self._decimation = (8 if gyro else 0) | (1 if accel else 0)
        self._fifo_ctrl5 = rate << 3 | _CONTINUOUS
        self._frame_words = 3 * (accel + gyro)
        frames = _FIFO_WORDS // self._frame_words
        self.watermark = 0  # frames; may be set before start()
        if int_pin is not None:
            watermark = frames // 2 if watermark is None else watermark
            if not 0 < watermark < frames:
                raise ValueError(f"watermark {watermark}: the {self._NAME} takes 1 to {frames - 1} frames")
            self.watermark = watermark
        self._status_bytes = bytearray(4)
        self._stamp_bytes = bytearray(3)
        self._words = tuple(memoryview(bytearray(2 * n)) for n in range(6))
        self._prepare(
            Registers(bus, address=0x6A if address is None else address, cs=cs),
            rate_hz,
            accel_scale,
            gyro_scale,
            2 * self._frame_words,
            frames,
            _GYRO_FIRST if accel and gyro else None,
        )
        self._prepare_clock(6 << (10 - rate), 25)
        self._reset()

    def _reset(self):
        """Prove the chip, then give every register its default (AN5130, software reset)."""
        registers = self._registers
        for _ in range(3):  # it boots for up to 15 ms after power-up and may not answer meanwhile
            try:
                registers.expect(_WHO_AM_I, _IDENTITY, self._NAME)
                break
            except OSError:
                sleep_ms(8)
        else:
            registers.expect(_WHO_AM_I, _IDENTITY, self._NAME)
        registers.write(_CTRL2_G, 0)
        registers.write(_CTRL1_XL, 0)
        registers.write(_CTRL3_C, _IF_INC_SW_RESET)
        for _ in range(20):  # takes 50 us
            sleep_ms(1)
            if not registers.read(_CTRL3_C) & 1:
                break
        else:
            raise OSError(_EIO, f"{registers.where(_CTRL3_C)}: the {self._NAME} does not finish its reset")
        registers.write(_CTRL3_C, _BDU_IF_INC)

    def _set_up(self):
        self._reset()
        write = self._registers.write
        threshold = self.watermark * self._frame_words
        write(_FIFO_CTRL1, threshold & 0xFF)
        write(_FIFO_CTRL2, threshold >> 8)
        write(_FIFO_CTRL3, self._decimation)
        write(_FIFO_CTRL4, 0)
        write(_INT1_CTRL, _INT1_FTH if threshold else 0)
        write(_WAKE_UP_DUR, _TIMER_HR)
        write(_CTRL10_C, _TIMER_EN)
        write(_CTRL1_XL, self._ctrl1_xl)
        write(_CTRL2_G, self._ctrl2_g)
        write(_FIFO_CTRL5, self._fifo_ctrl5)

    def _halt(self):
        write = self._registers.write
        write(_FIFO_CTRL5, 0)
        write(_CTRL1_XL, 0)
        write(_CTRL2_G, 0)

    def _flush(self):
        self._registers.write(_FIFO_CTRL5, 0)
        self._registers.write(_FIFO_CTRL5, self._fifo_ctrl5)

    def _alive(self):
        return self._registers.read(_FIFO_CTRL5) == self._fifo_ctrl5

    def _status(self):
        for _ in range(3):
            us = ticks_us()
            words = self._read_words()
            stamp = self._stamp_bytes
            self._registers.read_into(_TIMESTAMP0, stamp)
            late = max(0, ticks_diff(ticks_us(), us))
            if late < _SOON_US:
                break  # else the time stamp may be much younger than the level
        self._ticks = stamp[0] | stamp[1] << 8 | stamp[2] << 16
        self._late = 2 + late // 22  # in ticks of a fast oscillator
        self._early = 1
        self._level = words // self._frame_words

    def _read_words(self):
        """-> words waiting, from the beginning of a frame on."""
        words = self._read_level()
        rest = self._place_in_frame()
        if rest and words and not self._flagged:  # the beginning of this frame was overwritten
            self._registers.read_into(_FIFO_DATA_OUT_L, self._words[rest])
            words = max(0, words - rest)
        return words

    def _read_level(self):
        """Read FIFO_STATUS1 .. 4 -> words waiting."""
        status = self._status_bytes
        self._registers.read_into(_FIFO_STATUS1, status)
        words = 0 if status[1] & _FIFO_EMPTY else (status[0] | (status[1] & 7) << 8) or _FIFO_WORDS  # 2048 reads 0
        self._flagged = status[1] & _OVER_RUN != 0 or words == _FIFO_WORDS
        return words

    def _place_in_frame(self):
        """-> words in front of the next frame's first."""
        place = self._status_bytes[2] | (self._status_bytes[3] & 3) << 8
        if place >= self._frame_words:
            where = self._registers.where(_FIFO_STATUS1)
            raise OSError(_EIO, f"{where} shows place {place} of {self._frame_words}: the bus is disturbed")
        return self._frame_words - place if place else 0
