"""ICM-42688-P accelerometer and gyroscope (TDK InvenSense), read through its FIFO.

Registers, bits and procedures are those of the data sheet DS-000347. Not offered: 20-bit packets, FSYNC, an external
clock, the motion functions.
"""

from drivers.bus import Registers
from drivers.fifo import STEADY, FifoDriver, choose, measured, swapped
from drivers.kernels import copy
from drivers.timing import Meter, muldiv, sleep_ms, ticks_diff, ticks_us

_DEVICE_CONFIG = 0x11
_INT_CONFIG = 0x14
_FIFO_CONFIG = 0x16
_INT_STATUS = 0x2D  # FIFO_COUNTH and FIFO_COUNTL follow: read together
_FIFO_DATA = 0x30
_SIGNAL_PATH_RESET = 0x4B
_PWR_MGMT0 = 0x4E
_GYRO_CONFIG0 = 0x4F
_ACCEL_CONFIG0 = 0x50
_TMST_CONFIG = 0x54
_FIFO_CONFIG1 = 0x5F
_FIFO_CONFIG2 = 0x60
_FIFO_CONFIG3 = 0x61
_INT_CONFIG1 = 0x64
_INT_SOURCE0 = 0x65
_FIFO_LOST_PKT0 = 0x6C  # low byte first, unlike the rest
_WHO_AM_I = 0x75
_REG_BANK_SEL = 0x76

_IDENTITY = 0x47
_SOFT_RESET = 0x01
_STREAM = 0x40  # FIFO_CONFIG: the oldest packets give way
_FIFO_FULL = 0x02  # INT_STATUS, cleared by reading it
_FIFO_FLUSH = 0x02
_GYRO_LOW_NOISE = 0x0C
_ACCEL_LOW_NOISE = 0x03
_ACCEL_LOW_POWER = 0x02
_STAMP_EN = 0x21  # TMST_CONFIG: TMST_EN and the reserved bit 5 as after reset; steps of 1 us, no FSYNC, no delta
_PARTIAL_READS = 0x60  # FIFO_CONFIG1: a read goes on where the last one ended; watermark also beyond the threshold
_INT1_ACTIVE_HIGH = 0x03  # push-pull, pulsed
_FIFO_THS_INT1 = 0x04

_FIFO_BYTES = 2048
_FIFO_MOST = 2080  # with its read cache
_EIO = 5

_RATES = {
    12.5: 11,
    25: 10,
    50: 9,
    100: 8,
    200: 7,
    500: 15,
    1000: 6,
    2000: 5,
    4000: 4,
    8000: 3,
    16000: 2,
    32000: 1,
}
_SLOW_RATES = {1.5625: 14, 3.125: 13, 6.25: 12}  # accelerometer alone, in low-power mode
_ACCEL = {2: 3, 4: 2, 8: 1, 16: 0}  # ACCEL_FS_SEL
_GYRO = {15.625: 7, 31.25: 6, 62.5: 5, 125: 4, 250: 3, 500: 2, 1000: 1, 2000: 0}  # GYRO_FS_SEL


