"""LSM6DSOX accelerometer and gyroscope (ST), read through its FIFO.

Registers and sensitivities: data sheet DS12814; procedures: application note AN5272. LSM6DSO answers the same. Not
offered: the 1.6 Hz low-power rate, FIFO compression, the sensor hub.
"""

from array import array

from drivers.bus import Registers
from drivers.kernels import copy, untag
from drivers.timing import Meter, sleep_ms, ticks_diff, ticks_us
from drivers.untag_state import COUNT, COUNTING, GYRO_AT, HAVE, LAST, MARKS, NONE, ORPHANS, STATE_SIZE, WANT

_FIFO_CTRL1 = 0x07  # watermark, low 8 bits
_FIFO_CTRL2 = 0x08  # watermark, bit 8
_FIFO_CTRL3 = 0x09  # batch rates: gyro in bits 7..4, accelerometer in bits 3..0
_FIFO_CTRL4 = 0x0A  # mode
_INT1_CTRL = 0x0D
_WHO_AM_I = 0x0F
_CTRL1_XL = 0x10
_CTRL2_G = 0x11
_CTRL3_C = 0x12
_CTRL9_XL = 0x18
_CTRL10_C = 0x19
_FIFO_STATUS1 = 0x3A  # level and flags; TIMESTAMP0..3 are 6 registers further
_FIFO_DATA_OUT_TAG = 0x78  # 7 registers; a longer read wraps from 0x7E to 0x78 and takes the next word

_BYPASS = 0
_CONTINUOUS = 6
_INT1_FIFO_TH = 0x08
_BDU_IF_INC = 0x44
_IF_INC_SW_RESET = 0x05
_I3C_DISABLE = 0xE2  # the reset value 0xE0 and I3C_DISABLE
_TIMESTAMP_EN = 0x20
_OVERRUN = 0x48  # FIFO_OVR_IA (overrun now), FIFO_OVR_LATCHED (overrun since the last read)

_FIFO_WORDS = 512
_BURST_POWER = 6
_BURST_WORDS = 1 << _BURST_POWER
_EIO = 5

# Code 1 is 12.5 Hz and each next one twice as fast, exactly 6667 Hz / 2 ** (10 - code)
_RATES = (12.5, 26, 52, 104, 208, 417, 833, 1667, 3333, 6667)
_SAME_RATE = {416: 417, 1660: 1667, 1666: 1667, 3330: 3333, 3332: 3333, 6660: 6667, 6664: 6667}
_ACCEL = {2: (0x00, 0.061e-3), 4: (0x08, 0.122e-3), 8: (0x0C, 0.244e-3), 16: (0x04, 0.488e-3)}  # FS_XL, g per count
_GYRO = {  # FS_G and FS_125, deg/s per count
    125: (0x02, 4.375e-3),
    250: (0x00, 8.75e-3),
    500: (0x04, 17.5e-3),
    1000: (0x08, 35e-3),
    2000: (0x0C, 70e-3),
}


def _choose(chip, key, value, table):
    """-> the entry of ``table`` for a setting, or ValueError listing those that there are."""
    if value not in table:
        raise ValueError(f"{key} {value}: the {chip} has {', '.join(str(v) for v in sorted(table))}")
    return table[value]


