"""ST LSM6DS3TR-C, register by register, after its data sheet (DocID030071, section 9: registers; 5.5: FIFO) and AN5130
(section 8: FIFO).

Modelled: identity, reset and boot, data rates, output registers, the FIFO of words without tags with its pattern
counter, decimation and data sets 1, 2 (gyroscope, accelerometer) and 4 (time stamp), the time stamp, INT1 for the
FIFO; with `motion` the wake-up function, too (lsm6ds3trc_wake.py). Not modelled: filters and settling (the counts come
from the source as they are, whatever the full scale), temperature, embedded functions, sensor hub, BDU, INT2, the FIFO
modes that wait for a trigger.

Traps: 2048 words are no multiple of a frame, and an overrun takes single words: only FIFO_PATTERN tells which word
comes next; DIFF_FIFO has 11 bits, so that a full FIFO says 0 words (and OVER_RUN).
"""

from array import array

from .sampled import SampledChip

# Register addresses: data sheet section 8
FIFO_CTRL1 = 0x06
FIFO_CTRL2 = 0x07
FIFO_CTRL3 = 0x08
FIFO_CTRL4 = 0x09
FIFO_CTRL5 = 0x0A
INT1_CTRL = 0x0D
WHO_AM_I = 0x0F
CTRL1_XL = 0x10
CTRL2_G = 0x11
CTRL3_C = 0x12
CTRL10_C = 0x19
WAKE_UP_SRC = 0x1B
STATUS_REG = 0x1E
OUTX_L_G = 0x22
OUTZ_H_XL = 0x2D
FIFO_STATUS1 = 0x3A
FIFO_STATUS2 = 0x3B
FIFO_STATUS3 = 0x3C
FIFO_STATUS4 = 0x3D
FIFO_DATA_OUT_L = 0x3E
FIFO_DATA_OUT_H = 0x3F
TIMESTAMP0 = 0x40
TIMESTAMP2 = 0x42
WAKE_UP_DUR = 0x5C

_DEFAULTS = ((WHO_AM_I, 0x6A), (CTRL3_C, 0x04))
WORDS = 2048

# CTRL3_C (9.14)
_BOOT = 0x80
_H_LACTIVE = 0x20
_IF_INC = 0x04
_SW_RESET = 0x01
_SW_RESET_US = 50
_BOOT_US = 15000

_TIMER_EN = 0x20  # CTRL10_C (9.21)
_TIMER_HR = 0x10  # WAKE_UP_DUR (9.70): 25 us instead of 6.4 ms
_TIMER_PEDO_FIFO_EN = 0x80  # FIFO_CTRL2 (9.4): data set 4 is the time stamp
_STOP_ON_FTH = 0x80  # FIFO_CTRL4 (9.6)
_BYPASS = 0
_FIFO = 1
_CONTINUOUS = 6

_DECIMATION = (0, 1, 2, 3, 4, 8, 16, 32)  # DEC_FIFO_XL (9.5)
_CYCLE = 96  # after so many FIFO samples every pattern begins anew

# FIFO_STATUS2 (9.38), and INT1_CTRL's (9.10) bits for the same
_WATERM = 0x80
_OVER_RUN = 0x40
_FULL_SMART = 0x20
_EMPTY = 0x10
_INT1_FULL = 0x20
_INT1_OVR = 0x10
_INT1_FTH = 0x08


