"""The LSM6DSOX's FIFO: 512 words of a tag byte and six data bytes (DS12814 section 6.5, registers 9.3 to 9.6, 9.37,
9.38, 9.71; AN5272 section 9).

A time slot is a sample of the faster batched sensor. In each slot the words are written in the order time stamp,
gyroscope, accelerometer; they share TAG_CNT, which counts slots modulo 4. Each sensor is batched at the lower of its
data rate and its batch data rate; a sensor that is off is not batched.
"""

WORDS = 512
WORD_BYTES = 7

# Registers of this module's business
_FIFO_CTRL1 = 0x07
_FIFO_CTRL2 = 0x08
_FIFO_CTRL3 = 0x09
_FIFO_CTRL4 = 0x0A
_STOP_ON_WTM = 0x80  # FIFO_CTRL2 (9.4)

# FIFO_CTRL4 (9.6): FIFO_MODE and DEC_TS_BATCH
BYPASS = 0
FIFO = 1
CONTINUOUS = 6
_TIMESTAMP_EVERY = (0, 1, 8, 32)

# FIFO_DATA_OUT_TAG (9.71): TAG_SENSOR
_TAG_GYRO = 1
_TAG_ACCEL = 2
_TAG_TIMESTAMP = 4

# FIFO_STATUS2 (9.38); the first three are INT1_CTRL's INT1_FIFO_TH, _OVR, _FULL in other places
_WTM_IA = 0x80
_OVR_IA = 0x40
_FULL_IA = 0x20
_OVR_LATCHED = 0x08
_INT1_FULL = 0x20
_INT1_OVR = 0x10
_INT1_TH = 0x08

_SKIP = 4096  # slots behind which a continuous FIFO's content can only be younger

# Ticks per sample by the code in ODR_XL / ODR_G (9.12, 9.13) and BDR_XL / BDR_GY (9.5); 0 = off or not allowed.
# Code 1011 is 1.6 Hz for the accelerometer, and nothing (ODR_G) or 6.5 Hz (BDR_GY) for the gyroscope.
_TICKS = (0, 3072, 1536, 768, 384, 192, 96, 48, 24, 12, 6)
TICKS_1_6_HZ = 24576
_TICKS_6_5_HZ = 6144


def ticks_per_sample(code, slow=0):
    """Ticks of 25 us between two samples at a rate code; `slow`: what code 1011 means."""
    if code == 0x0B:
        return slow
    return _TICKS[code] if code <= 0x0A else 0


