"""The LSM6DS3TR-C model against the data sheet (DocID030071, AN5130): literals here are the data sheet's."""

import struct

from registers import Pin, get, make, put

from host.virtual.chips.lsm6ds3trc import LSM6DS3TRC

PERIOD_104_US = 9600


def start(gyro=1, accel=1, rate=4, mode=6, **how):
    """Both sensors and the FIFO at one rate, continuous mode."""
    how.setdefault("rate_ratio", 1)
    clock, chip = make(LSM6DS3TRC, **how)
    put(chip, 0x08, gyro << 3 | accel)
    put(chip, 0x0A, rate << 3 | mode)
    put(chip, 0x10, rate << 4 | 0x08, rate << 4)
    return clock, chip


def status(chip):
    """-> words, flags, pattern"""
    low, high, pattern, pattern_high = get(chip, 0x3A, 4)
    return low | (high & 7) << 8, high & 0xF0, pattern | pattern_high << 8


def words(chip, n):
    return struct.unpack("<%dh" % n, get(chip, 0x3E, 2 * n))


def test_registers_after_power_on():
    _, chip = make(LSM6DS3TRC)
    assert (get(chip, 0x0F), get(chip, 0x12)) == (0x6A, 0x04)
    _, chip = make(LSM6DS3TRC, faults={"who_am_i": 1})
    assert get(chip, 0x0F) == 1


def test_words_of_a_frame_gyroscope_first():
    clock, chip = start()
    assert status(chip) == (0, 0x10, 0)
    clock.t += 2 * PERIOD_104_US
    assert status(chip) == (12, 0, 0)
    assert words(chip, 5) == (1000, -1000, 0, 0, 1)
    assert status(chip) == (7, 0, 5)
    assert words(chip, 7) == (0, 1001, -1001, 1, 1, 2, -1)
    assert status(chip)[:2] == (0, 0x10)


def test_a_word_leaves_with_its_high_byte():
    clock, chip = start()
    clock.t += PERIOD_104_US
    get(chip, 0x3E)
    assert status(chip)[0] == 6
    get(chip, 0x3E, 2)
    assert status(chip)[0] == 5


def test_true_rate():
    for code, period in ((1, 76800), (10, 150)):
        clock, chip = start(rate=code)
        clock.t += 10 * period - 1
        assert status(chip)[0] == 54, code
        clock.t += 1
        assert status(chip)[0] == 60, code


def test_decimation_and_pattern():
    clock, chip = start(gyro=1, accel=2)
    clock.t += 4 * PERIOD_104_US
    assert status(chip)[0] == 18
    assert words(chip, 9) == (1000, -1000, 0, 0, 1, 0, 1001, -1001, 1)
    assert status(chip)[2] == 0
    words(chip, 7)
    assert status(chip)[2] == 7


def test_a_slower_fifo():
    clock, chip = start()
    put(chip, 0x0A, 3 << 3 | 6)
    clock.t += 8 * PERIOD_104_US
    assert status(chip)[0] == 24
    assert words(chip, 12)[6] == 1002


def test_time_stamps_are_data_set_4():
    clock, chip = start(gyro=0)
    put(chip, 0x5C, 0x10)
    put(chip, 0x19, 0x20)
    put(chip, 0x42, 0xAA)
    put(chip, 0x07, 0x80)
    put(chip, 0x09, 0x08)
    put(chip, 0x0A, 0)
    put(chip, 0x0A, 4 << 3 | 6)
    clock.t += 2 * PERIOD_104_US
    assert status(chip)[0] == 12
    stamps = []
    for _ in range(2):
        raw = get(chip, 0x3E, 12)[6:]
        stamps.append(raw[3] | raw[0] << 8 | raw[1] << 16)
    assert stamps == [384, 768], stamps
    assert get(chip, 0x40, 3) == b"\x00\x03\x00"


def test_an_overrun_takes_words_and_the_pattern_tells():
    clock, chip = start()
    clock.t += 341 * PERIOD_104_US
    assert status(chip) == (2046, 0x20, 0)
    clock.t += PERIOD_104_US
    assert status(chip) == (0, 0x60, 4)  # full: 2048 needs a twelfth bit
    assert words(chip, 2) == (1, 0)  # y and z of the accelerometer
    assert status(chip) == (2046, 0x20, 0)
    assert words(chip, 3) == (1001, -1001, 1)


def test_a_long_absence():
    for frames in (9000, 100003):
        clock, chip = start(accel=2)
        clock.t += frames * PERIOD_104_US
        place = status(chip)[2]
        got = words(chip, 2048)
        wanted = []
        for n in range(frames - 500, frames):
            gyro = (1000 + n) & 0xFFFF, (-1000 - n) & 0xFFFF, n & 0xFFFF
            accel = n & 0xFFFF, (n + 1) & 0xFFFF, -n & 0xFFFF
            first = 0 if n % 2 == 0 else 6  # accelerometer in each second frame: a pattern of 9 words
            wanted += enumerate(gyro + (accel if n % 2 == 0 else ()), first)
        wanted = wanted[-2048:]
        assert place == wanted[0][0], (place, wanted[0])
        assert [value & 0xFFFF for value in got] == [value for _, value in wanted]
        assert chip.overwritten > 4 * frames - 2049


def test_fifo_mode_stops_and_bypass_empties():
    clock, chip = start(mode=1)
    clock.t += 400 * PERIOD_104_US
    got = words(chip, 2048)
    assert got[0] == 1000 and got[-2] == 1341
    put(chip, 0x0A, 0)
    assert status(chip)[:2] == (0, 0x10)


def test_software_reset():
    clock, chip = start()
    put(chip, 0x12, 0x05)
    assert get(chip, 0x12) & 1
    clock.t += 50
    assert get(chip, 0x12) == 0x04 and get(chip, 0x10) == 0


def test_int1_rises_at_the_watermark():
    int1 = Pin()
    clock, chip = start(int1=int1)
    put(chip, 0x06, 60)
    put(chip, 0x0D, 0x08)
    begin = clock.t
    int1.wait_for(chip, clock, 1)
    assert clock.t == begin + 10 * PERIOD_104_US
    words(chip, 1)
    assert int1.level == 0


def test_output_registers():
    clock, chip = start()
    clock.t += 3 * PERIOD_104_US
    assert get(chip, 0x1E) == 3
    assert struct.unpack("<6h", get(chip, 0x22, 12)) == (1002, -1002, 2, 2, 3, -2)
    assert get(chip, 0x1E) == 0
