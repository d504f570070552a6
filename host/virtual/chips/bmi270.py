"""Bosch BMI270, register by register, after the data sheet BST-BMI270-DS000 (section 5: registers; 4.4: initialization;
4.7: FIFO; 6: interfaces).

Modelled: identity, soft reset, the upload of the configuration file, power control, data rates, data registers, sensor
time, the headerless FIFO, INT1 for the FIFO; with `motion` the any-motion feature, too (bmi270_wake.py). Not modelled:
filters and settling (the counts come from the source as they are, whatever the range), temperature, auxiliary sensor,
FIFO headers, downsampling, INT2, the other features.

Traps: without the upload (8192 bytes; any content will do) no sensor runs; with advanced power saving on (it is after
a reset) the FIFO cannot be read, and writes less than 450 us apart get lost; the FIFO's frames begin with the
gyroscope, which is dummy (7F02h, 8000h, 8000h) while it starts up: rows of the source begin with the first sample
that both have; a frame that was not read to its end comes again; an overflow drops the oldest frames; a longer read
gives 8000h; SPI needs a rising edge of CSB first, and each SPI read begins with a dummy byte.
"""

from .sampled import Ring, SampledChip

# Register addresses: section 5.2
CHIP_ID = 0x00
ERR_REG = 0x02
STATUS = 0x03
DATA_8 = 0x0C
DATA_19 = 0x17
SENSORTIME_0 = 0x18
SENSORTIME_2 = 0x1A
EVENT = 0x1B
INT_STATUS_0 = 0x1C
INT_STATUS_1 = 0x1D
INTERNAL_STATUS = 0x21
FEAT_PAGE = 0x2F
FEATURES = 0x30
FIFO_LENGTH_0 = 0x24
FIFO_LENGTH_1 = 0x25
FIFO_DATA = 0x26
ACC_CONF = 0x40
GYR_CONF = 0x42
FIFO_WTM_0 = 0x46
FIFO_WTM_1 = 0x47
FIFO_CONFIG_0 = 0x48
FIFO_CONFIG_1 = 0x49
INT1_IO_CTRL = 0x53
INT2_IO_CTRL = 0x54
INT_MAP_DATA = 0x58
INIT_CTRL = 0x59
INIT_ADDR_0 = 0x5B
INIT_ADDR_1 = 0x5C
INIT_DATA = 0x5E
PWR_CONF = 0x7C
PWR_CTRL = 0x7D
CMD = 0x7E

_CONFIG_BYTES = 8192
_INIT_US = 5000  # 4.4: INTERNAL_STATUS says init_ok within 20 ms
_RESET_US = 2000
_WRITE_GAP_US = 450  # 6: idle time between writes in low power mode

# FIFO_CONFIG_0 / _1
_STOP_ON_FULL = 0x01
_HEADER_EN = 0x10
_ACC_EN = 0x40
_GYR_EN = 0x80

# PWR_CTRL
_GYR_ON = 0x02
_ACC_ON = 0x04

_DUMMY_ACC = 0x7F01
_DUMMY_GYR = 0x7F02
_TICK_US = 39.0625  # sensor time


