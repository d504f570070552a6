"""The LIS3DH driver against a small model of the chip."""

import random

import driver_case as case
from fake_lis3dh import FakeLis3dh

import drivers.lis3dh
from drivers.lis2dh12 import LIS2DH12
from drivers.lis3dh import LIS3DH

HEAP = "4M"
CHIP = case.Kind(FakeLis3dh, LIS3DH, drivers.lis3dh, 0x18, 0x28, 0x0F, 0x33)


class FakeOnSpi(FakeLis3dh):
    spi = True


ON_SPI = case.Kind(FakeOnSpi, LIS3DH, drivers.lis3dh, 0x18, 0x28, 0x0F, 0x33)


def test_every_frame_once_at_every_rate_on_each_bus():
    random.seed(30)
    for rate in (1, 10, 25, 50, 100, 200, 400, 1344, 1600, 5376):
        case.every_frame_once(CHIP, 800, rate_hz=rate, rate_ratio=1.03, byte_us=5 if rate < 1000 else 0)
    case.every_frame_once(ON_SPI, 800, rate_hz=400, spi=True, byte_us=1)


def test_ranges_and_scales():
    """Data sheet, mechanical characteristics: 1, 2, 4, 12 mg per 12-bit digit, of 16 counts."""
    for g, code, mg in ((2, 0, 1), (4, 1, 2), (8, 2, 4), (16, 3, 12)):
        bench = case.Bench(CHIP, accel_range_g=g)
        assert bench.model.registers[0x23] == 0x88 | code << 4
        assert bench.driver.channels == ("ax", "ay", "az") and bench.driver.units == ("g",) * 3
        assert all(abs(s * 16000 - mg) < 1e-4 for s in bench.driver.scale)


def test_the_fastest_rates_have_8_bits():
    for rate, code in ((1344, 9 << 4 | 7), (1600, 8 << 4 | 15), (5376, 9 << 4 | 15)):
        bench = case.Bench(CHIP, rate_hz=rate, byte_us=0)
        assert bench.model.registers[0x20] == code and bench.model.registers[0x23] == (0x98 if rate == 1344 else 0x90)


def test_settings_the_chip_lacks():
    text = case.raises(ValueError, LIS3DH, None, rate_hz=104)
    assert "rate_hz 104" in text and "1, 10, 25, 50, 100, 200, 400, 1344, 1600, 5376" in text
    assert "2, 4, 8, 16" in case.raises(ValueError, LIS3DH, None, accel_range_g=3)
    assert "accel" in case.raises(ValueError, LIS3DH, None, measure=("accel", "gyro"))
    assert "watermark" in case.raises(ValueError, LIS3DH, None, int_pin=4, watermark=32)


def test_wrong_or_missing_chip():
    case.wrong_or_missing_chip(CHIP)


def test_watermark_interrupt():
    bench = case.Bench(CHIP, int_pin=4, watermark=12)
    assert bench.model.registers[0x2E] == 0x80 | 12 and bench.model.registers[0x22] == 0x04
    bench = case.Bench(CHIP)
    assert bench.model.registers[0x22] == 0


def test_a_block_that_waits_is_read_straight_into_the_buffer():
    bench = case.Bench(CHIP, byte_us=0)
    bench.wait(20.5)
    bench.driver.available()
    sizes = []
    bench.i2c.before = lambda register, size: sizes.append((register & 0x3F, size))
    assert bench.driver.readinto(bytearray(20 * 6)) == 20
    assert sizes == [(0x28, 120), (0x2F, 1)], sizes
    bench.expected = None
    bench.got += 20
    bench.balance()


def test_a_full_fifo_says_32_frames():
    bench = case.Bench(CHIP, byte_us=0)
    bench.wait(31.5)
    assert bench.driver.available() == 31 and bench.driver.overruns == 0
    bench.wait(1)
    assert bench.driver.available() == 32 and bench.driver.overruns == 1
    bench.drain()
    assert bench.got == 32 and bench.driver.lost == 0


def test_overruns_are_seen_and_sized():
    random.seed(31)
    for rate in (10, 100, 400):
        bench = case.overruns(CHIP, 12, rate_hz=rate, tolerance=12)
        assert not bench.driver.lost_exact


def test_stalls_between_status_and_data():
    random.seed(32)
    for rate in (10, 400):
        bench = case.stalls(CHIP, 12, rate_hz=rate, tolerance=12)
        assert bench.driver.overruns >= len(bench.gaps) > 5


def test_unanswered_transfers_lose_nothing():
    random.seed(33)
    case.bus_failures(CHIP, 100)


def test_broken_transfers_are_a_loss():
    random.seed(34)
    case.broken_reads(CHIP, 30, tolerance=6)


def test_lis2dh12_is_the_same():
    kind = case.Kind(FakeLis3dh, LIS2DH12, drivers.lis3dh, 0x19, 0x28, 0x0F, 0x33)
    random.seed(35)
    case.every_frame_once(kind, 300)
    assert "LIS2DH12" in case.raises(ValueError, LIS2DH12, None, rate_hz=3)


def test_available_and_readinto_need_no_heap():
    case.needs_no_heap(CHIP)
