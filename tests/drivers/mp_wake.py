"""Motion detection by the chips themselves: how the drivers arm it, against models written from the data sheets."""

from array import array

from driver_case import SPI

from drivers import (
    bmi160,
    bmi160_wake,
    bmi270,
    bmi270_wake,
    icm42688,
    icm42688_wake,
    lis3dh,
    lis3dh_wake,
    lsm6ds3trc,
    lsm6ds3trc_wake,
    lsm6dsox_wake,
    mpu6050,
    mpu6886_wake,
)
from drivers.bmi160 import BMI160
from drivers.bmi270 import BMI270
from drivers.icm42688 import ICM42688
from drivers.ism330dhcx import ISM330DHCX
from drivers.lis2dh12 import LIS2DH12
from drivers.lis3dh import LIS3DH
from drivers.lsm6ds3trc import LSM6DS3TRC
from drivers.lsm6dso32 import LSM6DSO32
from drivers.lsm6dsox import LSM6DSOX
from drivers.mpu6886 import MPU6886
from host.virtual.chips.bmi160 import BMI160 as BMI160Model
from host.virtual.chips.bmi270 import BMI270 as BMI270Model
from host.virtual.chips.icm42688 import ICM42688 as ICM42688Model
from host.virtual.chips.ism330dhcx import ISM330DHCX as ISM330DHCXModel
from host.virtual.chips.lis2dh12 import LIS2DH12 as LIS2DH12Model
from host.virtual.chips.lis3dh import LIS3DH as LIS3DHModel
from host.virtual.chips.lsm6ds3trc import LSM6DS3TRC as LSM6DS3TRCModel
from host.virtual.chips.lsm6dso32 import LSM6DSO32 as LSM6DSO32Model
from host.virtual.chips.lsm6dsox import LSM6DSOX as LSM6DSOXModel
from host.virtual.chips.mpu6886 import MPU6886 as MPU6886Model
from virtual.registers import Now, Pin

PER_G = 8192
CHIPS = (  # driver, model, address, module; what it sees at most of a hand that goes from -a to a, in a
    (LSM6DSOX, LSM6DSOXModel, 0x6A, lsm6dsox_wake, 1),
    (LSM6DSO32, LSM6DSO32Model, 0x6A, lsm6dsox_wake, 1),
    (ISM330DHCX, ISM330DHCXModel, 0x6A, lsm6dsox_wake, 1),
    (LSM6DS3TRC, LSM6DS3TRCModel, 0x6A, lsm6ds3trc_wake, 1),
    (LIS3DH, LIS3DHModel, 0x18, lis3dh_wake, 2),
    (LIS2DH12, LIS2DH12Model, 0x18, lis3dh_wake, 2),
    (MPU6886, MPU6886Model, 0x68, mpu6886_wake, 2),
    (BMI160, BMI160Model, 0x68, bmi160_wake, 2),
    (BMI270, BMI270Model, 0x68, bmi270_wake, 1),
    (ICM42688, ICM42688Model, 0x68, icm42688_wake, 2),
)
DRIVERS = (lis3dh, lsm6ds3trc, mpu6050, bmi160, bmi270, icm42688)
LOW_POWER = (  # model, the registers that say so: register, mask, value
    (LSM6DSOXModel, ((0x10, 0xF0, 0x20), (0x11, 0xF0, 0), (0x15, 0x10, 0x10))),
    (LSM6DS3TRCModel, ((0x10, 0xF0, 0x20), (0x11, 0xF0, 0), (0x15, 0x10, 0x10))),
    (LIS3DHModel, ((0x20, 0xF0, 0x30),)),
    (MPU6886Model, ((0x6B, 0x68, 0x20), (0x6C, 0x3F, 0x07), (0x19, 0xFF, 39), (0x1A, 0x07, 1))),
    (BMI160Model, ((0x40, 0x8F, 0x86),)),
    (BMI270Model, ((0x40, 0x8F, 0x07), (0x7C, 0x01, 0x01), (0x7D, 0x0F, 0x04))),
    (ICM42688Model, ((0x4E, 0x0F, 0x02), (0x50, 0x0F, 0x0A))),
)
BLOB = "bmi270.bin"  # the model takes any 8192 bytes