class Fifo:
    """The FIFO of `chip`. `level`: unread words; `overwritten`: words lost so far (for tests; the real chip does not
    say).
    """

    def __init__(self, chip):
        self._chip = chip
        self._words = bytearray(WORDS * WORD_BYTES)
        self.reset()

    def reset(self):
        """Empty, in bypass mode."""
        self._mode = BYPASS
        self._watermark = 0
        self._depth = WORDS
        self._timestamp_every = 0
        self._gyro_every = self._accel_every = self._slot_every = 0
        self.overwritten = 0
        self._empty()

    def _empty(self):
        self.level = 0
        self._first = 0  # oldest word
        self._latched = False
        self._next = 0  # sample not yet looked at
        self._slot = 0

    def configure(self):
        """FIFO_CTRL1..4 were written."""
        registers = self._chip.registers
        self._watermark = registers[_FIFO_CTRL1] | (registers[_FIFO_CTRL2] & 1) << 8
        stop = registers[_FIFO_CTRL2] & _STOP_ON_WTM
        self._depth = self._watermark if stop and self._watermark else WORDS
        mode = registers[_FIFO_CTRL4] & 7
        if mode != self._mode:
            if mode not in (BYPASS, FIFO, CONTINUOUS):
                raise NotImplementedError(f"LSM6DSOX model: FIFO_MODE {mode} waits for a trigger; there is none")
            if mode == BYPASS or self._mode == BYPASS:
                self._empty()
                self._chip.restart_rows()
            self._mode = mode
        self._timestamp_every = _TIMESTAMP_EVERY[registers[_FIFO_CTRL4] >> 6]
        self._set_batch_rates()

    def new_grid(self):
        """The chip counts its samples anew; configure() follows."""
        self._next = 0

    def _set_batch_rates(self):
        """Which samples of the grid are batched: each n-th, 0 = none."""
        base = self._chip.base_ticks
        if not base:
            self._gyro_every = self._accel_every = self._slot_every = 0
            return
        rates = self._chip.registers[_FIFO_CTRL3]
        gyro = self._chip.gyro_every
        accel = self._chip.accel_every
        batch_gyro = ticks_per_sample(rates >> 4, _TICKS_6_5_HZ) // base
        batch_accel = ticks_per_sample(rates & 0x0F, TICKS_1_6_HZ) // base
        self._gyro_every = max(batch_gyro, gyro) if gyro and rates >> 4 else 0
        self._accel_every = max(batch_accel, accel) if accel and rates & 0x0F else 0
        self._slot_every = min(self._gyro_every or self._accel_every, self._accel_every or self._gyro_every)

    def fill(self):
        """Take in the samples up to now."""
        end = self._chip.samples()
        if self._mode == BYPASS or not self._slot_every:
            self._next = end
            return
        if self._mode == CONTINUOUS and end - self._next > 2 * _SKIP * self._slot_every:
            self._skip(end)
        while self._next < end:
            if self._next % self._slot_every == 0:
                self._batch(self._next)
            self._next += 1

    def _skip(self, end):
        """Leave out samples that would be overwritten before anybody reads: a multiple of every decimation, so that the
        slots go on as if they had been counted.
        """
        every = 32 * max(self._gyro_every, self._accel_every)
        n = (end - self._next - _SKIP * self._slot_every) // every * every
        if n <= 0:
            return
        self.overwritten += self._words_in(n)
        self._next += n

    def _words_in(self, n):
        """Words that `n` samples make, `n` being a multiple of every decimation."""
        words = n // self._gyro_every if self._gyro_every else 0
        words += n // self._accel_every if self._accel_every else 0
        if self._timestamp_every and self._chip.timestamp_on:
            words += n // self._slot_every // self._timestamp_every
        return words

    def _batch(self, k):
        """Write the words of sample `k`, a time slot."""
        chip = self._chip
        if self._timestamp_every and chip.timestamp_on and self._slot % self._timestamp_every == 0:
            at = self._put(_TAG_TIMESTAMP)
            if at >= 0:
                stamp = chip.timestamp(chip.sample_ps(k))
                for i in range(4):
                    self._words[at + i] = stamp >> 8 * i & 0xFF
                self._words[at + 4] = self._words[at + 5] = 0
        gyro = self._gyro_every and k % self._gyro_every == 0
        accel = self._accel_every and k % self._accel_every == 0
        if gyro or accel:
            chip.source.row(chip.row_of(k))
        if gyro:
            self._put_counts(_TAG_GYRO, 3)
        if accel:
            self._put_counts(_TAG_ACCEL, 0)
        self._slot += 1

    def _put_counts(self, tag, column):
        at = self._put(tag)
        if at < 0:
            return
        counts = self._chip.source.counts
        words = self._words
        for axis in range(3):
            count = counts[column + axis]
            words[at + 2 * axis] = count & 0xFF
            words[at + 2 * axis + 1] = count >> 8 & 0xFF

    def _put(self, tag):
        """Make room for a word and write its tag. -> where its data goes, -1 when it is not taken (FIFO mode, full)."""
        if self.level >= self._depth:
            self.overwritten += 1
            if self._mode == FIFO:
                return -1
            self._first = (self._first + 1) % WORDS
            self.level -= 1
        at = (self._first + self.level) % WORDS * WORD_BYTES
        self.level += 1
        if self.level >= self._depth:
            self._latched = True
        tag = tag << 3 | (self._slot & 3) << 1
        ones = tag ^ tag >> 4
        ones ^= ones >> 2
        self._words[at] = tag | (ones ^ ones >> 1) & 1  # TAG_PARITY makes the number of ones even
        return at + 1

    def read(self, i):
        """Byte `i` of FIFO_DATA_OUT_TAG .. _Z_H; the last one takes the word out. An empty FIFO gives zeros."""
        if not self.level:
            return 0
        value = self._words[self._first * WORD_BYTES + i]
        if i == WORD_BYTES - 1:
            self._first = (self._first + 1) % WORDS
            self.level -= 1
        return value

    def read_words(self, buf, start, n):
        """All whole words that are there and fit into n bytes, as `read` would give them, but faster. -> where the next
        byte goes.
        """
        words = self._words
        count = min(n // WORD_BYTES, self.level)
        at = self._first * WORD_BYTES
        end = start + count * WORD_BYTES
        while start < end:
            buf[start] = words[at]
            start += 1
            at += 1
            if at == WORDS * WORD_BYTES:
                at = 0
        self._first = at // WORD_BYTES
        self.level -= count
        return start

    def _above_watermark(self):
        return self._watermark > 0 and self.level >= self._watermark

    def _nearly_full(self):
        """FIFO_FULL_IA: full at the next slot."""
        return self._slot_every > 0 and self.level + self._most_words() >= self._depth

    def _most_words(self):
        """The most words that one slot can bring."""
        stamps = self._timestamp_every and self._chip.timestamp_on
        return (self._gyro_every > 0) + (self._accel_every > 0) + (1 if stamps else 0)

    def status2(self):
        """FIFO_STATUS2; reading it clears FIFO_OVR_LATCHED unless the FIFO is still completely filled."""
        full = self.level >= self._depth
        status = self.level >> 8 | (_WTM_IA if self._above_watermark() else 0) | (_OVR_IA if full else 0)
        status |= (_FULL_IA if self._nearly_full() else 0) | (_OVR_LATCHED if self._latched else 0)
        self._latched = full
        return status

    def interrupt(self, wanted):
        """True if one of the FIFO's conditions enabled in INT1_CTRL (`wanted`) holds."""
        return (
            (wanted & _INT1_TH and self._above_watermark())
            or (wanted & _INT1_OVR and self.level >= self._depth)
            or (wanted & _INT1_FULL and self._nearly_full())
        )

    def interrupt_sample(self, wanted):
        """The first sample at which the level may reach an enabled condition that does not hold yet, -1 = none."""
        if self._mode == BYPASS or not self._slot_every:
            return -1
        words = self._most_words()
        missing = WORDS + 1
        if wanted & _INT1_TH and 0 < self._watermark and self.level < self._watermark:
            missing = min(missing, self._watermark - self.level)
        if wanted & _INT1_OVR and self.level < self._depth:
            missing = min(missing, self._depth - self.level)
        if wanted & _INT1_FULL and self.level + words < self._depth:
            missing = min(missing, self._depth - words - self.level)
        if missing > WORDS:
            return -1
        slots = (missing + words - 1) // words
        next_slot = (self._next + self._slot_every - 1) // self._slot_every * self._slot_every
        return next_slot + (slots - 1) * self._slot_every