class LSM6DSOX:
    """Frames of int16 ``ax ay az gx gy gz``, or the measured half; each exactly once, losses counted and placed.

    ``bus`` has the methods of ``machine.I2C`` (``address`` 0x6A or 0x6B), or of ``machine.SPI`` when ``cs`` is given.
    ``measure`` holds "accel", "gyro" or both. With ``int_pin``, INT1 is high while ``watermark`` frames or more
    wait (half the FIFO unless given): a hint, nothing here depends on it. ValueError for a rate or range that the
    chip lacks, OSError when no LSM6DSOX answers.

    How a loss is found: the overrun flags say that there was one. The chip's time stamp, held against its frames
    as long as their number is known, says how many were made, good to one; the slot counter in the words' tags
    (modulo 4) makes that exact and shows the place. The same finds words that a broken transfer swallowed. Where
    stamp or counter stand still, or the bus is too slow, the number is an estimate: ``lost_exact`` turns False.

    A chip that lost its supply meanwhile (its time stamp begins at 0 again) is set up anew, by ``available()`` or
    ``readinto()``; what it did not measure in the meantime is a loss, estimated with the board's clock.

    Frames come as the chip makes them from ``start()`` on, its settling included (AN5272: the gyroscope needs 70 ms).
    """

    NAME = "LSM6DSOX"
    IDENTITY = 0x6C
    ACCEL = _ACCEL
    GYRO = _GYRO

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
        accel = "accel" in measure
        gyro = "gyro" in measure
        if not measure or len(measure) != accel + gyro:
            raise ValueError(f"measure {measure}: the {self.NAME} has accel, gyro")
        self.rate_hz = _SAME_RATE.get(rate_hz, rate_hz)
        rate = _choose(self.NAME, "rate_hz", self.rate_hz, {hz: code + 1 for code, hz in enumerate(_RATES)})
        self._ctrl1_xl = self._ctrl2_g = self._batch = 0
        self.channels = self.units = self.scale = ()
        if accel:
            code, scale = _choose(self.NAME, "accel_range_g", accel_range_g, self.ACCEL)
            self._ctrl1_xl = rate << 4 | code
            self._batch = rate
            self.channels = ("ax", "ay", "az")
            self.units = ("g",) * 3
            self.scale = (scale,) * 3
        if gyro:
            code, scale = _choose(self.NAME, "gyro_range_dps", gyro_range_dps, self.GYRO)
            self._ctrl2_g = rate << 4 | code
            self._batch |= rate << 4
            self.channels += ("gx", "gy", "gz")
            self.units += ("deg/s",) * 3
            self.scale += (scale,) * 3
        self._words_per_frame = accel + gyro
        self.frame_bytes = 6 * self._words_per_frame
        self.fifo_frames = _FIFO_WORDS // self._words_per_frame
        self.watermark = 0  # frames; may be set before start()
        if int_pin is not None:
            frames = self.fifo_frames // 2 if watermark is None else watermark
            if not 0 < frames < self.fifo_frames:
                raise ValueError(f"watermark {frames}: the {self.NAME} takes 1 to {self.fifo_frames - 1} frames")
            self.watermark = frames

        # A frame takes 2 ** (10 - code) / 6667 s, a time stamp tick nominally 1 / 40000 s
        frames_per_6667 = 1 << (10 - rate)
        self._chip_clock = Meter(40000 * frames_per_6667, 6667, slack=1)
        self._host_clock = Meter(1000000 * frames_per_6667, 6667)

        self._words = bytearray(7 * _BURST_WORDS)
        whole = memoryview(self._words)
        self._bursts = tuple(whole[: 7 << power] for power in range(_BURST_POWER + 1))
        self._odd_bursts = tuple(whole[: 7 * ((2 << power) - 1)] for power in range(_BURST_POWER))
        self._frames = bytearray(6 * _BURST_WORDS + 12)
        self._slot = bytearray(12)
        self._state = array("i", [0] * STATE_SIZE)
        self._marks = array("i", [0] * (2 * _BURST_WORDS + 2))
        self._status = bytearray(10)  # the last one, and when it was read ...
        self._host_us = ticks_us()
        self._front = bytearray(10)  # ... and the one in front of it
        self._front_us = self._host_us
        self._running = False
        self._zero()

        self._registers = Registers(bus, address=0x6A if address is None else address, cs=cs)
        self._reset()

    def start(self):
        """Begin with a chip set up anew, an empty FIFO and all counters at 0."""
        self._set_up()
        self._ask()
        self._zero()
        self._running = True

    def stop(self):
        """Sensors and FIFO off. What the FIFO held is gone; counters, and frames that were read already, stay."""
        self._running = False
        write = self._registers.write
        write(_FIFO_CTRL4, _BYPASS)
        write(_CTRL1_XL, 0)
        write(_CTRL2_G, 0)
        self._level = 0

    close = stop

    def available(self):
        """-> frames waiting; asks the chip."""
        self._raise_kept()
        if self._burst:
            self._settle()
        else:
            self._look()
            self._note_reference()
        self._produced = self._counted + self._coming(self._level)
        if self._doubt:
            self._produced = max(self._produced, self._made(self._status, self._host_us))
        return self._filled - self._next + self._waiting(self._level)

    def produced(self):
        """-> frames the sensor made until the last available(); an estimate while a loss is not settled."""
        return max(self._produced, self._handed)

    @property
    def held(self):
        """Of the frames waiting, those that are here already: INT1 rises when ``watermark`` more wait in the chip."""
        return self._filled - self._next

    def readinto(self, buf):
        """Fill ``buf`` with whole frames -> how many. Stops in front of a loss; the next call adds it to ``lost``."""
        self._raise_kept()
        size = self.frame_bytes
        room = len(buf) // size
        done = 0
        if self._burst:
            self._settle()
        elif self._next == self._filled and (self._flagged or self._level < self._words_per_frame):
            self._look()  # nothing waits, or the chip overwrites it meanwhile
        words = self._level  # what is there now; what comes while this is read waits for the next call
        while done < room:
            if self._next == self._filled:
                try:
                    read = self._fetch(words)
                    if not read:
                        break
                    words -= read
                except OSError as error:
                    if not done:
                        raise
                    self._error = error  # the frames at hand are good: first these, then the news
                    break
                continue
            end = self._filled
            if self._mark < self._found:
                end = self._marks[2 * self._mark]
                if end == self._next:
                    lost = self._marks[2 * self._mark + 1]
                    if done and lost:
                        break
                    self.lost += lost
                    self._handed += lost
                    self._mark += 1
                    continue
            n = min(room - done, end - self._next)
            copy(buf, done * size, self._frames, self._next * size, n * size)
            self._next += n
            self._handed += n
            done += n
        return done

    def _zero(self):
        self.lost = 0
        self.overruns = 0
        self.lost_exact = True
        self._counted = 0  # frames unpacked, and frames known to be lost
        self._handed = 0  # frames handed out, and frames lost in front of them
        self._produced = 0  # frames made until the last available(); 0 while not known
        self._level = 0  # words in the chip
        self._flagged = False  # the last status showed an overrun
        self._overrun = False  # an overrun was counted and its loss is not settled yet
        self._doubt = False  # words may be missing in front of the next one
        self._burst = 0  # words read, waiting for the status behind them
        self._filled = 0  # frames unpacked ...
        self._next = 0  # ... and the first of them not handed out
        self._found = 0  # marks: (frame, frames lost in front of it) ...
        self._mark = 0  # ... and the first of them not handed out
        self._error = None
        self._chip_clock.reset()
        self._host_clock.reset()
        self._clock = self._chip_clock
        self._set_reference(self._status, self._host_us, 0, False)
        self._dark = False  # the last status is that of a chip that was reset ...
        self._gone = False  # ... and it was, and is not set up anew yet
        state = self._state
        for i in range(STATE_SIZE):
            state[i] = 0
        state[WANT] = (2 if self._ctrl1_xl else 0) | (1 if self._ctrl2_g else 0)
        state[GYRO_AT] = 6 if self._ctrl1_xl else 0
        state[LAST] = NONE

    def _reset(self):
        """Prove the chip, then give every register its default (AN5272, software reset)."""
        registers = self._registers
        for left in range(20, -1, -1):  # it boots for up to 10 ms after power-up and may not answer meanwhile
            try:
                registers.expect(_WHO_AM_I, self.IDENTITY, self.NAME)
                break
            except OSError:
                if not left:
                    raise
                sleep_ms(1)
        registers.write(_CTRL2_G, 0)
        registers.write(_CTRL3_C, _IF_INC_SW_RESET)
        for _ in range(20):  # takes 50 us
            sleep_ms(1)
            if not registers.read(_CTRL3_C) & 1:
                break
        else:
            raise OSError(_EIO, f"{registers.where(_CTRL3_C)}: the {self.NAME} does not finish its reset")
        registers.write(_CTRL3_C, _BDU_IF_INC)
        registers.write(_CTRL9_XL, _I3C_DISABLE)

    def _set_up(self):
        self._reset()
        write = self._registers.write
        watermark = self.watermark * self._words_per_frame
        write(_FIFO_CTRL1, watermark & 0xFF)
        write(_FIFO_CTRL2, watermark >> 8)
        write(_FIFO_CTRL3, self._batch)
        write(_INT1_CTRL, _INT1_FIFO_TH if watermark else 0)
        write(_CTRL10_C, _TIMESTAMP_EN)
        write(_CTRL1_XL, self._ctrl1_xl)
        write(_CTRL2_G, self._ctrl2_g)
        write(_FIFO_CTRL4, _CONTINUOUS)

    def _raise_kept(self):
        error = self._error
        if error is not None:
            self._error = None
            raise error

    # One burst of words, the status behind it, and what the two say together.

    def _fetch(self, most):
        """Read and unpack one burst of at most ``most`` words -> words read; 0 when that makes no frame."""
        most = min(most, self._level)
        half = self._state[HAVE] != 0
        if most < (1 if half else self._words_per_frame):
            return 0
        # Whole slots only; if half a slot is here already (after an overrun), an odd number of words ends the imbalance
        power = 0
        while power < _BURST_POWER and 2 << power <= most:
            power += 1
        words = 1 << power
        view = self._bursts[power]
        if half:
            if power:
                power -= 1
            words = (2 << power) - 1
            view = self._odd_bursts[power]
        self._level -= words
        try:
            self._registers.read_into(_FIFO_DATA_OUT_TAG, view)
        except OSError:
            self._doubt = True  # the chip may have parted with words that did not arrive
            self._level = 0
            raise
        self._burst = words
        self._settle()
        return words

    def _look(self):
        """Ask the chip, no burst being under way; set it up anew if it lost everything."""
        self._ask()
        if self._flagged:
            self._doubt = True
        if self._gone or self._dark and self._registers.read(_FIFO_CTRL4) != _CONTINUOUS:
            self._gone = True
            self._revive()

    def _revive(self):
        """From here on the chip's clock counts anew, from the frame that the board's clock says."""
        frames = self._host_clock.frames_in(max(0, ticks_diff(self._host_us, self._reference_us)))
        self._set_up()
        self._ask()
        self._state[HAVE] = 0
        self._state[LAST] = NONE
        self._set_reference(self._status, self._host_us, self._reference_frames + frames, False)
        self._doubt = True
        self._gone = False

    def _ask(self):
        """Read level, flags and time stamp, in one transaction."""
        status = self._front
        self._registers.read_into(_FIFO_STATUS1, status)
        us = ticks_us()
        level = status[0] | (status[1] & 3) << 8
        if level > _FIFO_WORDS:
            where = self._registers.where(_FIFO_STATUS1)
            raise OSError(_EIO, f"{where} reads {level} words of {_FIFO_WORDS}: the bus is disturbed")
        self._front = self._status
        self._front_us = self._host_us
        self._status = status
        self._host_us = us
        self._level = level
        self._flagged = status[1] & _OVERRUN != 0
        if self._flagged and not self._overrun:
            self._overrun = True
            self.overruns += 1
        # A chip that was reset reads like this; so does one whose time stamp wraps at this very moment
        was = self._reference_low or self._reference_high
        self._dark = self._running and not level and was and not (status[6] or status[7] or status[8] or status[9])

    def _settle(self):
        """Look at a burst with the status behind it, unpack it and place what is missing in it.

        What the chip overwrote in one go lies in front of the burst: a FIFO that is being read has room. How much that
        is, the status behind the burst tells; or, if the FIFO is full again, the one in front of it, and the doubt
        stays for the next burst. Within a burst not more than the slot counter shows is missing.
        """
        left = self._level  # in the chip behind the burst, as the status in front of it told
        self._ask()
        full = self._flagged and self._level >= _FIFO_WORDS - 1
        doubt = self._doubt or self._flagged
        state = self._state
        marks = self._marks
        if doubt and state[HAVE]:
            state[HAVE] = 0  # the other half was the oldest word in the chip: it went first
            state[ORPHANS] += 1
        at_hand = self._waiting(left + self._burst)
        last = state[LAST]
        frames = untag(self._frames, self._words, self._burst, self._slot, state, marks)
        self._burst = 0
        self._filled = frames
        self._next = 0
        self._found = state[MARKS]
        self._mark = 0
        self._doubt = full or doubt and not frames
        if frames and (doubt or self._found):
            inside = 0
            for i in range(self._found):
                inside += marks[2 * i + 1] if marks[2 * i] else 0
            if full:
                self._place_loss(last, doubt, self._made(self._front, self._front_us), at_hand)
                if inside:  # it overwrites all the time: the bus is too slow
                    self.lost_exact = self._exact = False
            else:
                at_hand = frames + inside + self._coming(self._level)
                self._place_loss(last, doubt, self._made(self._status, self._host_us), at_hand)
                self._overrun = False
            self._counted += inside
            self._produced = 0
        self._counted += frames
        self._note_reference()

    def _place_loss(self, last, doubt, made, at_hand):
        """Count what is missing in front of the burst, in its first mark. ``last``: the slot counter in front of it;
        ``made``: frames by the clock, of which ``at_hand`` in the burst or behind it."""
        marks = self._marks
        if not self._found or marks[0]:
            for i in range(2 * self._found - 1, -1, -1):
                marks[i + 2] = marks[i]
            marks[0] = marks[1] = 0
            self._found += 1
        seen = marks[1]  # slots missing there, modulo 4
        lost = 0
        early = 0 if self._doubt else 1  # from a FIFO that overflows, frames may go until the burst begins
        if doubt or seen:
            lost = made - self._counted - at_hand
            # Is the clock right to 1.5 frames? Its phase is, to 1; its rate is, to 1 in the frames it measured
            if self._clock is not self._chip_clock or 2 * (made - self._reference_frames) > self._clock.frames:
                self._exact = False
            if self._state[COUNTING] and last != NONE:
                lost += ((seen - lost + early) & 3) - early  # to the nearest number that agrees with the slot counter
            else:
                self._exact = False
                if lost < 2 and not self._overrun:
                    lost = 0
            self.lost_exact = self.lost_exact and self._exact
        marks[1] = max(lost, seen)
        self._counted += marks[1]

    def _waiting(self, level):
        """-> whole frames that ``level`` words in the chip will make."""
        return (level + (1 if self._state[HAVE] else 0)) // self._words_per_frame

    def _coming(self, level):
        """-> frames behind the last one unpacked: those waiting, and slots in front of them that lack a word."""
        state = self._state
        broken = 0
        if state[ORPHANS] and state[LAST] != NONE:
            broken = (state[COUNT] - state[LAST] - 1) & 3 if state[HAVE] and state[COUNTING] else 1
        return broken + self._waiting(level)

    def _note_reference(self):
        """Make the last status the reference, if every frame up to it is accounted for."""
        if not (self._doubt or self._dark or self._state[LAST] == NONE):
            self._set_reference(self._status, self._host_us, self._counted + self._coming(self._level))

    def _set_reference(self, status, us, frames, known=True):
        """Count from this status on, until which so many ``frames`` were made: the clocks are measured by that."""
        if known and self._exact:
            made = frames - self._reference_frames
            self._clock.add(self._ticks(status, us), made)
            if self._clock is not self._host_clock:
                self._host_clock.add(ticks_diff(us, self._reference_us), made)
        self._reference_low = status[6] | status[7] << 8
        self._reference_high = status[8] | status[9] << 8
        self._reference_us = us
        self._reference_frames = frames
        self._exact = known  # the reference is, and what was lost since

    def _made(self, status, us):
        """-> frames made until a status, by the clock."""
        return self._reference_frames + self._clock.frames_in(self._ticks(status, us))

    def _ticks(self, status, us):
        """-> 0 .. 2**30 - 1 from the reference to a status; 0 if that was in front of it.

        The time stamp is taken in halves: its 32 bits are no small int on a 32-bit port.
        """
        if self._clock is self._chip_clock:
            low = (status[6] | status[7] << 8) - self._reference_low
            high = (status[8] | status[9] << 8) - self._reference_high
            if low < 0:
                low += 0x10000
                high -= 1
            high &= 0xFFFF
            if low or high:
                return 0 if high & 0x8000 else min(high, 0x3FFF) << 16 | low
            if status is not self._status or self._counted + self._waiting(self._level) - self._reference_frames < 4:
                return 0
            self._clock = self._host_clock  # frames come, yet the time stamp stands still
        return max(0, ticks_diff(us, self._reference_us))
