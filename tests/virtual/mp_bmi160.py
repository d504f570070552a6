"""The BMI160 model against the data sheet (BST-BMI160-DS000): literals here are the data sheet's."""

import struct

from registers import Pin, get, make, put

from host.virtual.chips.bmi160 import BMI160

PERIOD_100_US = 10000


def start(fifo=0xC0, rate=8, commands=(0x11, 0x15), **how):
    """Each sensor's command when the one before is done; then rates and FIFO, which is empty."""
    clock, chip = make(BMI160, **how)
    for command in commands:
        put(chip, 0x7E, command)
        clock.t += 80000
    put(chip, 0x40, 0x20 | rate)
    put(chip, 0x42, 0x20 | rate)
    put(chip, 0x47, fifo)
    put(chip, 0x7E, 0xB0)
    return clock, chip


def length(chip):
    low, high = get(chip, 0x22, 2)
    return low | high << 8


def test_registers_after_power_on_and_reset():
    _, chip = make(BMI160)
    assert (get(chip, 0x00), get(chip, 0x03), get(chip, 0x40), get(chip, 0x42)) == (0xD1, 0, 0x28, 0x28)
    assert (get(chip, 0x41), get(chip, 0x45), get(chip, 0x46), get(chip, 0x47)) == (0x03, 0x88, 0x80, 0x10)
    clock, chip = start()
    put(chip, 0x7E, 0xB6)
    assert (get(chip, 0x03), get(chip, 0x47), length(chip)) == (0, 0x10, 0)


def test_start_up_times_and_dropped_commands():
    clock, chip = make(BMI160)
    put(chip, 0x7E, 0x11)
    clock.t += 3799
    assert get(chip, 0x03) == 0
    put(chip, 0x7E, 0x15)
    assert (get(chip, 0x02), get(chip, 0x02)) == (0x40, 0)
    clock.t += 1
    assert get(chip, 0x03) == 0x10
    clock.t += 450
    put(chip, 0x7E, 0x15)
    clock.t += 79999
    assert get(chip, 0x03) == 0x10
    clock.t += 1
    assert get(chip, 0x03) == 0x14
    put(chip, 0x7E, 0x14)
    put(chip, 0x7E, 0x10)
    assert (get(chip, 0x03), get(chip, 0x02)) == (0, 0)


def test_writes_too_close_while_suspended_get_lost():
    clock, chip = make(BMI160)
    put(chip, 0x41, 0x05)
    clock.t += 449
    put(chip, 0x43, 0x03)
    clock.t += 1
    put(chip, 0x42, 0x29)
    assert (get(chip, 0x41), get(chip, 0x43), get(chip, 0x42)) == (0x05, 0, 0x29)
    _, chip = start()
    put(chip, 0x41, 0x05)
    put(chip, 0x43, 0x03)
    assert (get(chip, 0x41), get(chip, 0x43)) == (0x05, 0x03)


def test_frames_begin_with_the_gyroscope_and_so_do_the_data_registers():
    clock, chip = start()
    clock.t += 2 * PERIOD_100_US
    assert get(chip, 0x1B) & 0xC0 == 0xC0
    assert struct.unpack("<6h", get(chip, 0x0C, 12)) == (1001, -1001, 1, 1, 2, -1)
    assert get(chip, 0x1B) & 0xC0 == 0
    assert length(chip) == 24
    half = get(chip, 0x24, 18)
    again = get(chip, 0x24, 14)  # a frame that was not read to its end comes again
    assert struct.unpack("<6h", half[:12]) == (1000, -1000, 0, 0, 1, 0) and again[:6] == half[12:]
    assert struct.unpack("<6h", again[:12]) == (1001, -1001, 1, 1, 2, -1) and again[12:] == b"\x80\x80"
    assert length(chip) == 0


def test_nothing_is_sampled_before_the_sensors_run():
    clock, chip = make(BMI160)
    put(chip, 0x47, 0x80)
    clock.t += 450
    put(chip, 0x7E, 0x15)
    clock.t += 79000
    assert length(chip) == 0
    clock.t += 2 * PERIOD_100_US
    assert struct.unpack("<3h", get(chip, 0x24, 6)) == (1000, -1000, 0)


def test_overflow_drops_the_oldest():
    clock, chip = start(fifo=0x40)
    put(chip, 0x51, 0x20)
    clock.t += 169 * PERIOD_100_US
    assert (length(chip), get(chip, 0x1D)) == (1014, 0)
    clock.t += 3 * PERIOD_100_US
    assert (length(chip), get(chip, 0x1D), chip.lost_frames) == (1020, 0x20, 2)
    assert struct.unpack("<3h", get(chip, 0x24, 6)) == (2, 3, -2)


def test_sensor_time_runs_in_steps_of_39_us():
    clock, chip = make(BMI160, rate_ratio=1.0)
    clock.t = 16000000
    assert get(chip, 0x18, 3) == b"\x00\x40\x06"  # 409600


def test_watermark_on_int1_in_units_of_four_bytes():
    pin = Pin()
    clock, chip = start(int1=pin)
    put(chip, 0x46, 30)
    put(chip, 0x53, 0x0A)
    put(chip, 0x56, 0x40)
    assert pin.level == 0 and pin.planned == -1  # not enabled yet
    put(chip, 0x51, 0x40)
    pin.wait_for(chip, clock, 1)
    assert (length(chip), get(chip, 0x1D)) == (120, 0x40)
    get(chip, 0x24, 12)
    assert pin.level == 0 and get(chip, 0x1D) == 0


def test_spi_needs_a_rising_edge_after_each_reset_and_has_no_dummy():
    _, chip = make(BMI160, cs=5)
    for _ in range(2):
        chip.select(0)
        assert get(chip, 0x7F) == 0xFF
        chip.select(1)
        chip.select(0)
        assert get(chip, 0x00, 2) == b"\xd1\x00"
        put(chip, 0x7E, 0xB6)
