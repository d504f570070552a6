"""Motion detection by the chips themselves: how the drivers arm it, against models written from the data sheets."""

from array import array

from drivers import lis3dh, lis3dh_wake, lsm6dsox_wake
from drivers.ism330dhcx import ISM330DHCX
from drivers.lis2dh12 import LIS2DH12
from drivers.lis3dh import LIS3DH
from drivers.lsm6dso32 import LSM6DSO32
from drivers.lsm6dsox import LSM6DSOX
from host.virtual.chips.ism330dhcx import ISM330DHCX as ISM330DHCXModel
from host.virtual.chips.lis2dh12 import LIS2DH12 as LIS2DH12Model
from host.virtual.chips.lis3dh import LIS3DH as LIS3DHModel
from host.virtual.chips.lsm6dso32 import LSM6DSO32 as LSM6DSO32Model
from host.virtual.chips.lsm6dsox import LSM6DSOX as LSM6DSOXModel
from virtual.registers import Now, Pin

PER_G = 8192
CHIPS = (
    (LSM6DSOX, LSM6DSOXModel, 0x6A, lsm6dsox_wake),
    (LSM6DSO32, LSM6DSO32Model, 0x6A, lsm6dsox_wake),
    (ISM330DHCX, ISM330DHCXModel, 0x6A, lsm6dsox_wake),
    (LIS3DH, LIS3DHModel, 0x18, lis3dh_wake),
    (LIS2DH12, LIS2DH12Model, 0x18, lis3dh_wake),
)


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

    def __init__(self, kind, model, address, wake):
        self.clock = Now()
        self.hand = Hand()
        self.pin = Pin()
        self.chip = model(self.clock, self.hand, address=address, int1=self.pin, motion={"counts_per_g": PER_G})
        wake.sleep_ms = lis3dh.sleep_ms = self.wait_ms
        self.imu = kind(Bus(self.chip, self.clock), address=address, rate_hz=104 if address == 0x6A else 100)
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


def each():
    for case in CHIPS:
        yield Rig(*case)


def test_rest_is_no_motion_and_a_shake_is():
    for rig in each():
        rig.arm(rig.imu, 0.1)
        rig.wait_ms(20000)
        assert rig.pin.level == 0, rig.imu
        assert rig.shake(0.5, 0.5), rig.imu
        rig.wait_ms(60000)
        assert rig.pin.level == 1, "it is latched: a board that sleeps cannot miss it"


def test_the_threshold_is_in_g():
    """The hand goes from -a to a: half of the change of the LSM6s is a, the LIS' filter shows nearly 2 a at most."""
    for rig in each():
        for threshold_g in (0.05, 0.2, 0.6, 1.2):
            is_slope = rig.arm is lsm6dsox_wake.wake_on_motion
            real, _ = rig.arm(rig.imu, threshold_g)
            assert abs(real - threshold_g) <= max(0.016, threshold_g / 20), (rig.imu, real)
            rig.wait_ms(500)
            assert not rig.shake(real * (0.9 if is_slope else 0.45), 0.5), (rig.imu, threshold_g)
            rig.arm(rig.imu, threshold_g)
            rig.wait_ms(500)
            assert rig.shake(real * 1.15, 0.5), (rig.imu, threshold_g)


def test_motion_shorter_than_the_duration_is_none():
    for rig in each():
        _, duration_s = rig.arm(rig.imu, 0.1, 0.115)
        assert 0.1 < duration_s < 0.13
        rig.wait_ms(500)
        assert not rig.shake(0.3, 0.03), rig.imu
        assert rig.shake(0.3, 0.5), rig.imu


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
        rig.arm(rig.imu, 0.1)
        rig.imu.start()
        buffer = bytearray(rig.imu.frame_bytes * 8)
        rig.wait_ms(300)
        assert rig.imu.readinto(buffer) == 8
        assert not rig.shake(1, 0.2), "no watermark is set, and motion does not drive the pin"


def test_what_the_chip_cannot_do_is_an_error_that_says_so():
    for rig in each():
        for threshold_g, duration_s in ((9, 0), (0.1, 6)):
            try:
                rig.arm(rig.imu, threshold_g, duration_s)
            except ValueError as error:
                assert "takes up to" in str(error)
            else:
                raise AssertionError((rig.imu, threshold_g, duration_s))
