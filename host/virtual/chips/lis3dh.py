"""ST LIS3DH, register by register, after the data sheet DocID17530 (section 8: registers; 5: FIFO) and AN3308. The
LIS2DH12 (DocID025056, AN5005) has the same registers and the same identity.

Modelled: identity, boot, data rates and modes, the FIFO of 32 samples with its modes, output registers with BDU and
both byte orders, STATUS_REG, INT1 for watermark, overrun and data ready; with `motion` the first interrupt generator,
too (lis3dh_wake.py). Not modelled: filters (the counts come from the source, whatever the full scale, with the bits
that the mode has), the analog inputs and the temperature, other motion functions, INT2, the stream-to-FIFO trigger.

Traps: I2C reads stay on one register unless bit 7 of its address is set, SPI reads unless bit 6 is; low-power mode
has 8 bits and normal mode 10, left-justified; in the FIFO modes a longer read wraps from OUT_Z_H to OUT_X_L and
takes the next sample; FSS counts to 31 only, OVRN_FIFO is the 32nd; there is no software reset: BOOT reloads the
trimming and leaves the registers; the output registers repeat when an empty FIFO is read.
"""

from .sampled import SampledChip

STATUS_REG_AUX = 0x07
WHO_AM_I = 0x0F
CTRL_REG0 = 0x1E
CTRL_REG1 = 0x20
CTRL_REG3 = 0x22
CTRL_REG4 = 0x23
CTRL_REG5 = 0x24
CTRL_REG6 = 0x25
REFERENCE = 0x26
STATUS_REG = 0x27
OUT_X_L = 0x28
OUT_Z_H = 0x2D
FIFO_CTRL_REG = 0x2E
FIFO_SRC_REG = 0x2F
INT1_SRC = 0x31

_DEFAULTS = ((WHO_AM_I, 0x33), (CTRL_REG0, 0x10), (CTRL_REG1, 0x07))
_READ_ONLY = (STATUS_REG_AUX, WHO_AM_I, STATUS_REG, FIFO_SRC_REG)

# CTRL_REG1 (8.8): ODR in bits 7..4, LPen, Zen, Yen, Xen
_LPEN = 0x08
_PERIODS_US = (0, 1000000, 100000, 40000, 20000, 10000, 5000, 2500)
_CODE_LOW_POWER_1600 = 8  # 1.6 kHz, low-power mode only
_CODE_FASTEST = 9  # 1344 Hz, in low-power mode 5376 Hz

# CTRL_REG3 (8.10)
_I1_ZYXDA = 0x10
_I1_WTM = 0x04
_I1_OVERRUN = 0x02

# CTRL_REG4 (8.11)
_BDU = 0x80
_BLE = 0x40
_HR = 0x08

# CTRL_REG5 (8.12)
_BOOT = 0x80
_FIFO_EN = 0x40
_BOOT_US = 5000

_INT_POLARITY = 0x02  # CTRL_REG6 (8.13)

# FIFO_CTRL_REG (8.18): mode in bits 7..6, threshold in bits 4..0
_BYPASS = 0
_FIFO = 1
_STREAM = 2
_SAMPLES = 32


