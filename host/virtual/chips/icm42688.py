"""TDK InvenSense ICM-42688-P, register by register, after the data sheet DS-000347 (sections 12, 14: register map and
descriptions; section 6: FIFO).

Modelled: identity, banks, soft reset, the rates and full scales, the FIFO with packets 1, 2 and 3, its count, lost
packets and time stamps, both byte orders, the sense registers, INT1 for the FIFO and data ready; with `motion`
wake-on-motion, too (icm42688_wake.py). Not modelled: filters, temperature (always 0), packet 4 (20 bit), FSYNC, the
self test, the other motion functions, INT2, I3C.

Traps: an overflow drops the oldest packets; FIFO_FULL means full, not lost; the count is latched; the first count
after a reset or a flush reads 0 (Linux works around it); writes within 200 us of a sensor's start get lost; a
sensor that starts up delivers invalid samples (-32768): rows of the source begin with the first sample that is
valid. The time stamp ticks every 32/30 us without a clock on CLKIN (`tick_us`).
"""

from .sampled import Ring, SampledChip

# Bank 0, section 14
DEVICE_CONFIG = 0x11
INT_CONFIG = 0x14
FIFO_CONFIG = 0x16
TEMP_DATA1 = 0x1D
ACCEL_DATA_X1 = 0x1F
GYRO_DATA_X1 = 0x25
TMST_FSYNCH = 0x2B
INT_STATUS = 0x2D
FIFO_COUNTH = 0x2E
FIFO_COUNTL = 0x2F
FIFO_DATA = 0x30
SIGNAL_PATH_RESET = 0x4B
INTF_CONFIG0 = 0x4C
PWR_MGMT0 = 0x4E
GYRO_CONFIG0 = 0x4F
ACCEL_CONFIG0 = 0x50
TMST_CONFIG = 0x54
FIFO_CONFIG1 = 0x5F
FIFO_CONFIG2 = 0x60
FIFO_CONFIG3 = 0x61
INT_STATUS2 = 0x37
INT_CONFIG0 = 0x63
INT_SOURCE0 = 0x65
FIFO_LOST_PKT0 = 0x6C
FIFO_LOST_PKT1 = 0x6D
WHO_AM_I = 0x75
REG_BANK_SEL = 0x76
TMSTVAL0 = 0x62  # bank 1: three registers, 20 bits

# Reset values that are not 0 (section 12)
_DEFAULTS = (
    (0x13, 0x05),
    (INT_STATUS, 0x10),
    (INTF_CONFIG0, 0x30),
    (0x4D, 0x91),
    (GYRO_CONFIG0, 0x06),
    (ACCEL_CONFIG0, 0x06),
    (0x51, 0x16),
    (0x52, 0x11),
    (0x53, 0x0D),
    (TMST_CONFIG, 0x23),
    (0x56, 0x82),
    (0x62, 0x10),
    (0x64, 0x10),
    (INT_SOURCE0, 0x10),
    (WHO_AM_I, 0x47),
)
_READ_ONLY = (INT_STATUS, FIFO_COUNTH, FIFO_COUNTL, FIFO_DATA, FIFO_LOST_PKT0, FIFO_LOST_PKT1, WHO_AM_I)

# INT_STATUS (14.32), INT_SOURCE0 (14.55)
_RESET_DONE = 0x10
_DATA_RDY = 0x08
_FIFO_THS = 0x04
_FIFO_FULL = 0x02

# INTF_CONFIG0 (14.36)
_HOLD_LAST = 0x80
_COUNT_REC = 0x40
_COUNT_BIG = 0x20
_DATA_BIG = 0x10

# FIFO_CONFIG1 (14.50)
_RESUME_PARTIAL = 0x40
_WM_GT_TH = 0x20
_HIRES = 0x10
_FIFO_GYRO = 0x02
_FIFO_ACCEL = 0x01

# Period in us by ODR code (14.38, 14.39); 0 = reserved. Codes 12 to 14 are the accelerometer's alone.
_PERIODS_US = (0, 31.25, 62.5, 125, 250, 500, 1000, 5000, 10000, 20000, 40000, 80000, 160000, 320000, 640000, 2000)
_LOW_POWER_ONLY = (12, 13, 14)

FIFO_BYTES = 2048
_GYRO_START_US = 30000  # section 3.1: gyroscope start-up time
_ACCEL_START_US = 10000  # section 3.2
_RESET_US = 1000  # 14.1: wait 1 ms for the soft reset
_OFF_TO_ON_US = 200  # 14.37: no register writes for 200 us after a sensor was switched on
_INVALID = -32768


