"""InvenSense MPU-6050, register by register, after the register map RM-MPU-6000A rev. 4.2 (section 4) and the product
specification PS-MPU-6000A rev. 3.4.

Modelled: identity, reset, sleep, standby of the axes, sample rate divider, the byte FIFO with its switches, the
shadowed count, sense registers, interrupt status and pin. Not modelled: filters (the counts come from the source
as they are, whatever the full scale), temperature (always 0), cycle mode, the auxiliary bus and the motion functions.

Traps: after power-up the chip sleeps; words are big-endian; the FIFO is 1024 bytes and no multiple of a packet: an
overflow drops single bytes, so that the packets begin at odd places from then on; FIFO_COUNT_L alone shows an old
count; an empty FIFO repeats its last byte; FIFO_RESET works only while FIFO_EN is 0; the accelerometer samples at 1
kHz at most, beyond that its samples are repeated.
"""

from .sampled import Ring, SampledChip

SMPLRT_DIV = 0x19
CONFIG = 0x1A
FIFO_EN = 0x23
INT_PIN_CFG = 0x37
INT_ENABLE = 0x38
INT_STATUS = 0x3A
ACCEL_XOUT_H = 0x3B
GYRO_ZOUT_L = 0x48
SIGNAL_PATH_RESET = 0x68
USER_CTRL = 0x6A
PWR_MGMT_1 = 0x6B
PWR_MGMT_2 = 0x6C
FIFO_COUNTH = 0x72
FIFO_COUNTL = 0x73
FIFO_R_W = 0x74
WHO_AM_I = 0x75

_OFLOW = 0x10  # INT_STATUS (4.17), INT_ENABLE (4.16)
_DATA_RDY = 0x01

# INT_PIN_CFG (4.15)
_INT_LEVEL = 0x80  # active low
_LATCH_INT_EN = 0x20
_INT_RD_CLEAR = 0x10

# USER_CTRL (4.27)
_FIFO_ENABLED = 0x40
_FIFO_RESET = 0x04

# PWR_MGMT_1 (4.28)
_DEVICE_RESET = 0x80
_SLEEP = 0x40

FIFO_BYTES = 1024
_RESET_US = 100000  # 4.28: "wait 100 ms"


