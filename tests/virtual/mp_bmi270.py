"""The BMI270 model against the data sheet (BST-BMI270-DS000): literals here are the data sheet's."""

import struct

from registers import Pin, get, make, put

from host.virtual.chips.bmi270 import BMI270

PERIOD_100_US = 10000


def upload(clock, chip, chunk=256, total=8192, move=True):
    """Power saving off, the configuration in chunks."""
    put(chip, 0x7C, 0x00)
    clock.t += 450
    put(chip, 0x59, 0x00)
    for at in range(0, total, chunk):
        if move:
            put(chip, 0x5B, (at // 2) & 0x0F, at // 2 >> 4)
        put(chip, 0x5E, *bytes(chunk))
    put(chip, 0x59, 0x01)
    clock.t += 20000
    return get(chip, 0x21) & 0x0F


def start(switches=0x06, fifo=0xC0, rate=8, **how):
    clock, chip = make(BMI270, **how)
    assert upload(clock, chip) == 1
    put(chip, 0x40, 0xA0 | rate)
    put(chip, 0x42, 0xA0 | rate)
    put(chip, 0x48, 0x00, fifo)
    put(chip, 0x7D, switches)
    return clock, chip


def settled(**how):
    """Past the start of the gyroscope, the FIFO empty."""
    clock, chip = start(**how)
    clock.t += 50000
    put(chip, 0x7E, 0xB0)
    return clock, chip


def length(chip):
    low, high = get(chip, 0x24, 2)
    return low | high << 8


def frames(chip, n):
    return struct.unpack("<%dh" % (6 * n), get(chip, 0x26, 12 * n))


def test_registers_after_power_on():
    _, chip = make(BMI270)
    assert (get(chip, 0x00), get(chip, 0x21), get(chip, 0x40), get(chip, 0x42)) == (0x24, 0x00, 0xA8, 0xA9)
    assert (get(chip, 0x49), get(chip, 0x7C), get(chip, 0x7D)) == (0x10, 0x03, 0x00)
    _, chip = make(BMI270, faults={"who_am_i": 3})
    assert get(chip, 0x00) == 3


def test_nothing_runs_without_the_configuration():
    clock, chip = make(BMI270)
    put(chip, 0x7C, 0x00)
    clock.t += 450
    put(chip, 0x49, 0xC0)
    put(chip, 0x7D, 0x06)
    clock.t += 1000000
    assert length(chip) == 0 and get(chip, 0x21) == 0


def test_upload_is_checked():
    for chunk in (32, 8192):
        clock, chip = make(BMI270)
        assert upload(clock, chip, chunk) == 1
    clock, chip = make(BMI270)
    assert upload(clock, chip, total=8192 - 256) == 2
    clock, chip = make(BMI270)
    assert upload(clock, chip, move=False) == 2


def test_upload_needs_power_saving_off():
    clock, chip = make(BMI270)
    put(chip, 0x59, 0x00)
    clock.t += 450
    put(chip, 0x5E, *bytes(8192))
    clock.t += 450
    put(chip, 0x59, 0x01)
    clock.t += 20000
    assert get(chip, 0x21) == 2


def test_writes_too_close_in_low_power_get_lost():
    clock, chip = make(BMI270)
    put(chip, 0x7C, 0x00)
    clock.t += 100
    put(chip, 0x41, 0x01)
    assert get(chip, 0x41) == 0x02
    clock.t += 350
    put(chip, 0x41, 0x01)
    put(chip, 0x43, 0x02)
    assert (get(chip, 0x41), get(chip, 0x43)) == (0x01, 0x02)


def test_frames_begin_with_the_gyroscope():
    clock, chip = settled()
    clock.t += 2 * PERIOD_100_US
    assert length(chip) == 24
    assert frames(chip, 2) == (1000, -1000, 0, 0, 1, 0, 1001, -1001, 1, 1, 2, -1)
    assert length(chip) == 0


def test_dummy_frames_while_the_gyroscope_starts():
    clock, chip = start()
    clock.t += 6 * PERIOD_100_US
    got = get(chip, 0x26, 72)
    for i in range(4):
        assert got[12 * i : 12 * i + 6] == b"\x02\x7f\x00\x80\x00\x80", (i, got)
    assert struct.unpack("<6h", got[48:60]) == (1000, -1000, 0, 0, 1, 0)


def test_one_sensor():
    clock, chip = start(switches=0x04, fifo=0x40)
    clock.t += 2 * PERIOD_100_US
    assert length(chip) == 12
    assert struct.unpack("<6h", get(chip, 0x26, 12)) == (0, 1, 0, 1, 2, -1)


def test_a_frame_read_in_part_comes_again():
    clock, chip = settled()
    clock.t += 2 * PERIOD_100_US
    get(chip, 0x26, 12 + 5)
    assert length(chip) == 12
    assert frames(chip, 1)[:2] == (1001, -1001)


def test_reading_beyond_the_end():
    clock, chip = settled()
    clock.t += PERIOD_100_US
    assert get(chip, 0x26, 18)[12:] == b"\x00\x80" * 3


def test_overflow_drops_whole_frames():
    clock, chip = settled()
    clock.t += 170 * PERIOD_100_US
    assert length(chip) == 2040 and get(chip, 0x1D) & 1 == 0
    clock.t += 3 * PERIOD_100_US
    assert get(chip, 0x1D) & 1 == 1 and get(chip, 0x1D) & 1 == 0
    assert length(chip) == 2040 and chip.lost_frames == 3
    assert frames(chip, 1)[0] == 1003


def test_stop_on_full():
    clock, chip = settled()
    put(chip, 0x48, 0x01)
    clock.t += 200 * PERIOD_100_US
    got = frames(chip, 170)
    assert [got[6 * i] for i in range(170)] == list(range(1000, 1170))


def test_rates_and_sensor_time():
    for code, period in ((6, 40000), (9, 5000), (12, 625)):
        clock, chip = start(switches=0x04, fifo=0x40, rate=code)
        clock.t += 10 * period - 1
        assert length(chip) == 54, code
        clock.t += 1
        assert length(chip) == 60, code
    before = get(chip, 0x18, 3)
    clock.t += 1000000
    after = get(chip, 0x18, 3)
    ticks = (after[0] | after[1] << 8 | after[2] << 16) - (before[0] | before[1] << 8 | before[2] << 16)
    assert abs(ticks - 25600) <= 1, ticks


def test_power_saving_blocks_the_fifo():
    clock, chip = settled()
    clock.t += 2 * PERIOD_100_US
    put(chip, 0x7C, 0x01)
    assert get(chip, 0x26, 2) == b"\x00\x80"


def test_soft_reset_forgets_the_configuration():
    clock, chip = start()
    put(chip, 0x7E, 0xB6)
    clock.t += 2000
    assert get(chip, 0x21) == 0 and get(chip, 0x7D) == 0


def test_spi_needs_an_edge_and_gives_a_dummy_byte():
    _, chip = make(BMI270, cs=5)
    chip.select(0)
    assert get(chip, 0x00, 2) == b"\xff\xff"
    chip.select(1)
    chip.select(0)
    assert get(chip, 0x00, 2) == b"\x00\x24"
    chip.select(1)
    chip.select(0)
    assert get(chip, 0x7C, 2) == b"\x00\x03"


def test_int1_at_the_watermark():
    int1 = Pin()
    clock, chip = settled(int1=int1)
    put(chip, 0x46, 120, 0)
    put(chip, 0x53, 0x0A)
    put(chip, 0x58, 0x02)
    int1.wait_for(chip, clock, 1)
    assert length(chip) == 120
    frames(chip, 1)
    assert int1.level == 0