class ICM42688(SampledChip):
    """The chip, on I2C or SPI. `motion`: {"counts_per_g": of the source}, which gives it wake-on-motion."""

    PULSE_US = 100

    def __init__(
        self,
        clock,
        source,
        *,
        address=0x68,
        cs=None,
        rate_ratio=1.0,
        faults=None,
        int1=None,
        tick_us=32 / 30,
        motion=None,
    ):
        super().__init__(clock, source, address, cs, rate_ratio, faults, int1)
        self.wake = None
        if motion:
            from .icm42688_wake import Wakeup

            self.wake = Wakeup(self, motion["counts_per_g"])
        self._tick_us = tick_us
        self._fifo = Ring(FIFO_BYTES)
        self._out = bytearray(14)  # TEMP_DATA1 .. GYRO_DATA_Z0
        self.power_on()

    def power_on(self):
        """Registers at their defaults, FIFO empty, everything off."""
        super().power_on()
        for i in range(128):
            self.registers[i] = 0
        for register, value in _DEFAULTS:
            self.registers[register] = value
        self.registers[WHO_AM_I] = self._faults.get("who_am_i", 0x47)
        for i in range(0, 14, 2):
            self._out[i] = 0x80  # no sample yet
            self._out[i + 1] = 0
        self._bank = 0
        if self.wake:
            self.wake.reset()
        self._accel_every = self._gyro_every = 0
        self._accel_valid_us = self._gyro_valid_us = 0
        self._accel_on = self._gyro_on = False
        self._quiet_us = 0
        self._stamp = 0  # 16 bits of time stamp and 12 bits of fraction
        self._stamp_step = 0
        self._strobed = 0
        self._flush()
        self.update_int1()

    def _flush(self):
        self.restart_rows()
        self._fifo.clear()
        self.lost = 0
        self._offset = 0  # bytes of the oldest packet that were read
        self._count = 0
        self._count_open = True  # the next read of the count latches a new one
        self._first_count = True
        self.registers[INT_STATUS] &= ~(_FIFO_THS | _FIFO_FULL) & 0xFF

    # Samples

    def _configure(self):
        """Rates and sensors, after a write."""
        power = self.registers[PWR_MGMT0]
        accel_mode = power & 3
        gyro_mode = power >> 2 & 3
        accel = gyro = 0
        if accel_mode >= 2:
            code = self.registers[ACCEL_CONFIG0] & 15
            accel = 0 if code in _LOW_POWER_ONLY and accel_mode == 3 else _PERIODS_US[code]
        if gyro_mode == 3:
            code = self.registers[GYRO_CONFIG0] & 15
            gyro = 0 if code in _LOW_POWER_ONLY else _PERIODS_US[code]
        now = self.clock.now()
        if (accel and not self._accel_on) or (gyro and not self._gyro_on):
            self._quiet_us = now + _OFF_TO_ON_US
        if accel and not self._accel_on:
            self._accel_valid_us = now + _ACCEL_START_US
        if gyro and not self._gyro_on:
            self._gyro_valid_us = now + _GYRO_START_US
        self._accel_on = accel > 0
        self._gyro_on = gyro > 0
        base = min(accel or gyro, gyro or accel)
        if not base:
            self.untouched = True
        self._accel_every = int(accel / base) if accel else 0
        self._gyro_every = int(gyro / base) if gyro else 0
        self._stamp_step = int(base / self._tick_us * 4096) & 0xFFFFFFF
        self.set_period(base)

    def _sample(self):
        self._stamp = self._stamp + self._stamp_step & 0xFFFFFFF
        accel_due = self._accel_every and self.samples % self._accel_every == 0
        gyro_due = self._gyro_every and self.samples % self._gyro_every == 0
        accel_valid = accel_due and self._due_us >= self._accel_valid_us
        gyro_valid = gyro_due and self._due_us >= self._gyro_valid_us
        if accel_valid or gyro_valid:
            self.source.row(self.row)
        waits = self._waits_for_valid()
        if accel_valid:
            self._show(0, 2)
            if self.wake:
                self.wake.take(self.source.counts)
        if gyro_valid:
            self._show(3, 8)
        self._status(_DATA_RDY)
        if self.registers[FIFO_CONFIG] & 0xC0:
            self._store(accel_due, gyro_due, accel_valid, gyro_valid)
        if waits and self.untouched:
            self.row = -1  # the next sample shows row 0

    def _waits_for_valid(self):
        return (self._accel_on and self._due_us < self._accel_valid_us) or (
            self._gyro_on and self._due_us < self._gyro_valid_us
        )

    def _show(self, column, at):
        for axis in range(3):
            count = self.source.counts[column + axis]
            if count == _INVALID:
                count = -32767
            self._out[at + 2 * axis] = count >> 8 & 0xFF
            self._out[at + 2 * axis + 1] = count & 0xFF

    def _skip(self, n):
        self._stamp = self._stamp + n * self._stamp_step & 0xFFFFFFF
        if self.registers[FIFO_CONFIG] & 0xC0 and self._packet_bytes():
            self.lost += n

    # FIFO (section 6)

    def _packet_bytes(self):
        """By FIFO_CONFIG1: packet 3 for both sensors, packets 1 and 2 for one."""
        both = self.registers[FIFO_CONFIG1] & (_FIFO_GYRO | _FIFO_ACCEL)
        if both == _FIFO_GYRO | _FIFO_ACCEL:
            return 16
        return 8 if both else 0

    def _store(self, accel_due, gyro_due, accel_valid, gyro_valid):
        which = self.registers[FIFO_CONFIG1]
        size = self._packet_bytes()
        accel = accel_due and which & _FIFO_ACCEL
        gyro = gyro_due and which & _FIFO_GYRO
        if not size or not (accel or gyro):
            return
        fifo = self._fifo
        if fifo.level + size > FIFO_BYTES:
            self.lost += 1
            if self.registers[FIFO_CONFIG] & 0x80:  # STOP-on-FULL
                return
            fifo.drop(size)
            self._offset = 0
        # Header (6.1): accelerometer, gyroscope, a time stamp of the ODR kind in packet 3
        header = (0x40 if which & _FIFO_ACCEL else 0) | (0x20 if which & _FIFO_GYRO else 0)
        stamped = size == 16 and self.registers[TMST_CONFIG] & 1
        fifo.put(header | (0x08 if stamped else 0))
        if which & _FIFO_ACCEL:
            self._put_axes(2, accel and accel_valid)
        if which & _FIFO_GYRO:
            self._put_axes(8, gyro and gyro_valid)
        fifo.put(0)  # temperature
        if size == 16:
            fifo.put_word(self._packet_stamp() if stamped else 0, self.registers[INTF_CONFIG0] & _DATA_BIG)
        if fifo.level + size > FIFO_BYTES:
            self._status(_FIFO_FULL)
        self._watermark(size)

    def _put_axes(self, at, valid):
        big = self.registers[INTF_CONFIG0] & _DATA_BIG
        out = self._out
        for i in range(at, at + 6, 2):
            if valid or self.registers[INTF_CONFIG0] & _HOLD_LAST:
                self._fifo.put_word(out[i] << 8 | out[i + 1], big)
            else:
                self._fifo.put_word(_INVALID, big)

    def _packet_stamp(self):
        config = self.registers[TMST_CONFIG]
        stamp = (self._stamp_step if config & 0x04 else self._stamp) >> 12
        return stamp >> 4 if config & 0x08 else stamp

    def _watermark(self, size):
        threshold = self.registers[FIFO_CONFIG2] | (self.registers[FIFO_CONFIG3] & 0x0F) << 8
        if self.registers[INTF_CONFIG0] & _COUNT_REC:
            threshold *= size
        level = self._fifo.level
        if threshold and level >= threshold:
            if level - size < threshold or self.registers[FIFO_CONFIG1] & _WM_GT_TH:
                self._status(_FIFO_THS)

    def _read_fifo(self):
        size = self._packet_bytes()
        if not self._fifo.level:
            return 0xFF
        self.untouched = False
        value = self._fifo.peek(self._offset)
        self._offset += 1
        if self._offset == size:
            self._fifo.drop(size)
            self._offset = 0
        if self.registers[INT_CONFIG0] & 0x08:
            self.registers[INT_STATUS] &= ~_FIFO_THS & 0xFF
        return value

    def _end_of_transfer(self):
        """Without FIFO_RESUME_PARTIAL_RD a packet that was read in part is read from its start again."""
        if not self.registers[FIFO_CONFIG1] & _RESUME_PARTIAL:
            self._offset = 0

    def select(self, level):
        super().select(level)
        self._end_of_transfer()

    def _read_count(self, register):
        if self._count_open:
            size = self._packet_bytes() or 1
            level = self._fifo.level
            self._count = level // size if self.registers[INTF_CONFIG0] & _COUNT_REC else level
            if self._first_count:
                self._count = 0
                self._first_count = False
        self._count_open = register == FIFO_COUNTL
        big = self.registers[INTF_CONFIG0] & _COUNT_BIG != 0
        return self._count >> 8 if big == (register == FIFO_COUNTH) else self._count & 0xFF

    # Registers

    def read(self, register, buf, start, n):
        if self.cs is None:
            self._end_of_transfer()
        return SampledChip.read(self, register, buf, start, n)

    def _next(self, register):
        return register if register == FIFO_DATA else register + 1 & 0x7F

    def _read(self, register):
        if register == REG_BANK_SEL:
            return self._bank
        if self._bank:
            if self._bank == 1 and TMSTVAL0 <= register < TMSTVAL0 + 3:
                return self._strobed >> 8 * (register - TMSTVAL0) & 0xFF
            return 0
        if register == FIFO_DATA:
            return self._read_fifo()
        if register == FIFO_COUNTH or register == FIFO_COUNTL:
            return self._read_count(register)
        if register == INT_STATUS:
            status = self.registers[INT_STATUS]
            self.registers[INT_STATUS] = 0
            return status
        if register == INT_STATUS2 and self.wake:
            return self.wake.read_source()
        if TEMP_DATA1 <= register < TMST_FSYNCH:
            i = register - TEMP_DATA1
            return self._out[i if self.registers[INTF_CONFIG0] & _DATA_BIG else i ^ 1]
        if register == FIFO_LOST_PKT0:
            return self.lost & 0xFF
        if register == FIFO_LOST_PKT1:
            return self.lost >> 8 & 0xFF
        return self.registers[register]

    def _write(self, register, value):
        if register == REG_BANK_SEL:
            self._bank = value & 7
            return
        if self._bank == 4 and self.wake:
            self.wake.write_bank4(register, value)
        if self._bank or register in _READ_ONLY or TEMP_DATA1 <= register < INT_STATUS:
            return
        if self.clock.now() < self._quiet_us:
            return
        was = self.registers[register]
        self.registers[register] = value
        if register == DEVICE_CONFIG and value & 1:
            self.power_on()
            self._ready_us = self.clock.now() + _RESET_US
        elif register == SIGNAL_PATH_RESET:
            self.registers[register] = 0
            if value & 0x02:
                self._flush()
            if value & 0x04:
                self._strobed = self._stamp >> 12
        elif register == FIFO_CONFIG:
            if not value & 0xC0 or not was & 0xC0:
                self._flush()
        elif register == FIFO_CONFIG1:
            if value & _HIRES:
                raise NotImplementedError("ICM-42688-P model: packet 4 (20 bit) is not modelled")
            if (was ^ value) & (_FIFO_GYRO | _FIFO_ACCEL):
                self._flush()
        elif register in (PWR_MGMT0, GYRO_CONFIG0, ACCEL_CONFIG0):
            self._configure()

    # INT1 (INT_CONFIG: 14.3, INT_SOURCE0: 14.55)

    def _status(self, bit):
        self.registers[INT_STATUS] |= bit
        if self.registers[INT_SOURCE0] & bit:
            self._event_us = self._due_us

    def _active_level(self):
        return self.registers[INT_CONFIG] & 1

    def _pin(self):
        if self.registers[INT_CONFIG] & 4:
            if self.wake and self.wake.interrupt():
                return True
            return self.registers[INT_STATUS] & self.registers[INT_SOURCE0] != 0
        return self._in_pulse()

    def _samples_to_event(self):
        if self.wake and self.wake.is_wanted():
            return 1
        wanted = self.registers[INT_SOURCE0]
        size = self._packet_bytes()
        if wanted & _DATA_RDY:
            return 1
        if not size or not self.registers[FIFO_CONFIG] & 0xC0:
            return 0
        packets = 0
        if wanted & _FIFO_THS:
            threshold = self.registers[FIFO_CONFIG2] | (self.registers[FIFO_CONFIG3] & 0x0F) << 8
            if not self.registers[INTF_CONFIG0] & _COUNT_REC:
                threshold = (threshold + size - 1) // size
            packets = threshold - self._fifo.level // size
            if packets <= 0:
                packets = 1 if self.registers[FIFO_CONFIG1] & _WM_GT_TH else 0
        if wanted & _FIFO_FULL:
            full = max(1, FIFO_BYTES // size - self._fifo.level // size)
            packets = min(packets or full, full)
        return packets
