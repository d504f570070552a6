"""ST LSM6DSOX, register by register, after the data sheet DS12814 (section 9: registers) and AN5272 (section 9:
FIFO).

Modelled: identity, reset and boot, data rates and full scales, output registers with BDU, the tagged FIFO (fifo.py),
the time stamp, and INT1 for the FIFO; with `motion` the wake-up function, too (lsm6_wake.py). Not modelled: filters
and settling (the counts come from the source as they are, whatever the full scale), temperature, embedded functions,
sensor hub, I3C, INT2, compression, the FIFO modes that wait for a trigger. Registers without a meaning here keep what
is written to them.

One oscillator drives everything: the time stamp counts ticks of 25 us nominal (9.39: TIMESTAMP0..3), an output data
rate of 6667 Hz is 6 ticks (40 kHz / 6), 104 Hz is 64 times that (9.63, INTERNAL_FREQ_FINE: ODR_coeff). `rate_ratio`
is how much faster than nominal it runs; INTERNAL_FREQ_FINE says so in steps of 0.15 %.
"""

from .chip import Chip
from .fifo import TICKS_1_6_HZ, Fifo, ticks_per_sample

# Register addresses: DS12814 table "Registers address map" (section 8)
FUNC_CFG_ACCESS = 0x01
PIN_CTRL = 0x02
FIFO_CTRL1 = 0x07
FIFO_CTRL2 = 0x08
FIFO_CTRL3 = 0x09
FIFO_CTRL4 = 0x0A
INT1_CTRL = 0x0D
WHO_AM_I = 0x0F
CTRL1_XL = 0x10
CTRL2_G = 0x11
CTRL3_C = 0x12
CTRL9_XL = 0x18
CTRL10_C = 0x19
WAKE_UP_SRC = 0x1B
STATUS_REG = 0x1E
OUT_TEMP_L = 0x20
OUTX_L_G = 0x22
OUTZ_H_A = 0x2D
FIFO_STATUS1 = 0x3A
FIFO_STATUS2 = 0x3B
TIMESTAMP0 = 0x40
TIMESTAMP2 = 0x42
TIMESTAMP3 = 0x43
INTERNAL_FREQ_FINE = 0x63
FIFO_DATA_OUT_TAG = 0x78
FIFO_DATA_OUT_Z_H = 0x7E

# Values after reset that are not 0 (section 8, column "Default")
_DEFAULTS = ((PIN_CTRL, 0x3F), (WHO_AM_I, 0x6C), (CTRL3_C, 0x04), (CTRL9_XL, 0xE0))
_READ_ONLY = (WHO_AM_I, STATUS_REG, FIFO_STATUS1, FIFO_STATUS2, INTERNAL_FREQ_FINE)

# CTRL3_C (9.14)
_BOOT = 0x80
_BDU = 0x40
_H_LACTIVE = 0x20
_IF_INC = 0x04
_SW_RESET = 0x01
_SW_RESET_US = 50  # AN5272, "Reset and reboot": 50 us for SW_RESET, 10 ms for BOOT
_BOOT_US = 10000

_TIMESTAMP_EN = 0x20  # CTRL10_C (9.21)
TICK_PS = 25000000


