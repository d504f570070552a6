"""A chip that is put away as JSON and comes back goes on as if nothing had been: every model, while its FIFO fills."""

import json

from host.virtual.chips.kept import restore, state_of
from virtual.registers import Now, Pin, Rows, get, put

# module, class, how to let it run, where its FIFO and its level are read
CHIPS = (
    ("lsm6dsox", "LSM6DSOX", ((0x09, 0x44), (0x07, 20), (0x0D, 8), (0x10, 0x40), (0x11, 0x40), (0x0A, 6)), 0x78, 0x3A),
    ("ism330dhcx", "ISM330DHCX", ((0x09, 4), (0x10, 0x40), (0x0A, 6)), 0x78, 0x3A),
    ("lsm6ds3trc", "LSM6DS3TRC", ((0x08, 9), (0x10, 0x40), (0x11, 0x40), (0x0A, 0x26)), 0x3E, 0x3A),
    ("lis3dh", "LIS3DH", ((0x22, 4), (0x24, 0x40), (0x2E, 0x90), (0x20, 0x57)), 0xA8, 0x2F),
    ("bmi160", "BMI160", ((0x47, 0xC0), (0x7E, 0x11), (0x7E, 0x15)), 0x24, 0x22),
    ("mpu6050", "MPU6050", ((0x6B, 1), (0x19, 9), (0x23, 0x78), (0x6A, 0x44)), 0x74, 0x72),
    ("mpu6886", "MPU6886", ((0x6B, 1), (0x19, 9), (0x23, 0x18), (0x6A, 0x44)), 0x74, 0x72),
    ("icm42688", "ICM42688", ((0x4E, 0x0F), (0x5F, 7), (0x16, 0x40)), 0x30, 0x2E),
)


def make(module, name, clock):
    model = getattr(__import__("host.virtual.chips." + module, None, None, (name,)), name)
    pin = Pin()
    return model(clock, Rows(), address=1, int1=pin), pin


def wait(clock, chip, ms):
    for _ in range(ms):
        clock.t += 1000
        chip.look()


def test_it_goes_on_as_the_one_that_was_never_away():
    for module, name, running, fifo, level in CHIPS:
        clock = Now()
        chip, pin = make(module, name, clock)
        wait(clock, chip, 50)
        for register, value in running:
            put(chip, register, value)
            wait(clock, chip, 60)
        wait(clock, chip, 100)
        get(chip, fifo, 7 if fifo == 0x78 else 6)
        state = json.loads(json.dumps(state_of(chip)))
        other, other_pin = make(module, name, clock)
        restore(other, state)
        other.look()
        for ms in (0, 37, 111, 400):
            wait(clock, chip, ms)
            other.look()
            assert pin.level == other_pin.level, (name, ms)
            assert get(chip, level, 2) == get(other, level, 2), (name, ms)
            data = get(chip, fifo, 70)
            assert data == get(other, fifo, 70), (name, ms)
            assert sum(data), (name, "its FIFO held something")
