"""The LIS3DH model against the data sheet (DocID17530) and AN3308: literals here are the documents'."""

import struct

import micropython
from registers import Pin, get, make, put

from host.virtual.chips.lis2dh12 import LIS2DH12
from host.virtual.chips.lis3dh import LIS3DH

PERIOD = 10000  # 100 Hz


class Steps:
    """Row i is (16 i, -16 i, 16 i + 15)."""

    def __init__(self):
        self.counts = [0] * 6

    def row(self, i):
        self.counts[0] = 16 * i
        self.counts[1] = -16 * i
        self.counts[2] = 16 * i + 15


def start(mode=0x80, ctrl1=0x57, ctrl4=0x88, ctrl5=0x40, kind=LIS3DH, **how):
    """100 Hz, all axes, high resolution, BDU, FIFO in stream mode."""
    clock, chip = make(kind, **how)
    chip.source = Steps()
    put(chip, 0x23, ctrl4)
    put(chip, 0x24, ctrl5)
    put(chip, 0x2E, mode)
    put(chip, 0x20, ctrl1)
    return clock, chip


def source(chip):
    return get(chip, 0x2F)


def samples(chip, n):
    """Of n samples, x, read in one transfer."""
    raw = get(chip, 0xA8, 6 * n)
    return [struct.unpack_from("<h", raw, 6 * i)[0] // 16 for i in range(n)]


def test_registers_after_power_on():
    for kind in (LIS3DH, LIS2DH12):
        _, chip = make(kind)
        assert (get(chip, 0x0F), get(chip, 0x20), get(chip, 0x1E), get(chip, 0x23)) == (0x33, 0x07, 0x10, 0)


def test_address_bit_that_increments():
    _, chip = make(LIS3DH)
    put(chip, 0xA1, 1, 2, 3)
    assert get(chip, 0xA1, 3) == b"\x01\x02\x03"
    assert get(chip, 0x21, 3) == b"\x01\x01\x01"
    _, chip = make(LIS3DH, address=None, cs=5)
    put(chip, 0x61, 1, 2, 3)
    assert get(chip, 0x61, 3) == b"\x01\x02\x03" and get(chip, 0x21, 3) == b"\x01\x01\x01"


def test_fifo_levels_and_flags():
    clock, chip = start(mode=0x80 | 15)
    assert source(chip) == 0x20
    for unread, flags in ((1, 0x01), (15, 0x0F), (16, 0x90), (31, 0x9F), (32, 0xDF), (40, 0xDF)):
        clock.t = 1000000 + PERIOD * unread
        assert source(chip) == flags, (unread, hex(source(chip)))
    assert chip.overwritten == 8
    assert samples(chip, 3) == [8, 9, 10]
    assert source(chip) == 0x9D


def test_one_burst_takes_samples_and_an_empty_fifo_repeats():
    clock, chip = start()
    clock.t += 3 * PERIOD
    assert struct.unpack("<3h", get(chip, 0xA8, 6)) == (0, 0, 0)
    assert struct.unpack("<3h", get(chip, 0xA8, 6)) == (16, -16, 16)
    assert samples(chip, 3) == [2, 2, 2] and source(chip) == 0x20


def test_part_of_a_sample_takes_nothing():
    clock, chip = start()
    clock.t += 2 * PERIOD
    get(chip, 0xA8, 5)
    assert source(chip) & 31 == 2
    assert samples(chip, 2) == [0, 1]


def test_without_increment_a_register_repeats():
    clock, chip = start()
    clock.t += 2 * PERIOD
    assert get(chip, 0x28, 4) == bytes(4) and source(chip) & 31 == 2


def test_resolution_of_the_modes():
    for ctrl1, ctrl4, mask in ((0x57, 0x08, 0xFFF0), (0x57, 0x00, 0xFFC0), (0x5F, 0x00, 0xFF00)):
        clock, chip = start(ctrl1=ctrl1, ctrl4=ctrl4)
        clock.t += 32 * PERIOD
        raw = get(chip, 0xA8, 192)
        assert struct.unpack_from("<h", raw, 186)[0] == 31 * 16 & mask
        assert struct.unpack_from("<H", raw, 190)[0] == (31 * 16 + 15) & mask


def test_big_endian_and_axes():
    clock, chip = start(ctrl4=0x48, ctrl1=0x55)
    clock.t += 2 * PERIOD
    samples(chip, 1)
    assert struct.unpack(">3h", get(chip, 0xA8, 6)) == (16, 0, 16)


def test_rates():
    for ctrl1, us in (
        (0x17, 1000000), (0x27, 100000), (0x37, 40000), (0x47, 20000), (0x57, 10000), (0x67, 5000), (0x77, 2500),
        (0x8F, 625), (0x97, 744), (0x9F, 186),
    ):  # fmt: skip
        clock, chip = start(ctrl1=ctrl1)
        clock.t += 20 * us + us // 2
        assert source(chip) & 31 == 20, (hex(ctrl1), source(chip))
    clock, chip = start(ctrl1=0x87)
    clock.t += 1000000
    assert source(chip) == 0x20  # 1.6 kHz is for low-power mode


def test_fifo_mode_stops_and_bypass_empties():
    clock, chip = start(mode=0x40)
    clock.t += 50 * PERIOD
    assert source(chip) & 0x5F == 0x5F
    put(chip, 0x2E, 0)
    assert source(chip) == 0x20
    put(chip, 0x2E, 0x80)
    clock.t += 4 * PERIOD
    assert samples(chip, 4) == [0, 1, 2, 3]  # nothing was read before: the recording begins here


def test_fifo_needs_its_enable_bit():
    clock, chip = start(ctrl5=0)
    clock.t += 5 * PERIOD
    assert source(chip) == 0x20 and get(chip, 0x27) == 0xFF  # new data, and overwritten data
    assert samples(chip, 1) == [4] and get(chip, 0x27) == 0


def test_boot_keeps_the_registers():
    clock, chip = start()
    put(chip, 0x24, 0xC0)
    clock.t += 5000
    assert get(chip, 0x24) == 0x40 and get(chip, 0x20) == 0x57


def test_watermark_pin():
    pin = Pin()
    clock, chip = start(mode=0x80 | 9, int1=pin)
    put(chip, 0x22, 0x04)
    pin.wait_for(chip, clock, 1)
    assert clock.t == 1000000 + 10 * PERIOD and source(chip) == 0x8A
    samples(chip, 1)
    assert pin.level == 0


def test_a_long_absence():
    clock, chip = start()
    clock.t += 1000 * PERIOD * 20
    assert source(chip) & 0x7F == 0x5F
    assert chip.overwritten == 20000 - 32


def test_reading_allocates_nothing():
    clock, chip = start()
    clock.t += 40 * PERIOD
    buf = bytearray(192)
    micropython.heap_lock()
    try:
        chip.read(0x2F, buf, 0, 1)
        chip.read(0xA8, buf, 0, 192)
    finally:
        micropython.heap_unlock()
