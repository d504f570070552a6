"""Bosch BMI160, register by register, after the data sheet BST-BMI160-DS000 (section 2.2: power modes; 2.5: FIFO; 2.11:
registers; 3: interfaces). What it shares with the BMI270 is in that model.

Modelled: identity, soft reset, power modes with their start-up times, data rates, data registers, sensor time, the
headerless FIFO, INT1 for the FIFO; with `motion` the any-motion interrupt, too (bmi160_wake.py). Not modelled: as with
the BMI270; besides, the fast start-up mode, and what the chip gives while a sensor starts up (here there are no samples
meanwhile). INT_STATUS_1 shows the FIFO as it is at that moment, and only interrupts that are enabled.

Traps: while both sensors are suspended (they are after a reset) there is no FIFO, and writes less than 450 us apart get
lost; a sensor runs only 3.8 ms (accelerometer) or 80 ms (gyroscope) after its command, and another power mode commanded
meanwhile is dropped (ERR_REG); data registers and frames begin with the gyroscope; a frame that was not read to its end
comes again; an overflow drops the oldest frames; a longer read gives 80h; SPI needs a rising edge of CSB first, again
after each reset, and has no dummy byte.
"""

from .bmi270 import _ACC_ON, _GYR_ON, ACC_CONF, BMI270, CHIP_ID, CMD, ERR_REG, GYR_CONF, INT_STATUS_1

# Register addresses: section 2.11
PMU_STATUS = 0x03
STATUS = 0x1B
FIFO_LENGTH_0 = 0x22
FIFO_DATA = 0x24
ACC_RANGE = 0x41
MAG_CONF = 0x44
FIFO_DOWNS = 0x45
FIFO_CONFIG_0 = 0x46
FIFO_CONFIG_1 = 0x47
INT_EN_1 = 0x51
INT_MAP_1 = 0x56
INT_DATA_1 = 0x59

_ACC_START_US = 3800
_DROP_CMD_ERR = 0x40  # ERR_REG
_ACC_US = 0x80  # ACC_CONF
_UNFILTERED = 0x80  # INT_DATA_1: the motion interrupts


class BMI160(BMI270):
    """The chip. `int1` is its INT1; both sensors are sampled at the faster one's rate."""

    _DEFAULTS = (
        (CHIP_ID, 0xD1),
        (ACC_CONF, 0x28),
        (ACC_RANGE, 0x03),
        (GYR_CONF, 0x28),
        (MAG_CONF, 0x0B),
        (FIFO_DOWNS, 0x88),
        (FIFO_CONFIG_0, 0x80),
        (FIFO_CONFIG_1, 0x10),
    )
    _STATUS = STATUS
    _FIFO_LENGTH = FIFO_LENGTH_0
    _FIFO_DATA = FIFO_DATA
    _FIFO_CONFIG = FIFO_CONFIG_1
    _FIFO_BYTES = 1024
    _BEYOND = b"\x80\x80"
    _STAY = (FIFO_DATA,)
    _CLEARED = (ERR_REG,)
    _FIRST = 6
    _DUMMIES = 0
    _FFULL = 0x20  # in INT_STATUS_1, INT_EN_1 and INT_MAP_1
    _FWM = 0x40
    _GYRO_START_US = 80000

    def _wakeup(self, counts_per_g):
        from .bmi160_wake import Wakeup

        return Wakeup(self, counts_per_g)

    def power_on(self):
        """Registers at their defaults, both sensors suspended."""
        self._on = 0
        self._low_power = False  # the accelerometer
        self._acc_us = 0  # when it runs; the gyroscope: _gyro_us
        super().power_on()

    # Samples

    def _switched_on(self):
        return self._on

    def _normal(self):
        """_ACC_ON, _GYR_ON: what has started up."""
        now = self.clock.now()
        running = self._on & _ACC_ON if now >= self._acc_us else 0
        return running | (self._on & _GYR_ON if now >= self._gyro_us else 0)

    def _saving(self):
        return self._low_power or not self._normal()

    def _started_us(self):
        """When the slower one of the sensors that were switched on runs."""
        return max(self._acc_us if self._on & _ACC_ON else 0, self._gyro_us if self._on & _GYR_ON else 0)

    def _sample(self):
        if self._due_us < self._started_us():
            self.restart_rows()
            self.row -= 1
        else:
            super()._sample()

    def _stops_when_full(self):
        return False

    def _watermark(self):
        return 4 * self.registers[FIFO_CONFIG_0]

    def _routed(self):
        return self.registers[INT_MAP_1] & self.registers[INT_EN_1]

    # Registers

    def _read(self, register):
        if register == PMU_STATUS:
            normal = self._normal()
            accel = 0x20 if self._low_power else 0x10
            return (accel if normal & _ACC_ON else 0) | (0x04 if normal & _GYR_ON else 0)
        if register == INT_STATUS_1:
            return self._fifo_flags() & self.registers[INT_EN_1]
        return super()._read(register)

    def _write(self, register, value):
        if register == CMD:
            self._command(value)
        elif ACC_CONF <= register < CMD:
            self.registers[register] = value
            if register in (ACC_CONF, GYR_CONF, FIFO_CONFIG_1):
                self._configure()

    def _command(self, value):
        """Power modes 10h (suspend), 11h (normal), 12h (low power) for the accelerometer, 14h, 15h for the gyroscope;
        the others."""
        if value in (0x10, 0x11, 0x14, 0x15):
            self._switch(_GYR_ON if value & 4 else _ACC_ON, value & 1)
        elif value == 0x12:
            self._switch(_ACC_ON, True)
            self._low_power = True
            if not self.registers[ACC_CONF] & _ACC_US or self.registers[INT_DATA_1] & _UNFILTERED:
                raise NotImplementedError("BMI160 model: low power without undersampling, or with unfiltered data")
        elif 0x10 <= value <= 0x17:
            raise NotImplementedError(f"BMI160 model: power mode command {value:#x}")
        elif value == 0xB1 and self.wake:
            self.wake.clear()
        else:
            super()._command(value)

    def _switch(self, sensor, on):
        now = self.clock.now()
        if now < self._started_us():
            self.registers[ERR_REG] |= _DROP_CMD_ERR
            return
        if on and sensor == _ACC_ON and not self._on & _ACC_ON:
            self._acc_us = now + _ACC_START_US
        if sensor == _ACC_ON:
            self._low_power = False
        self._on = self._on | sensor if on else self._on & ~sensor
        self._configure()

    # Interrupt pin

    def _samples_to_event(self):
        """While a sensor starts up: look again at the next sample."""
        return 1 if self._on and self.clock.now() < self._started_us() else super()._samples_to_event()