class LIS3DH(SampledChip):
    """The chip, on I2C or SPI. `overwritten`: samples lost so far (for tests; the chip does not say). `motion`:
    {"counts_per_g": of the source}, which gives it its first interrupt generator.
    """

    def __init__(self, clock, source, *, address=0x18, cs=None, rate_ratio=1.0, faults=None, int1=None, motion=None):
        super().__init__(clock, source, address, cs, rate_ratio, faults, int1)
        self.wake = None
        if motion:
            from .lis3dh_wake import Wakeup

            self.wake = Wakeup(self, motion["counts_per_g"])
        self._samples = bytearray(6 * _SAMPLES)
        self._out = bytearray(6)
        self.power_on()

    def power_on(self):
        """Registers at their defaults, FIFO empty, power-down."""
        super().power_on()
        for i in range(128):
            self.registers[i] = 0
        for register, value in _DEFAULTS:
            self.registers[register] = value
        self.registers[WHO_AM_I] = self._faults.get("who_am_i", 0x33)
        for i in range(6):
            self._out[i] = 0
        self._new = self._missed = False
        self._held = 0  # BDU: halves of _out that may not change yet
        if self.wake:
            self.wake.reset()
        self._empty()
        self.update_int1()

    def _empty(self):
        self.restart_rows()
        self.overwritten = 0
        self._first = 0
        self._level = 0
        self._overrun = False

    def _mode(self):
        if not self.registers[CTRL_REG5] & _FIFO_EN:
            return _BYPASS
        return self.registers[FIFO_CTRL_REG] >> 6

    # Samples

    def _configure(self):
        control = self.registers[CTRL_REG1]
        code = control >> 4
        low_power = control & _LPEN
        if code == _CODE_FASTEST:
            period = 1000000 / (5376 if low_power else 1344)
        elif code == _CODE_LOW_POWER_1600:
            period = 625 if low_power else 0
        else:
            period = _PERIODS_US[code] if code < len(_PERIODS_US) else 0
        if not period:
            self.untouched = True
        self.set_period(period)

    def _mask(self):
        """The bits of a sample that the mode has (section 3.2.1): 12, 10 or 8, left-justified."""
        if self.registers[CTRL_REG1] & _LPEN:
            return 0xFF00
        return 0xFFF0 if self.registers[CTRL_REG4] & _HR else 0xFFC0

    def _sample(self):
        self.source.row(self.row)
        if self.wake and self.wake.is_filtering():
            self.wake.take(self.source.counts)
        mode = self._mode()
        if mode == _BYPASS:
            self._missed = self._missed or self._new
            self._new = True
            if not self._held:
                self._store(self._out, 0)
            return
        if mode > _STREAM:
            raise NotImplementedError("LIS3DH model: stream-to-FIFO waits for a trigger; there is none")
        if self._level == _SAMPLES:
            self.overwritten += 1
            if mode == _FIFO:
                return
            self._first = (self._first + 1) % _SAMPLES
            self._level -= 1
        before = self._active()
        self._store(self._samples, (self._first + self._level) % _SAMPLES * 6)
        self._level += 1
        if self._level == _SAMPLES:
            self._overrun = True
        if not before and self._active():
            self._event_us = self._due_us

    def _store(self, to, at):
        mask = self._mask()
        for axis in range(3):
            count = self.source.counts[axis] & mask if self.registers[CTRL_REG1] & 1 << axis else 0
            to[at + 2 * axis] = count & 0xFF
            to[at + 2 * axis + 1] = count >> 8 & 0xFF

    def _skip(self, n):
        if self._mode() != _BYPASS:
            self.overwritten += n

    # Registers

    def _next(self, register):
        increment = 0x80 if self.cs is None else 0x40
        if not register & increment:
            return register
        number = register & 0x3F
        if number == OUT_Z_H and self._mode() != _BYPASS:
            return increment | OUT_X_L
        return increment | (number + 1 & 0x3F)

    def _read(self, register):
        register &= 0x3F
        if OUT_X_L <= register <= OUT_Z_H:
            return self._read_output(register - OUT_X_L)
        if register == FIFO_SRC_REG:
            return self._source()
        if register == STATUS_REG:
            new = self._level > 0 if self._mode() != _BYPASS else self._new
            return (0x0F if new else 0) | (0xF0 if self._missed else 0)
        if self.wake and register == INT1_SRC:
            return self.wake.read_source()
        if self.wake and register == REFERENCE:
            self.wake.read_reference()
        return self.registers[register]

    def _read_output(self, i):
        if self.registers[CTRL_REG4] & _BLE:
            i ^= 1
        if self._mode() == _BYPASS:
            self._new = self._missed = False
            if self.registers[CTRL_REG4] & _BDU:
                self._held ^= 1 << i // 2
            return self._out[i]
        if not self._level:
            return self._out[i]
        value = self._samples[self._first * 6 + i]
        self.untouched = False
        if i >= 4:
            self._held |= 1 << (i & 1)
        if self._held == 3:  # both halves of the last axis were read: the sample is
            self._held = 0
            for k in range(6):
                self._out[k] = self._samples[self._first * 6 + k]
            self._first = (self._first + 1) % _SAMPLES
            self._level -= 1
            self._overrun = False
        return value

    def _source(self):
        """FIFO_SRC_REG (8.19): WTM, OVRN_FIFO, EMPTY, FSS."""
        watermark = 0x80 if self._above_watermark() else 0
        return watermark | (0x40 if self._overrun else 0) | (0 if self._level else 0x20) | min(self._level, 31)

    def _above_watermark(self):
        """AN3308: WTM rises when the content exceeds the threshold."""
        return self._mode() != _BYPASS and self._level > (self.registers[FIFO_CTRL_REG] & 0x1F)

    def _write(self, register, value):
        register &= 0x3F
        if register in _READ_ONLY or OUT_X_L <= register <= OUT_Z_H:
            return
        was = self._mode()
        self.registers[register] = value
        if register == CTRL_REG5 and value & _BOOT:
            self.registers[CTRL_REG5] = value & ~_BOOT & 0xFF
            self._ready_us = self.clock.now() + _BOOT_US
        if register in (CTRL_REG1, CTRL_REG4):
            self._configure()
        elif register in (CTRL_REG5, FIFO_CTRL_REG) and self._mode() != was:
            self._held = 0
            if was == _BYPASS or self._mode() == _BYPASS:
                self._empty()

    # INT1

    def _active(self):
        wanted = self.registers[CTRL_REG3]
        return (
            (wanted & _I1_WTM and self._above_watermark())
            or (wanted & _I1_OVERRUN and self._overrun)
            or (wanted & _I1_ZYXDA and (self._new or self._level > 0))
        )

    def _active_level(self):
        return 0 if self.registers[CTRL_REG6] & _INT_POLARITY else 1

    def _pin(self):
        return self._active() or self.wake and self.wake.interrupt()

    def _samples_to_event(self):
        if self.wake and self.wake.is_on():
            return 1
        wanted = self.registers[CTRL_REG3]
        if not wanted or self._active():
            return 0
        if wanted & _I1_ZYXDA:
            return 1
        n = _SAMPLES
        if wanted & _I1_WTM:
            n = min(n, (self.registers[FIFO_CTRL_REG] & 0x1F) + 1)
        return max(0, n - self._level) if self._mode() != _BYPASS else 0