class LSM6DSOX(Chip):
    """The chip. `source`: what it measures (chips.source). `int1`: its INT1 pin, an object with `set(level)` and
    `plan(t_us)`: call `look()` at that time (-1 = no need), so that the level is right; or None. `motion`:
    {"counts_per_g": of the source}, which gives it its wake-up function.

    Sample k = 0, 1, ... of the faster sensor comes (k + 1) periods after `_epoch_ps`; it shows row `_row0` + k of the
    source. Rows begin with row 0 when the first sensor is switched on, and again when the FIFO leaves bypass mode: so
    the first frame of a recording is the source's first row.
    """

    IDENTITY = 0x6C  # WHO_AM_I (9.11)
    FULL_SCALES_G = (2, 16, 4, 8)  # FS_XL (9.12)

    def __init__(self, clock, source, *, address=0x6A, cs=None, rate_ratio=1.0213, faults=None, int1=None, motion=None):
        super().__init__(clock, address, cs, faults)
        self.source = source
        self._by_time = getattr(source, "rate_hz", None)
        self._who_am_i = (faults or {}).get("who_am_i", self.IDENTITY)
        self._tick_ps = int(TICK_PS / rate_ratio)
        self._freq_fine = round((rate_ratio - 1) / 0.0015) & 0xFF
        self._int1 = int1
        self.registers = bytearray(128)
        self._out = bytearray(12)  # OUTX_L_G .. OUTZ_H_A as last shown
        self.fifo = Fifo(self)
        self.wake = None
        if motion:
            from .lsm6_wake import Wakeup

            self.wake = Wakeup(self, motion["counts_per_g"], self.FULL_SCALES_G)
        self.power_on()

    def power_on(self):
        """Registers at their defaults, FIFO empty, everything off."""
        for i in range(128):
            self.registers[i] = 0
        for register, value in _DEFAULTS:
            self.registers[register] = value
        self.registers[WHO_AM_I] = self._who_am_i
        self.registers[INTERNAL_FREQ_FINE] = self._freq_fine
        for i in range(12):
            self._out[i] = 0
        self._ready_us = 0  # until then a reset or a reboot is under way
        self._base = 0  # ticks between samples of the faster sensor, 0 = both off
        self.gyro_every = self.accel_every = 0  # each n-th sample of the grid is one of theirs, 0 = off
        self._row0 = 0
        self._seen = [-1, -1]  # sample last read by the program: gyroscope, accelerometer
        self._start_grid(0)  # sets _shown, the sample last put into _out
        self._held = 0  # BDU: bytes of _out that may not change yet, one bit each
        self._timestamp_ps = 0
        self.fifo.reset()
        if self.wake:
            self.wake.reset()
        self._update_int1()

    # Time

    def now_ps(self):
        return self.clock.now() * 1000000

    def samples(self):
        """Samples of the faster sensor since `_epoch_ps`."""
        if not self._base:
            return 0
        return (self.now_ps() - self._epoch_ps) // (self._base * self._tick_ps)

    def sample_ps(self, k):
        """When sample `k` comes."""
        return self._epoch_ps + (k + 1) * self._base * self._tick_ps

    def row_of(self, k):
        """The source's row of sample `k`."""
        if self._by_time:
            return self.source.row_at(self.sample_ps(k) // 1000000)
        return self._row0 + k

    def restart_rows(self):
        """The next sample is sample 0, with row 0 of the source."""
        self._start_grid(self._epoch_ps + self.samples() * self._base * self._tick_ps)
        self._row0 = 0

    def timestamp(self, ps):
        """The 32-bit counter at a time."""
        if not self.registers[CTRL10_C] & _TIMESTAMP_EN:
            return 0
        return (ps - self._timestamp_ps) // self._tick_ps & 0xFFFFFFFF

    @property
    def timestamp_on(self):
        return self.registers[CTRL10_C] & _TIMESTAMP_EN != 0

    @property
    def base_ticks(self):
        return self._base

    def _set_rates(self):
        """After a write to a data rate: a new grid, unless the fastest rate stays what it was."""
        gyro = ticks_per_sample(self.registers[CTRL2_G] >> 4)
        accel = ticks_per_sample(self.registers[CTRL1_XL] >> 4, TICKS_1_6_HZ)
        base = min(gyro or accel, accel or gyro)
        if base != self._base:
            self._row0 = self._row0 + self.samples() if self._base else 0
            self._base = base
            self._start_grid(self.now_ps())
            self.fifo.new_grid()
        self.gyro_every = gyro // base if gyro else 0
        self.accel_every = accel // base if accel else 0
        self.fifo.configure()

    def _start_grid(self, ps):
        """Samples are counted from `ps` on."""
        self._epoch_ps = ps
        self._shown = -1
        self._seen[0] = self._seen[1] = -1
        if self.wake:
            self.wake.new_grid()

    # Access over the bus; both return the register after the last one

    def read(self, register, buf, start, n):
        """Fill buf[start:start+n] from `register` on."""
        self._settle()
        end = start + n
        if register == FIFO_DATA_OUT_TAG and self.registers[CTRL3_C] & _IF_INC:
            start = self.fifo.read_words(buf, start, n)
        while start < end:
            buf[start] = self._read(register)
            register = self._next(register)
            start += 1
        self.pointer = register
        self._update_int1()
        return register

    def write(self, register, buf, start, n):
        """Write buf[start:start+n] to `register` on."""
        end = start + n
        while start < end:
            self._settle()
            if self.clock.now() >= self._ready_us:  # while it resets, the chip hears nothing
                self._write(register, buf[start])
            register = self._next(register)
            start += 1
        self.pointer = register
        self._update_int1()
        return register

    def _next(self, register):
        """Auto-increment (CTRL3_C.IF_INC); the FIFO output rolls over from 7Eh to 78h (AN5272, "FIFO reading
        procedure").
        """
        if not self.registers[CTRL3_C] & _IF_INC:
            return register
        if register == FIFO_DATA_OUT_Z_H:
            return FIFO_DATA_OUT_TAG
        return register + 1 & 0x7F

    def _settle(self):
        """Bring everything to the present: the end of a reset, samples that came meanwhile."""
        if self._ready_us and self.clock.now() >= self._ready_us:
            self._ready_us = 0
            self.registers[CTRL3_C] &= ~(_BOOT | _SW_RESET) & 0xFF
        self.fifo.fill()
        if self.wake:
            self.wake.fill()

    def _read(self, register):
        if register >= FIFO_DATA_OUT_TAG:
            return self.fifo.read(register - FIFO_DATA_OUT_TAG) if register <= FIFO_DATA_OUT_Z_H else 0
        if OUTX_L_G <= register <= OUTZ_H_A:
            return self._read_output(register - OUTX_L_G)
        if register == FIFO_STATUS1:
            return self.fifo.level & 0xFF
        if register == FIFO_STATUS2:
            return self.fifo.status2()
        if register == STATUS_REG:
            return self._status()
        if TIMESTAMP0 <= register <= TIMESTAMP3:
            return self.timestamp(self.now_ps()) >> 8 * (register - TIMESTAMP0) & 0xFF
        if register == WAKE_UP_SRC and self.wake:
            return self.wake.read_source()
        return self.registers[register]

    def _write(self, register, value):
        if register in _READ_ONLY or register >= FIFO_DATA_OUT_TAG or OUT_TEMP_L <= register <= OUTZ_H_A:
            return
        if register == CTRL3_C:
            self._write_ctrl3(value)
            return
        if register == TIMESTAMP2:  # 9.39: writing AAh resets the counter
            if value == 0xAA:
                self._timestamp_ps = self.now_ps()
            return
        was = self.registers[register]
        self.registers[register] = value
        if register == CTRL10_C and value & _TIMESTAMP_EN and not was & _TIMESTAMP_EN:
            self._timestamp_ps = self.now_ps()
        if register == CTRL1_XL or register == CTRL2_G:
            self._set_rates()
        elif FIFO_CTRL1 <= register <= FIFO_CTRL4:
            self.fifo.configure()

    def _write_ctrl3(self, value):
        if value & _SW_RESET:
            self.power_on()
            self._ready_us = self.clock.now() + _SW_RESET_US
            self.registers[CTRL3_C] |= _SW_RESET
            return
        self.registers[CTRL3_C] = value
        if not value & _BDU:
            self._held = 0
        if value & _BOOT:
            self._ready_us = self.clock.now() + _BOOT_US

    # Output registers

    def _read_output(self, i):
        """Byte `i` of OUTX_L_G .. OUTZ_H_A. With BDU a pair does not change between its two halves (9.14)."""
        k = self.samples() - 1
        if k > self._shown and not self._held:
            self._show(k)
        if i == 0 or i == 6:
            self._seen[i // 6] = k
        if self.registers[CTRL3_C] & _BDU:
            self._held ^= 1 << i // 2  # the first half read holds the pair, the second lets it go
        return self._out[i]

    def _show(self, k):
        """Put the newest sample, of each sensor that is on, into the output registers."""
        self._shown = k
        if self.gyro_every:
            self._show_axes(k - k % self.gyro_every, 3, 0)
        if self.accel_every:
            self._show_axes(k - k % self.accel_every, 0, 6)

    def _show_axes(self, k, column, at):
        source = self.source
        source.row(self.row_of(k))
        for axis in range(3):
            count = source.counts[column + axis]
            self._out[at + 2 * axis] = count & 0xFF
            self._out[at + 2 * axis + 1] = count >> 8 & 0xFF

    def _status(self):
        """STATUS_REG (9.26): GDA and XLDA, set by a new sample, cleared when its first output register is read."""
        k = self.samples() - 1
        status = 0
        if k < 0:
            return status
        if self.gyro_every and k - k % self.gyro_every > self._seen[0]:
            status |= 2
        if self.accel_every and k - k % self.accel_every > self._seen[1]:
            status |= 1
        return status

    # INT1

    def look(self):
        """The time that was planned has come: take in the new samples, set INT1."""
        self._settle()
        self._update_int1()

    def _update_int1(self):
        """INT1 as INT1_CTRL (9.9) and CTRL3_C.H_LACTIVE want it, and when to look again."""
        if self._int1 is None:
            return
        wanted = self.registers[INT1_CTRL]
        wake = self.wake
        active = wanted and self.fifo.interrupt(wanted) or wake and wake.interrupt()
        active_low = self.registers[CTRL3_C] & _H_LACTIVE != 0
        self._int1.set(0 if (not active) != active_low else 1)
        k = self.fifo.interrupt_sample(wanted) if wanted and self._base else -1
        other = wake.next_sample() if wake else -1
        if k < 0 or 0 <= other < k:
            k = other
        self._int1.plan(-1 if k < 0 else (self.sample_ps(k) + 999999) // 1000000)