class LSM6DS3TRC(SampledChip):
    """The chip. Its oscillator makes samples and time stamps: 6 ticks of 25 us are one period at 6.66 kHz. `motion`:
    {"counts_per_g": of the source}, which gives it its wake-up function.
    """

    def __init__(self, clock, source, *, address=0x6A, cs=None, rate_ratio=1.0213, faults=None, int1=None, motion=None):
        super().__init__(clock, source, address, cs, rate_ratio, faults, int1)
        self._words = array("H", bytes(2 * WORDS))
        self._places = array("H", bytes(2 * WORDS))  # of each word in the pattern
        self._out = array("h", bytes(12))  # gyroscope, accelerometer
        self.wake = None
        if motion:
            from .lsm6ds3trc_wake import PlainWakeup

            self.wake = PlainWakeup(self, motion["counts_per_g"])
        self.power_on()

    def power_on(self):
        """Registers at their defaults, FIFO empty, everything off."""
        super().power_on()
        for i in range(128):
            self.registers[i] = 0
        for register, value in _DEFAULTS:
            self.registers[register] = value
        if "who_am_i" in self._faults:
            self.registers[WHO_AM_I] = self._faults["who_am_i"]
        for i in range(6):
            self._out[i] = 0
        self._sets = [0, 0, 0]  # decimation of gyroscope, accelerometer, time stamp; 0 = not in the FIFO
        self._each = [0, 0]  # each n-th sample is one of gyroscope, accelerometer; 0 = off
        self._fifo_every = 0
        self._timer_us = 0
        self._ready = 0
        self._busy_us = 0
        self._last = 0
        self.overwritten = 0  # words, for tests: the chip does not say
        if self.wake:
            self.wake.reset()
        self._clear_fifo()
        self.update_int1()

    def _clear_fifo(self):
        self.restart_rows()
        self.level = 0
        self._first = 0
        self._tick = 0  # FIFO samples so far, modulo _CYCLE
        self._place = 0  # of the next word in the pattern
        self._wait = 0  # samples until the next FIFO sample

    # Samples

    def _configure(self):
        """CTRL1_XL (9.12), CTRL2_G (9.13), FIFO_CTRL2..5 (9.4 to 9.7) were written."""
        registers = self.registers
        codes = (_rate(registers[CTRL2_G] >> 4), _rate(registers[CTRL1_XL] >> 4))
        base = max(codes)
        for i in range(2):
            self._each[i] = 1 << (base - codes[i]) if codes[i] else 0
        if self.wake and not self._each[1]:
            self.wake.reset()
        if not base:
            self.untouched = True
        fifo = _rate(registers[FIFO_CTRL5] >> 3 & 0x0F)
        self._fifo_every = 1 << max(0, base - fifo) if base and fifo else 0
        self._sets[0] = _DECIMATION[registers[FIFO_CTRL3] >> 3 & 7]
        self._sets[1] = _DECIMATION[registers[FIFO_CTRL3] & 7]
        stamps = registers[FIFO_CTRL2] & _TIMER_PEDO_FIFO_EN
        self._sets[2] = _DECIMATION[registers[FIFO_CTRL4] >> 3 & 7] if stamps else 0
        self.set_period(150 << (10 - base) if base else 0)

    def _mode(self):
        return self.registers[FIFO_CTRL5] & 7

    def _sample(self):
        self.source.row(self.row)
        counts = self.source.counts
        for sensor in range(2):
            if self._each[sensor] and self.samples % self._each[sensor] == 0:
                column = 3 - 3 * sensor
                for axis in range(3):
                    self._out[3 * sensor + axis] = counts[column + axis]
                self._ready |= 2 >> sensor
                if sensor and self.wake:
                    self.wake.take(counts)
        if self._mode() != _BYPASS and self._fifo_every:
            if not self._wait:
                self._wait = self._fifo_every
                self._store()
            self._wait -= 1

    def _store(self):
        """One FIFO sample: the words of all data sets whose turn it is."""
        if self._tick == 0:
            self._place = 0
        for i in range(2):
            if self._sets[i] and self._tick % self._sets[i] == 0:
                for axis in range(3):
                    self._put(self._out[3 * i + axis] & 0xFFFF)
        if self._sets[2] and self._tick % self._sets[2] == 0:
            stamp = self._stamp(self._due_us)
            self._put(stamp >> 8 & 0xFFFF)  # AN5130 8.8: bytes 1, 2; none, 0; steps
            self._put((stamp & 0xFF) << 8)
            self._put(0)
        self._tick = (self._tick + 1) % self._cycle()

    def _cycle(self):
        """FIFO samples after which the pattern begins anew."""
        cycle = _CYCLE
        for shorter in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48):
            if all(not n or shorter % n == 0 for n in self._sets):
                return shorter
        return cycle

    def _depth(self):
        stop = self.registers[FIFO_CTRL4] & _STOP_ON_FTH
        return self._threshold() if stop and self._threshold() else WORDS

    def _threshold(self):
        return self.registers[FIFO_CTRL1] | (self.registers[FIFO_CTRL2] & 7) << 8

    def _put(self, word):
        place = self._place
        self._place += 1
        if self.level >= self._depth():
            self.overwritten += 1
            if self._mode() == _FIFO:
                return
            self._first = (self._first + 1) % WORDS
            self.level -= 1
        at = (self._first + self.level) % WORDS
        self._words[at] = word
        self._places[at] = place
        self.level += 1

    def _skip(self, n):
        """Only whole cycles may be left out of the pattern."""
        if self._mode() == _BYPASS or not self._fifo_every:
            return
        made = (n - self._wait + self._fifo_every - 1) // self._fifo_every
        self._wait = (self._wait - n) % self._fifo_every
        words = 0
        cycle = self._cycle()
        for every in self._sets:
            words += 3 * (made // every) if every else 0
        self.overwritten += words
        self._tick = (self._tick + made) % cycle
        self._place = 0
        for tick in range(self._tick):
            for every in self._sets:
                if every and tick % every == 0:
                    self._place += 3

    # Time stamp

    def _stamp(self, now_us):
        if not self.registers[CTRL10_C] & _TIMER_EN:
            return 0
        tick_us = 25 if self.registers[WAKE_UP_DUR] & _TIMER_HR else 6400
        return int((now_us - self._timer_us) * self._rate_ratio / tick_us) & 0xFFFFFF

    # Registers

    def _next(self, register):
        if not self.registers[CTRL3_C] & _IF_INC:
            return register
        if register == FIFO_DATA_OUT_H:
            return FIFO_DATA_OUT_L  # AN5130 8.5: the address rolls back
        return register + 1 & 0x7F

    def _read(self, register):
        if self._busy_us and self.clock.now() >= self._ready_us:
            self._busy_us = 0
            self.registers[CTRL3_C] &= ~(_BOOT | _SW_RESET) & 0xFF
        if register == FIFO_DATA_OUT_L or register == FIFO_DATA_OUT_H:
            return self._read_word(register)
        if register == FIFO_STATUS1:
            return self.level & 0xFF
        if register == FIFO_STATUS2:
            return self._status2()
        if register == FIFO_STATUS3 or register == FIFO_STATUS4:
            place = self._places[self._first] if self.level else self._place
            if not self.level and not self._tick:
                place = 0
            return place >> 8 if register == FIFO_STATUS4 else place & 0xFF
        if TIMESTAMP0 <= register <= TIMESTAMP2:
            return self._stamp(self.clock.now()) >> 8 * (register - TIMESTAMP0) & 0xFF
        if register == STATUS_REG:
            return self._ready
        if register == WAKE_UP_SRC and self.wake:
            return self.wake.read_source()
        if OUTX_L_G <= register <= OUTZ_H_XL:
            i = register - OUTX_L_G
            self._ready &= ~(2 >> i // 6)
            return self._out[i // 2] >> 8 * (i & 1) & 0xFF
        return self.registers[register]

    def _read_word(self, register):
        """A word leaves with its high byte; an empty FIFO repeats the last one."""
        if self.level:
            self.untouched = False
            self._last = self._words[self._first]
            if register == FIFO_DATA_OUT_H:
                self._first = (self._first + 1) % WORDS
                self.level -= 1
        return self._last >> 8 if register == FIFO_DATA_OUT_H else self._last & 0xFF

    def _status2(self):
        status = self.level >> 8 & 7
        if not self.level:
            status |= _EMPTY
        if self._threshold() and self.level >= self._threshold():
            status |= _WATERM
        if self.level >= self._depth():
            status |= _OVER_RUN
        if self._nearly_full():
            status |= _FULL_SMART
        return status

    def _nearly_full(self):
        return self.level and self.level + self._most_words() >= self._depth()

    def _most_words(self):
        return sum(3 for every in self._sets if every)

    def _write(self, register, value):
        if register == WHO_AM_I or STATUS_REG <= register < TIMESTAMP2:
            return
        if register == TIMESTAMP2:
            if value == 0xAA:  # 9.42: resets the counter
                self._timer_us = self.clock.now()
            return
        if register == CTRL3_C and value & (_SW_RESET | _BOOT):
            if value & _SW_RESET:
                self.power_on()
            self.registers[CTRL3_C] |= value & (_SW_RESET | _BOOT)
            self._busy_us = _SW_RESET_US if value & _SW_RESET else _BOOT_US
            self._ready_us = self.clock.now() + self._busy_us
            return
        was = self.registers[register]
        self.registers[register] = value
        if register == CTRL10_C and value & ~was & _TIMER_EN:
            self._timer_us = self.clock.now()
        elif register == FIFO_CTRL5:
            self._change_mode(was & 7, value & 7)
        if register in (CTRL1_XL, CTRL2_G) or FIFO_CTRL1 <= register <= FIFO_CTRL5:
            self._configure()

    def _change_mode(self, was, mode):
        if mode not in (_BYPASS, _FIFO, _CONTINUOUS):
            raise NotImplementedError(f"LSM6DS3TR-C model: FIFO_MODE {mode} needs a trigger that nothing here makes")
        if mode != was and _BYPASS in (mode, was):
            self._clear_fifo()

    # INT1

    def _active_level(self):
        return 0 if self.registers[CTRL3_C] & _H_LACTIVE else 1

    def _pin(self):
        wanted = self.registers[INT1_CTRL]
        return (
            (self.wake and self.wake.interrupt())
            or (wanted & _INT1_FTH and self._threshold() and self.level >= self._threshold())
            or (wanted & _INT1_OVR and self.level >= self._depth())
            or (wanted & _INT1_FULL and self._nearly_full())
        )

    def _samples_to_event(self):
        if self.wake and self.wake.is_on():
            return 1
        words = self._most_words()
        if not words or not self._fifo_every or self._mode() == _BYPASS or self._pin():
            return 0
        wanted = self.registers[INT1_CTRL]
        missing = 0
        for bit, level in ((_INT1_FTH, self._threshold()), (_INT1_OVR, WORDS), (_INT1_FULL, WORDS - words)):
            if wanted & bit and level > self.level:
                missing = min(missing or WORDS, level - self.level)
        return self._wait + 1 + ((missing + words - 1) // words - 1) * self._fifo_every if missing else 0


def _rate(code):
    """A rate code, 0 = off: 1 is 12.5 Hz, each next one twice as fast, up to 10. (1.6 Hz, code 11, is left out.)"""
    return code if code <= 10 else 0
