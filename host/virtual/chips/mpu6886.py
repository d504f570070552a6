"""TDK InvenSense MPU-6886, register by register, after the data sheet DS-000193 (sections 11, 12: register map and
descriptions); where that is short, after its sibling ICM-20602 (DS-000176).

As the MPU-6050 (mpu6050.py), but: FIFO_EN has one bit for each sensor, and either brings the temperature along
(packets of 8, 8 or 14 bytes); the FIFO may stop when it is full; it has a watermark; an empty FIFO reads 0xFF; the
count is latched by its high byte, and again only after its low byte was read; FIFO_RST works at any time. With
`motion` it has wake-on-motion, too (mpu6886_wake.py).
"""

from .mpu6050 import (
    CONFIG,
    FIFO_BYTES,
    FIFO_COUNTH,
    FIFO_COUNTL,
    FIFO_EN,
    INT_STATUS,
    MPU6050,
    PWR_MGMT_1,
    PWR_MGMT_2,
    SMPLRT_DIV,
    USER_CTRL,
    WHO_AM_I,
)

GYRO_CONFIG = 0x1B
INT_ENABLE = 0x38
FIFO_WM_INT_STATUS = 0x39
FIFO_WM_TH1 = 0x60
FIFO_WM_TH2 = 0x61

_WOM = 0xE0  # INT_ENABLE (12.18): wake-on-motion, x in bit 7
_FIFO_MODE = 0x40  # CONFIG (12.9): stop when full
_GYRO_FIFO_EN = 0x10  # FIFO_EN (12.15)
_ACCEL_FIFO_EN = 0x08
_FIFO_WM_INT = 0x40  # FIFO_WM_INT_STATUS (12.19)
_FIFO_RST = 0x04  # USER_CTRL (12.30)


class MPU6886(MPU6050):
    """The chip, on I2C or SPI. `motion`: {"counts_per_g": of the source}, which gives it wake-on-motion."""

    DEFAULTS = ((CONFIG, 0x80), (PWR_MGMT_1, 0x41), (WHO_AM_I, 0x19))
    READ_ONLY = (FIFO_WM_INT_STATUS, INT_STATUS, FIFO_COUNTH, FIFO_COUNTL, WHO_AM_I)

    def __init__(self, clock, source, *, address=0x68, cs=None, rate_ratio=1.0, faults=None, int1=None, motion=None):
        self.wake = None
        if motion:
            from .mpu6886_wake import Wakeup

            self.wake = Wakeup(self, motion["counts_per_g"])
        super().__init__(clock, source, address=address, cs=cs, rate_ratio=rate_ratio, faults=faults, int1=int1)

    def power_on(self):
        self._count_open = True
        super().power_on()

    def _period_us(self):
        """SMPLRT_DIV (12.8) divides 1 kHz, and only with FCHOICE_B = 0 and DLPF_CFG 1 .. 6."""
        if self.registers[GYRO_CONFIG] & 3:
            return 31.25
        if self.registers[CONFIG] & 7 in (0, 7):
            return 125
        return 1000 * (1 + self.registers[SMPLRT_DIV])

    def _sample(self):
        MPU6050._sample(self)
        if self.wake and not self.registers[PWR_MGMT_2] & 0x38:
            moved = self.wake.take(self.source.counts)
            if moved:
                self._status(moved)

    def _stored(self, i):
        enabled = self.registers[FIFO_EN]
        if i < 6:
            return enabled & _ACCEL_FIFO_EN
        if i < 8:
            return enabled & (_ACCEL_FIFO_EN | _GYRO_FIFO_EN)
        return enabled & _GYRO_FIFO_EN

    def _put(self, value):
        if self.registers[CONFIG] & _FIFO_MODE and self._fifo.level == FIFO_BYTES:
            self.lost_bytes += 1
            self._status(0x10)
            return
        MPU6050._put(self, value)

    def _threshold(self):
        return (self.registers[FIFO_WM_TH1] & 3) << 8 | self.registers[FIFO_WM_TH2]

    def _store(self):
        before = self._fifo.level
        MPU6050._store(self)
        threshold = self._threshold()
        if threshold and before < threshold <= self._fifo.level:
            self.registers[FIFO_WM_INT_STATUS] = _FIFO_WM_INT
            self._event_us = self._due_us

    def _read_fifo(self):
        if not self._fifo.level:
            return 0xFF
        return MPU6050._read_fifo(self)

    def _read_count(self, register):
        if self._count_open:
            self._count = self._fifo.level
        self._count_open = register == FIFO_COUNTL
        return self._count >> 8 if register == FIFO_COUNTH else self._count & 0xFF

    def _read(self, register):
        value = MPU6050._read(self, register)
        if register == FIFO_WM_INT_STATUS:
            self.registers[register] = 0
        return value

    def _write_user_ctrl(self, value):
        if value & _FIFO_RST:
            self._clear_fifo()
        self.registers[USER_CTRL] = value & ~0x07 & 0xFF

    def _pin(self):
        return MPU6050._pin(self) or self.registers[FIFO_WM_INT_STATUS] != 0 and self._latched()

    def _samples_to_event(self):
        if self.wake and self.wake.is_on() and self.registers[INT_ENABLE] & _WOM:
            return 1
        n = MPU6050._samples_to_event(self)
        size = self._packet_bytes() if self.registers[USER_CTRL] & 0x40 else 0
        missing = self._threshold() - self._fifo.level
        if size and missing > 0:
            watermark = (missing + size - 1) // size
            return min(n or watermark, watermark)
        return n