class BMI270(SampledChip):
    """The chip. `int1` is its INT1; both sensors are sampled at the faster one's rate. `motion`: {"counts_per_g": of
    the source}, which gives it its any-motion interrupt. The constants are what differs between it and its relatives.
    """

    _DEFAULTS = (
        (CHIP_ID, 0x24),
        (STATUS, 0x10),
        (EVENT, 0x01),
        (ACC_CONF, 0xA8),
        (0x41, 0x02),
        (GYR_CONF, 0xA9),
        (0x44, 0x46),
        (0x45, 0x88),
        (FIFO_WTM_1, 0x02),
        (FIFO_CONFIG_0, 0x02),
        (FIFO_CONFIG_1, 0x10),
        (PWR_CONF, 0x03),
    )  # reset values that are not 0
    _STATUS = STATUS
    _FIFO_LENGTH = FIFO_LENGTH_0
    _FIFO_DATA = FIFO_DATA
    _FIFO_CONFIG = FIFO_CONFIG_1
    _FIFO_BYTES = 2048
    _BEYOND = b"\x80\x00"  # what an empty FIFO gives, at even and odd bytes (from 1)
    _STAY = (FIFO_DATA, INIT_DATA)  # a burst stays there
    _CLEARED = (INT_STATUS_0, INT_STATUS_1, EVENT, ERR_REG)  # by reading
    _FIRST = 0  # the data registers begin with this byte of accelerometer, gyroscope
    _DUMMIES = 1  # bytes ahead of an SPI read
    _FFULL = 0x01  # in INT_STATUS_1, and where it is routed to INT1
    _FWM = 0x02
    _GYRO_START_US = 45000  # from suspend

    def __init__(self, clock, source, *, address=0x68, cs=None, rate_ratio=1.0, faults=None, int1=None, motion=None):
        super().__init__(clock, source, address, cs, rate_ratio, faults, int1)
        self.wake = self._wakeup(motion["counts_per_g"]) if motion else None
        self._fifo = Ring(self._FIFO_BYTES)
        self._out = bytearray(12)  # accelerometer, gyroscope
        self.power_on()

    def _wakeup(self, counts_per_g):
        from .bmi270_wake import Wakeup

        return Wakeup(self, counts_per_g)

    def power_on(self):
        """Registers at their defaults, no configuration, sensors off."""
        super().power_on()
        if self.wake:
            self.wake.reset()
        for i in range(128):
            self.registers[i] = 0
        for register, value in self._DEFAULTS:
            self.registers[register] = value
        if "who_am_i" in self._faults:
            self.registers[CHIP_ID] = self._faults["who_am_i"]
        for i in range(12):
            self._out[i] = 0
        self._spi = False  # the interface has seen a rising edge of CSB
        self._dummy = False
        self._loading = False
        self._loaded = 0  # bytes of the configuration that came in order
        self._init_us = -1  # when the initialization will be done
        self._write_us = -_WRITE_GAP_US  # end of the last write ...
        self._slow = False  # ... which began with advanced power saving on
        self._load_at = 0
        self._length = 0
        self._time = 0
        self._gyro_us = 0
        self._each = [0, 0]  # each n-th sample is one of accelerometer, gyroscope; 0 = off
        self._frame = 0  # bytes
        self._taken = 0  # bytes of the oldest frame that were read in this transfer ...
        self._beyond = 0  # ... and bytes behind the last frame
        self.lost_frames = 0  # for tests: the chip does not say
        self._clear_fifo()
        self.update_int1()

    def _clear_fifo(self):
        self.restart_rows()
        self._fifo.clear()
        self._taken = 0

    # Samples

    def _saving(self):
        return self.registers[PWR_CONF] & 0x01

    def _switched_on(self):
        """_ACC_ON, _GYR_ON: what runs, or starts up."""
        return self.registers[PWR_CTRL] if self.registers[INTERNAL_STATUS] & 0x0F == 1 else 0

    def _configure(self):
        registers = self.registers
        on = self._switched_on()
        acc = registers[ACC_CONF] & 0x0F if on & _ACC_ON else 0
        gyr = registers[GYR_CONF] & 0x0F if on & _GYR_ON else 0
        base = max(acc, gyr)
        if gyr and not self._each[1]:
            self._gyro_us = self.clock.now() + self._GYRO_START_US
        if not base:
            self.untouched = True
        if self.wake and not acc:
            self.wake.stop()
        self._each[0] = 1 << (base - acc) if acc else 0
        self._each[1] = 1 << (base - gyr) if gyr else 0
        self.set_period(2560000 / (1 << base) if base else 0)  # code 8: 100 Hz, 256 ticks of sensor time
        frame = (6 if self._stored(1) else 0) + (6 if self._stored(0) else 0)
        if frame != self._frame:
            self._frame = frame
            self._clear_fifo()

    def _stored(self, sensor):
        wanted = self.registers[self._FIFO_CONFIG] & (_GYR_EN if sensor else _ACC_EN)
        return wanted and self._each[sensor]

    def _sample(self):
        starting = self._each[1] and self._due_us < self._gyro_us
        if starting:
            self.restart_rows()
        self.source.row(self.row)
        counts = self.source.counts
        for sensor in range(2):
            if self._each[sensor] and self.samples % self._each[sensor] == 0 and not (sensor and starting):
                for axis in range(3):
                    at = 6 * sensor + 2 * axis
                    self._out[at] = counts[3 * sensor + axis] & 0xFF
                    self._out[at + 1] = counts[3 * sensor + axis] >> 8 & 0xFF
                self.registers[self._STATUS] |= 0x40 if sensor else 0x80
                if self.wake and not sensor:
                    self.wake.take(counts)
        if self._frame and not self._saving():
            self._store(starting)
        if starting:
            self.row -= 1  # the source begins when both have begun

    def _store(self, starting):
        """One frame: gyroscope, accelerometer (4.7.1)."""
        if self.registers[self._FIFO_CONFIG] & _HEADER_EN:
            name = type(self).__name__
            raise NotImplementedError(f"{name} model: the FIFO has no headers here (FIFO_CONFIG_1.fifo_header_en)")
        before = self._fifo.level
        if before + self._frame > self._FIFO_BYTES:
            self._raise_flag(self._FFULL)
            self.lost_frames += 1
            if self._stops_when_full():
                return
            self._fifo.drop(self._frame)
            self._taken = 0
        if self._stored(1):
            self._put(6, starting, _DUMMY_GYR)
        if self._stored(0):
            self._put(0, False, _DUMMY_ACC)
        watermark = self._watermark()
        if watermark and before < watermark <= self._fifo.level:
            self._raise_flag(self._FWM)

    def _put(self, at, dummy, mark):
        for i in range(6):
            if dummy:
                self._fifo.put(mark >> 8 * i & 0xFF if i < 2 else 0x80 if i & 1 else 0)
            else:
                self._fifo.put(self._out[at + i])

    def _skip(self, n):
        if self._frame and not self._saving():
            self.lost_frames += n
            self._raise_flag(self._FFULL)

    def _stops_when_full(self):
        return self.registers[FIFO_CONFIG_0] & _STOP_ON_FULL

    def _watermark(self):
        """In bytes; 0 = none."""
        return self.registers[FIFO_WTM_0] | (self.registers[FIFO_WTM_1] & 0x1F) << 8

    def _routed(self):
        """The interrupts that INT1 tells: _FFULL, _FWM."""
        return self.registers[INT_MAP_DATA]

    def _raise_flag(self, bit):
        self.registers[INT_STATUS_1] |= bit
        if self._routed() & bit:
            self._event_us = self._due_us

    # Registers

    def select(self, level):
        super().select(level)
        self._dummy = not level and self._DUMMIES != 0
        if level:
            self._spi = True

    def read(self, register, buf, start, n):
        """Over SPI a dummy byte comes first (6.2)."""
        if self.cs is not None and n:
            if not self._spi:
                for i in range(start, start + n):
                    buf[i] = 0xFF
                return register
            if self._dummy:
                self._dummy = False
                buf[start] = 0
                start += 1
                n -= 1
        if register == self._FIFO_DATA:
            self._taken = self._beyond = 0  # a frame that was not read to its end comes again
        return super().read(register, buf, start, n)

    def write(self, register, buf, start, n):
        """While power saving is on, and 450 us behind, writes need a pause in front of them."""
        now = self.clock.now()
        if self._slow and now - self._write_us < _WRITE_GAP_US:
            return register
        self._slow = self._saving() != 0
        self._write_us = now
        if register == INIT_DATA:
            self._load_at = 2 * (self.registers[INIT_ADDR_0] & 0x0F | self.registers[INIT_ADDR_1] << 4)
        return super().write(register, buf, start, n)

    def _next(self, register):
        return register if register in self._STAY else register + 1 & 0x7F

    def _read(self, register):
        if 0 <= self._init_us <= self.clock.now():
            self._init_us = -1
            self.registers[INTERNAL_STATUS] = 1 if self._loaded == _CONFIG_BYTES else 2
            if self.wake and self.registers[INTERNAL_STATUS] == 1:
                self.wake.loaded()
            self._configure()
        if register == self._FIFO_DATA:
            return self._read_fifo()
        if register == self._FIFO_LENGTH:
            self._length = self._fifo.level  # both halves are of one moment
            return self._length & 0xFF
        if register == self._FIFO_LENGTH + 1:
            return self._length >> 8
        if DATA_8 <= register <= DATA_19:
            at = (register - DATA_8 + self._FIRST) % 12
            self.registers[self._STATUS] &= 0x7F if at < 6 else 0xBF
            return self._out[at]
        if SENSORTIME_0 <= register <= SENSORTIME_2:
            if register == SENSORTIME_0:
                self._time = int(self.clock.now() * self._rate_ratio / _TICK_US) & 0xFFFFFF
            return self._time >> 8 * (register - SENSORTIME_0) & 0xFF
        if self.wake and self._is_feature(register):
            return self.wake.read(register)
        value = self.registers[register]
        if register in self._CLEARED:
            self.registers[register] = 0
        return value

    def _read_fifo(self):
        if self._saving() or not self._fifo.level:
            self._beyond += 1
            return self._BEYOND[self._beyond & 1]
        self.untouched = False
        value = self._fifo.peek(self._taken)
        self._taken += 1
        if self._taken == self._frame:  # a frame leaves with its last byte
            self._fifo.drop(self._frame)
            self._taken = 0
        return value

    def _write(self, register, value):
        if register == CMD:
            self._command(value)
        elif register == INIT_DATA:
            self._load(value)
        elif register == FEAT_PAGE:
            self.registers[register] = value
        elif self.wake and self._is_feature(register):
            self.wake.write(register, value)
        elif ACC_CONF <= register < CMD:
            self.registers[register] = value
            if register == INIT_CTRL:
                self._control_init(value)
            elif register in (ACC_CONF, GYR_CONF, FIFO_CONFIG_1, PWR_CTRL):
                self._configure()

    def _is_feature(self, register):
        """A register of the features that can be reached."""
        return FEATURES <= register < ACC_CONF and self.registers[INTERNAL_STATUS] & 15 == 1 and not self._saving()

    def _command(self, value):
        if value == 0xB6:
            self.power_on()
            self._ready_us = self.clock.now() + _RESET_US
        elif value == 0xB0:
            self._clear_fifo()

    def _control_init(self, value):
        self._loading = value == 0
        if self._loading:
            self._loaded = 0
            self.registers[INTERNAL_STATUS] = 0
        else:
            self._init_us = self.clock.now() + _INIT_US

    def _load(self, _):
        """A byte of the configuration. Each burst goes where INIT_ADDR says; only an unbroken row of bytes counts."""
        if self._loading and not self._saving():
            if self._load_at == self._loaded:
                self._loaded += 1
            self._load_at += 1

    # Interrupt pin

    def _active_level(self):
        return self.registers[INT1_IO_CTRL] >> 1 & 1

    def _pin(self):
        if not self.registers[INT1_IO_CTRL] & 0x08:
            return False
        return self._routed() & self._fifo_flags() != 0 or self.wake and self.wake.interrupt()

    def _fifo_flags(self):
        """_FFULL, _FWM as they are at this moment."""
        level = self._fifo.level
        full = self._frame and level + self._frame > self._FIFO_BYTES
        return (self._FFULL if full else 0) | (self._FWM if 0 < self._watermark() <= level else 0)

    def _samples_to_event(self):
        if self.wake and self.wake.is_on():
            return 1
        if not self._frame or self._saving() or self._pin():
            return 0
        frames = 0
        wanted = self._routed()
        missing = self._watermark() - self._fifo.level
        if wanted & self._FWM and missing > 0:
            frames = (missing + self._frame - 1) // self._frame
        if wanted & self._FFULL:
            full = (self._FIFO_BYTES - self._fifo.level) // self._frame
            frames = min(frames or full, full)
        return frames