class MPU6050(SampledChip):
    """The chip. On I2C (the MPU-6000 has the same registers on SPI too)."""

    DEFAULTS = ((PWR_MGMT_1, 0x40), (WHO_AM_I, 0x68))
    READ_ONLY = (INT_STATUS, FIFO_COUNTH, FIFO_COUNTL, WHO_AM_I)

    def __init__(self, clock, source, *, address=0x68, cs=None, rate_ratio=1.0, faults=None, int1=None):
        super().__init__(clock, source, address, cs, rate_ratio, faults, int1)
        self._fifo = Ring(FIFO_BYTES)
        self._out = bytearray(14)  # ACCEL_XOUT_H .. GYRO_ZOUT_L
        self.power_on()

    def power_on(self):
        """Registers at their defaults, FIFO empty, asleep."""
        super().power_on()
        for i in range(128):
            self.registers[i] = 0
        for register, value in self.DEFAULTS:
            self.registers[register] = value
        if "who_am_i" in self._faults:
            self.registers[WHO_AM_I] = self._faults["who_am_i"]
        for i in range(14):
            self._out[i] = 0
        self.lost_bytes = 0  # for tests: the chip does not say
        self._count = 0
        self._last = 0
        self._accel_every = 1
        self._clear_fifo()
        self.update_int1()

    def _clear_fifo(self):
        self.restart_rows()
        self._fifo.clear()

    # Samples

    def _period_us(self):
        """SMPLRT_DIV (4.2): of 8 kHz without the low-pass filter (DLPF_CFG 0 or 7, 4.3), of 1 kHz with it."""
        base = 125 if self.registers[CONFIG] & 7 in (0, 7) else 1000
        return base * (1 + self.registers[SMPLRT_DIV])

    def _configure(self):
        asleep = self.registers[PWR_MGMT_1] & _SLEEP or self.registers[PWR_MGMT_2] & 0x3F == 0x3F
        period = 0 if asleep else self._period_us()
        if not period:
            self.untouched = True
        self._accel_every = max(1, int(1000 / period)) if period else 1
        self.set_period(period)

    def _sample(self):
        self.source.row(self.row)
        standby = self.registers[PWR_MGMT_2]
        accel = self.samples % self._accel_every == 0
        for axis in range(6):
            at = 2 * axis if axis < 3 else 2 * axis + 2
            if standby & 0x20 >> axis:
                self._out[at] = self._out[at + 1] = 0
            elif axis >= 3 or accel:
                self._out[at] = self.source.counts[axis] >> 8 & 0xFF
                self._out[at + 1] = self.source.counts[axis] & 0xFF
        self._status(_DATA_RDY)
        if self.registers[USER_CTRL] & _FIFO_ENABLED:
            self._store()

    def _stored(self, i):
        """Is byte `i` of the sense registers written to the FIFO? FIFO_EN (4.6)."""
        enabled = self.registers[FIFO_EN]
        if i < 6:
            return enabled & 0x08
        return enabled & 0x80 >> (i - 6) // 2

    def _packet_bytes(self):
        n = 0
        for i in range(14):
            if self._stored(i):
                n += 1
        return n

    def _store(self):
        """In the order of the registers (4.31)."""
        for i in range(14):
            if self._stored(i):
                self._put(self._out[i])

    def _put(self, value):
        if self._fifo.level == FIFO_BYTES:
            self.lost_bytes += 1
            self._status(_OFLOW)
        self._fifo.put(value)

    def _skip(self, n):
        if self.registers[USER_CTRL] & _FIFO_ENABLED:
            size = self._packet_bytes()
            self.lost_bytes += n * size
            if size:
                self._status(_OFLOW)

    # Registers

    def _next(self, register):
        return register if register == FIFO_R_W else register + 1 & 0x7F

    def _read(self, register):
        if register == FIFO_R_W:
            return self._read_fifo()
        if register == FIFO_COUNTH or register == FIFO_COUNTL:
            return self._read_count(register)
        if ACCEL_XOUT_H <= register <= GYRO_ZOUT_L:
            return self._out[register - ACCEL_XOUT_H]
        value = self.registers[register]
        if register == PWR_MGMT_1 and self.clock.now() < self._ready_us:
            return value | _DEVICE_RESET  # clears itself when the reset is done
        if register == INT_STATUS or self.registers[INT_PIN_CFG] & _INT_RD_CLEAR:
            self.registers[INT_STATUS] = 0
        return value

    def _read_fifo(self):
        if self._fifo.level:
            self.untouched = False
            self._last = self._fifo.peek(0)
            self._fifo.drop(1)
        return self._last

    def _read_count(self, register):
        """Both halves are loaded when FIFO_COUNT_H is read (4.30)."""
        if register == FIFO_COUNTH:
            self._count = self._fifo.level
            return self._count >> 8
        return self._count & 0xFF

    def _write(self, register, value):
        if register in self.READ_ONLY or ACCEL_XOUT_H <= register <= GYRO_ZOUT_L:
            return
        if register == FIFO_R_W:
            self._put(value)
            return
        self.registers[register] = value
        if register == PWR_MGMT_1 and value & _DEVICE_RESET:
            self.power_on()
            self._ready_us = self.clock.now() + _RESET_US
        elif register == USER_CTRL:
            self._write_user_ctrl(value)
        elif register == SIGNAL_PATH_RESET:
            self.registers[register] = 0
        elif register in (SMPLRT_DIV, CONFIG, PWR_MGMT_1, PWR_MGMT_2):
            self._configure()

    def _write_user_ctrl(self, value):
        if value & _FIFO_RESET and not value & _FIFO_ENABLED:
            self._clear_fifo()
        self.registers[USER_CTRL] = value & ~0x07 & 0xFF  # the resets clear themselves

    # Interrupt pin

    def _status(self, bit):
        self.registers[INT_STATUS] |= bit
        if self.registers[INT_ENABLE] & bit:
            self._event_us = self._due_us

    def _active_level(self):
        return 0 if self.registers[INT_PIN_CFG] & _INT_LEVEL else 1

    def _latched(self):
        return self.registers[INT_PIN_CFG] & _LATCH_INT_EN != 0

    def _pin(self):
        if self._latched():
            return self.registers[INT_STATUS] & self.registers[INT_ENABLE] != 0
        return self._in_pulse()

    def _samples_to_event(self):
        wanted = self.registers[INT_ENABLE]
        if wanted & _DATA_RDY:
            return 1
        size = self._packet_bytes() if self.registers[USER_CTRL] & _FIFO_ENABLED else 0
        if wanted & _OFLOW and size:
            return (FIFO_BYTES - self._fifo.level) // size + 1
        return 0