class ICM42688(FifoDriver):
    """Frames of int16 ``ax ay az gx gy gz``, or the measured half; each exactly once, losses counted and placed.

    ``bus`` has the methods of ``machine.I2C`` (``address`` 0x68 or 0x69), or of ``machine.SPI`` when ``cs`` is given.
    ``measure`` holds "accel", "gyro" or both. With ``int_pin``, INT1 gives pulses while ``watermark`` frames or more
    wait (half the FIFO unless given): a hint, nothing here depends on it. ValueError for a rate or range that the
    chip lacks (1.5625 to 6.25 Hz are for the accelerometer alone), OSError when no ICM-42688-P answers.

    With both sensors each packet has a time stamp of the chip's own clock: its steps show where packets are missing
    and how many; how often its 16 bits wrapped meanwhile (each 65 ms) say the chip's count of lost packets and the
    host's clock. With one sensor there is no stamp: the chip says that it overflowed, the host's clock how much is
    lost (``lost_exact`` turns False).

    Packets that the chip marks invalid (-32768: a sensor that is still starting) are no frames: at the start they do
    not count, later they count as lost. Settling frames are kept (data sheet: gyroscope 30 ms, accelerometer 20 ms).
    """

    _NAME = "ICM-42688-P"
    _DATA = _FIFO_DATA

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
        accel, gyro = measured(self._NAME, measure)
        rates = dict(_RATES)
        if not gyro:
            rates.update(_SLOW_RATES)
        rate = choose(self._NAME, "rate_hz", rate_hz, rates)
        self._power = self._accel_config = self._gyro_config = 0
        if accel:
            self._accel_config = choose(self._NAME, "accel_range_g", accel_range_g, _ACCEL) << 5 | rate
            self._power = _ACCEL_LOW_POWER if rate_hz in _SLOW_RATES else _ACCEL_LOW_NOISE
        if gyro:
            self._gyro_config = choose(self._NAME, "gyro_range_dps", gyro_range_dps, _GYRO) << 5 | rate
            self._power |= _GYRO_LOW_NOISE
        self._both = accel and gyro
        size = 16 if self._both else 8
        self._kind = (0x40 if accel else 0) | (0x20 if gyro else 0)
        self._fifo_config1 = _PARTIAL_READS | (2 if gyro else 0) | (1 if accel else 0)
        frames = _FIFO_BYTES // size
        self._watermark = 0
        if int_pin is not None:
            self._watermark = frames // 2 if watermark is None else watermark
            if not 0 < self._watermark < frames:
                raise ValueError(f"watermark {watermark}: the {self._NAME} takes 1 to {frames - 1} frames")
        self._watermark *= size
        self._int_config1 = 0x60 if rate_hz >= 4000 else 0  # INT_ASYNC_RESET off; short pulses at the fastest rates
        self._status_bytes = bytearray(3)
        self._lost_bytes = bytearray(2)
        self._stamps = Meter(1000, 1)
        self._nominal_us = round(970000 / rate_hz)  # between 30 / 32 and 1: which one it is, the stamps will show
        self._prepare(
            Registers(bus, address=0x68 if address is None else address, cs=cs),
            rate_hz,
            accel_range_g / 32768 if accel else 0,
            gyro_range_dps / 32768 if gyro else 0,
            size,
            frames,
            swapped(1, 6 if self._both else 3),
        )
        self._reset()

    def _zero(self):
        super()._zero()
        self._stamp = -1  # of the last packet kept
        self._header = 0  # of packets, less the bits that change; 0 until the first
        self._period = 0  # ticks between two packets; 0 until it is known
        self._slack = 0
        self._step = 0  # ticks between the last two packets
        self._hint = 0  # packets missing in front of the next burst, about; the stamps know better
        self._told = 0  # packets lost, as the chip last told
        self._explained = False  # a gap is no surprise
        self._stamps.reset()

    def _reset(self):
        """Prove the chip, then give every register its default."""
        registers = self._registers
        for _ in range(3):  # it may not answer yet after power-up
            try:
                registers.write(_REG_BANK_SEL, 0)
                registers.expect(_WHO_AM_I, _IDENTITY, self._NAME)
                break
            except OSError:
                sleep_ms(5)
        else:
            registers.expect(_WHO_AM_I, _IDENTITY, self._NAME)
        registers.write(_DEVICE_CONFIG, _SOFT_RESET)
        for _ in range(20):  # takes 1 ms
            sleep_ms(2)
            if not registers.read(_DEVICE_CONFIG) & _SOFT_RESET:
                return
        raise OSError(_EIO, f"{registers.where(_DEVICE_CONFIG)}: the {self._NAME} does not finish its reset")

    def _set_up(self):
        self._reset()
        write = self._registers.write
        write(_INT_CONFIG, _INT1_ACTIVE_HIGH)
        write(_INT_CONFIG1, self._int_config1)
        write(_FIFO_CONFIG2, self._watermark & 0xFF)
        write(_FIFO_CONFIG3, self._watermark >> 8)
        write(_INT_SOURCE0, _FIFO_THS_INT1 if self._watermark else 0)
        if self._accel_config:
            write(_ACCEL_CONFIG0, self._accel_config)
        if self._gyro_config:
            write(_GYRO_CONFIG0, self._gyro_config)
        write(_TMST_CONFIG, _STAMP_EN)
        write(_FIFO_CONFIG1, self._fifo_config1)
        write(_FIFO_CONFIG, _STREAM)
        write(_SIGNAL_PATH_RESET, _FIFO_FLUSH)
        write(_PWR_MGMT0, self._power)
        sleep_ms(1)  # no register may be written for 200 us
        self._registers.read_into(_INT_STATUS, self._status_bytes)  # flags of yesterday, and the first count may be 0
        self._on_us = ticks_us()

    def _halt(self):
        on_ms = ticks_diff(ticks_us(), self._on_us) // 1000 if self._gyro_config else 45
        if 0 <= on_ms < 45:
            sleep_ms(45 - on_ms)  # the gyroscope must stay on at least so long
        self._registers.write(_PWR_MGMT0, 0)
        self._registers.write(_FIFO_CONFIG, 0)

    def _flush(self):
        self._explained = True
        self._registers.write(_SIGNAL_PATH_RESET, _FIFO_FLUSH)
        self._registers.read_into(_INT_STATUS, self._status_bytes)  # as at the start

    def _status(self):
        status = self._status_bytes
        self._registers.read_into(_INT_STATUS, status)
        count = status[1] << 8 | status[2]
        if count > _FIFO_MOST:
            where = self._registers.where(_INT_STATUS)
            raise OSError(_EIO, f"{where} shows {count} bytes of {_FIFO_BYTES}: the bus is disturbed")
        self._level = count // self._packet
        self._rest = count % self._packet
        self._flagged = status[0] & _FIFO_FULL != 0 or self._level >= self.fifo_frames

    def _size_loss(self, at_hand, us):
        if not self._stamped:
            super()._size_loss(at_hand, us)
            return
        self._explained = True
        told = self._lost_bytes
        self._registers.read_into(_FIFO_LOST_PKT0, told)
        lost = told[0] | told[1] << 8
        self._hint = self._made(us) - self._counted - at_hand
        if self._steady < STEADY and lost != self._told:  # no clock to believe, but the chip knows
            self._hint = max(1, lost - self._told)
        self._told = lost

    def _weigh(self, us):
        if not self._stamped:
            super()._weigh(us)
            return
        self._explained = True
        if self._steady >= STEADY:
            self._hint = max(0, self._made(self._us) - self._counted - self._level)

    def _inspect(self, n):
        """Walk a burst: invalid packets go, gaps are noted; a wrong header means that the FIFO is out of step."""
        raw = self._raw
        size = self._packet
        kept = 0
        ticks = 0
        steps = 0
        for i in range(self._in_step(n)):
            at = i * size
            if self._is_invalid(at):
                self._explained = True
                continue
            if self._both:
                stamp = raw[at + 14] << 8 | raw[at + 15]
                step = stamp - self._stamp & 0xFFFF
                if self._stamp < 0:
                    pass
                elif not self._stamped:
                    self._learn(step)
                elif abs(_wrapped(step - self._period)) > self._slack or self._hint:
                    self._place(kept, step)
                    ticks = steps = 0
                else:
                    ticks += self._period + _wrapped(step - self._period)
                    steps += 1
                self._stamp = stamp
            if kept != i:
                copy(raw, kept * size, raw, at, size)
            kept += 1
        if steps:
            self._stamps.add(ticks, steps)
        if kept:
            self._explained = False
        return kept

    def _in_step(self, n):
        """-> packets in front of the first wrong header, and of the packet that was torn."""
        raw = self._raw
        for i in range(n):
            at = i * self._packet
            header = raw[at] & 0xFC
            if not self._header and header & 0xF0 == self._kind:
                self._header = header
            if header != self._header:
                self._explained = True
                if raw[at] == 0xFF and raw[at + 1] == 0xFF:  # the FIFO is empty: the count was ahead of the packets
                    return i
                self._skewed = not self._torn
                self._torn = False
                return max(0, i - 1)
        if self._unsure and n == 1:  # one header may look right by chance
            self._skewed = True
            return 0
        self._unsure = False
        if self._torn:
            self._torn = False
            return n - 1
        return n

    def _is_invalid(self, at):
        raw = self._raw
        for k in range(1, 13 if self._both else 7, 6):
            if raw[at + k] == 0x80 and not raw[at + k + 1] and raw[at + k + 2] == 0x80 and not raw[at + k + 3]:
                if raw[at + k + 4] == 0x80 and not raw[at + k + 5]:
                    return True
        return False

    def _learn(self, step):
        """The period is known once two steps in a row agree. (It depends on the clock that the chip has found.)"""
        if 8 * abs(step - self._step) <= step and step and not self._explained:
            wraps = (self._nominal_us - step + 32768) >> 16  # below 15.3 Hz stamps wrap within a period
            self._period = step + (max(0, wraps) << 16)
            self._slack = min(self._period >> 3, 4096) + 1
            self._stamped = True
        self._step = step

    def _place(self, kept, step):
        """A gap in front of packet ``kept``: of the numbers of packets that the stamps allow, the one nearest to the
        hint."""
        period = self._period
        hint = self._hint
        self._hint = 0
        frames = min(max(0, hint), 1000000) + 1
        lost = frames + (_wrapped(step - self._ticks_of(frames)) + period // 2) // period - 1
        best = 65536
        for near in range(max(0, lost - 2), lost + 3):  # where stamps wrap within a few packets
            off = abs(_wrapped(step - self._ticks_of(near + 1)))
            if off < best:
                best = off
                lost = near
        if abs(_wrapped(step - period)) <= self._slack:
            if hint < -4:
                lost = max(lost, 1)  # it overflowed, says the chip, though the clock says it could not: nobody knows
        elif lost <= 0:
            lost = max(1, lost + (65536 + period // 2) // period)
        if lost <= 0:
            return
        if lost > 8 * self._stamps.frames or 4 * period * abs(lost - hint) > 65536 and self._explained:
            self.lost_exact = False
        if not self._explained:
            self.overruns += 1
            self._explained = True  # one event, however many gaps it leaves in this burst
        self._marks[2 * self._found] = kept
        self._marks[2 * self._found + 1] = lost
        self._found += 1
        self._counted += lost
        self._lossless = False

    def _ticks_of(self, frames):
        meter = self._stamps
        if meter.frames < 32:
            return frames * self._period
        return muldiv(frames, meter.ticks, meter.frames)


def _wrapped(ticks):
    """-> a difference of 16-bit stamps as -32768 .. 32767."""
    return (ticks + 0x8000 & 0xFFFF) - 0x8000