class Hand:
    """Holds the sensor, by the world's time: 1 g along z, and from `at_us` on for `for_us` `shake_g` along x, this way
    and that.
    """

    rate_hz = 1000000

    def __init__(self):
        self.counts = array("h", bytes(12))
        self.at_us = 1 << 40
        self.for_us = 0
        self.shake_g = 0

    def row_at(self, us):
        return us

    def row(self, us):
        self.counts[0] = self.counts[1] = 0
        self.counts[2] = PER_G
        if self.at_us <= us < self.at_us + self.for_us:
            self.counts[0] = int(PER_G * self.shake_g) * (1 if (us - self.at_us) // 40000 % 2 else -1)


class Bus:
    """machine.I2C around the model: 22 us per byte."""

    def __init__(self, chip, clock):
        self.chip = chip
        self.clock = clock

    def readfrom_mem_into(self, address, register, buf):
        self.clock.t += 22 * (len(buf) + 3)
        self.chip.read(register, buf, 0, len(buf))

    def writeto_mem(self, address, register, buf):
        self.clock.t += 22 * (len(buf) + 3)
        self.chip.write(register, buf, 0, len(buf))


class Rig:
    """One chip on a bus, its driver, its pin and the hand that holds it."""

    def __init__(self, kind, model, address, wake, sees, spi=False):
        self.clock = Now()
        self.sees = sees
        self.hand = Hand()
        self.pin = Pin()
        where = {"address": None, "cs": 5} if spi else {"address": address}
        self.chip = model(self.clock, self.hand, int1=self.pin, motion={"counts_per_g": PER_G}, **where)
        bus = SPI(self.chip, self.clock, 2) if spi else Bus(self.chip, self.clock)
        where["cs"] = bus.cs if spi else None
        wake.sleep_ms = self.wait_ms
        for module in DRIVERS:
            module.sleep_ms = self.wait_ms
        more = {"config_file": BLOB} if kind is BMI270 else {}
        self.imu = kind(bus, rate_hz=104 if address == 0x6A else 100, **where, **more)
        self.arm = wake.wake_on_motion
        self.disarm = wake.disarm

    def wait_ms(self, ms):
        """Time passes; the pin is looked at whenever the chip wants it."""
        end = self.clock.t + ms * 1000
        while 0 <= self.pin.planned <= end:
            self.clock.t = max(self.clock.t, self.pin.planned)
            self.chip.look()
        self.clock.t = end
        self.chip.look()

    def shake(self, g, seconds):
        """From now on -> whether the pin rose."""
        self.hand.at_us = self.clock.t
        self.hand.for_us = int(seconds * 1000000)
        self.hand.shake_g = g
        self.wait_ms(int(seconds * 1000) + 100)
        return self.pin.level == 1


def each(spi=False):
    with open(BLOB, "wb") as file:
        file.write(bytes(8192))
    for case in CHIPS:
        yield Rig(*case, spi=spi)


def test_rest_is_no_motion_and_a_shake_is():
    for rig in each():
        rig.arm(rig.imu, 0.1)
        rig.wait_ms(20000)
        assert rig.pin.level == 0, rig.imu
        assert rig.shake(0.5, 0.5), rig.imu
        rig.wait_ms(60000)
        assert rig.pin.level == 1, "it is latched: a board that sleeps cannot miss it"


def test_over_spi_it_is_the_same():
    """There a read of the BMI270's features begins with a dummy byte, and writes come closer together."""
    for rig in each(spi=True):
        rig.arm(rig.imu, 0.1)
        rig.wait_ms(2000)
        assert rig.pin.level == 0, rig.imu
        assert not rig.shake(0.09 / rig.sees, 0.5), rig.imu
        assert rig.shake(0.15, 0.5), rig.imu
        if type(rig.chip) is MPU6886Model:
            assert rig.chip.registers[0x70] == 0x40, "I2C_IF: what passes on the bus is no I2C"
        rig.disarm(rig.imu)
        assert not rig.shake(1, 0.5), rig.imu


def test_the_threshold_is_in_g():
    """The hand goes from -a to a: half of the change of the LSM6s is a, so is the distance from the BMI270's reference;
    the others see 2 a at most."""
    for rig in each():
        for threshold_g in (0.05, 0.2, 0.6, 0.95, 1.2):
            try:
                real, _ = rig.arm(rig.imu, threshold_g)
            except ValueError:
                assert threshold_g > 1, rig.imu
                continue
            assert abs(real - threshold_g) <= max(0.016, threshold_g / 20), (rig.imu, real)
            rig.wait_ms(500)
            assert not rig.shake(real * 0.9 / rig.sees, 0.5), (rig.imu, threshold_g)
            rig.arm(rig.imu, threshold_g)
            rig.wait_ms(500)
            assert rig.shake(real * 1.15, 0.5), (rig.imu, threshold_g)


def test_motion_shorter_than_the_duration_is_none():
    for rig in each():
        try:
            _, duration_s = rig.arm(rig.imu, 0.1, 0.115)
        except ValueError as error:
            assert "no duration" in str(error)
            continue
        assert 0.1 < duration_s < 0.13
        rig.wait_ms(500)
        assert not rig.shake(0.3, 0.03), rig.imu
        assert rig.shake(0.3, 0.5), rig.imu


def test_the_bmi270_wants_one_point_more_than_the_duration_has():
    for rig in each():
        if type(rig.chip) is BMI270Model:
            assert rig.arm(rig.imu, 0.1, 0.12)[1] == 0.12
            assert not rig.shake(0.3, 0.119), "six points at most"
            assert rig.shake(0.3, 0.161), "eight"


def test_armed_again_it_is_quiet_again():
    for rig in each():
        rig.arm(rig.imu, 0.1)
        assert rig.shake(1, 0.3)
        rig.arm(rig.imu, 0.1)
        assert rig.pin.level == 0
        rig.wait_ms(5000)
        assert rig.pin.level == 0, "neither what was, nor gravity"


def test_disarmed_or_started_it_is_an_ordinary_sensor():
    for rig in each():
        rig.arm(rig.imu, 0.1)
        rig.disarm(rig.imu)
        assert not rig.shake(1, 0.5), rig.imu
        if type(rig.chip) is BMI270Model:
            assert rig.chip.registers[0x7D] == 0, "PWR_CTRL: its accelerometer is off"
        rig.arm(rig.imu, 0.1)
        rig.imu.start()
        buffer = bytearray(rig.imu.frame_bytes * 8)
        rig.wait_ms(300)
        assert rig.imu.readinto(buffer) == 8
        rested = rig.pin.level  # high where the driver, without an int_pin, leaves the output off
        rig.shake(1, 0.2)
        assert rig.pin.level == rested, "motion does not drive the pin"


def test_what_the_chip_cannot_do_is_an_error_that_says_so():
    for rig in each():
        for threshold_g, duration_s in ((9, 0), (0.1, 6)):
            try:
                rig.arm(rig.imu, threshold_g, duration_s)
            except ValueError as error:
                assert "takes up to" in str(error)
            else:
                raise AssertionError((rig.imu, threshold_g, duration_s))


def test_it_watches_in_the_low_power_mode():
    for rig in each():
        rig.arm(rig.imu, 0.1)
        for model, registers in LOW_POWER:
            if type(rig.chip) is model:
                for register, mask, value in registers:
                    assert rig.chip.registers[register] & mask == value, (rig.imu, hex(register))
        if type(rig.chip) is BMI160Model:
            assert rig.imu._registers.read(0x03) == 0x20, "PMU_STATUS: the accelerometer, in low power"
