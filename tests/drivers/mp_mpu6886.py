"""The MPU-6886 driver against the register-level model of the virtual board."""

import random

import driver_case as case

import drivers.mpu6050
from drivers.mpu6886 import MPU6886
from host.virtual.chips.mpu6886 import MPU6886 as Model

HEAP = "4M"
CHIP = case.Kind(Model, MPU6886, drivers.mpu6050, 0x68, 0x74, 0x75, 0x19)
BOTH = ("accel", "gyro")
ACCEL = ("accel",)
GYRO = ("gyro",)


def test_every_frame_once_on_each_bus_and_selection():
    random.seed(20)
    for spi in (False, True):
        for measure in (BOTH, ACCEL, GYRO):
            case.every_frame_once(CHIP, 1500, spi=spi, measure=measure, rate_ratio=1.03)


def test_rates():
    random.seed(21)
    for rate in (1000, 500, 333.33, 200, 50, 62.5, 4, 3.91):
        bench = case.every_frame_once(CHIP, 400, rate_hz=rate, byte_us=2)
        assert abs(bench.driver.rate_hz - rate) < 0.006
    for rate in (8000,):
        case.every_frame_once(CHIP, 1500, rate_hz=rate, measure=GYRO, byte_us=0)


def test_ranges_and_scales():
    for g in (2, 4, 8, 16):
        driver = case.Bench(CHIP, measure=ACCEL, accel_range_g=g).driver
        assert driver.channels == ("ax", "ay", "az") and driver.units == ("g",) * 3 and driver.frame_bytes == 6
        assert all(abs(s * 32768 - g) < 1e-6 * g for s in driver.scale)
    for dps in (250, 500, 1000, 2000):
        driver = case.Bench(CHIP, measure=GYRO, gyro_range_dps=dps).driver
        assert driver.channels == ("gx", "gy", "gz") and driver.units == ("deg/s",) * 3
        assert all(abs(s * 32768 - dps) < 1e-6 * dps for s in driver.scale)


def test_what_is_written():
    """SMPLRT_DIV, CONFIG (filter 2: the widest of at most half the rate), full scales in bits 4..3."""
    bench = case.Bench(CHIP, accel_range_g=8, gyro_range_dps=1000, rate_hz=200)
    answer = bytearray(4)
    bench.model.read(0x19, answer, 0, 4)
    assert answer == bytes([4, 2, 2 << 3, 2 << 3]), answer


def test_settings_the_chip_lacks():
    for rate in (104, 0, -5, 3, 1500):
        text = case.raises(ValueError, MPU6886, None, rate_hz=rate)
        assert "rate_hz %s" % rate in text and "1000 / n" in text and "100, 125, 200, 250, 500, 1000" in text, text
    assert "8000 / n" in case.raises(ValueError, MPU6886, None, rate_hz=3000, measure=GYRO)
    assert "2, 4, 8, 16" in case.raises(ValueError, MPU6886, None, accel_range_g=6)
    assert "250, 500, 1000, 2000" in case.raises(ValueError, MPU6886, None, gyro_range_dps=125)
    assert "accel, gyro" in case.raises(ValueError, MPU6886, None, measure=("mag",))
    assert "watermark" in case.raises(ValueError, MPU6886, None, int_pin=4, watermark=73)



def test_wrong_or_missing_chip():
    case.wrong_or_missing_chip(CHIP)


def test_watermark_interrupt():
    bench = case.Bench(CHIP, int_pin=4, watermark=20)
    answer = bytearray(2)
    bench.model.read(0x60, answer, 0, 2)
    assert answer[0] << 8 | answer[1] == 280, answer
    bench.record(300, 20)
    bench.balance()



def test_overruns_are_seen_and_sized():
    random.seed(22)
    for rate, ratio in ((100, 1.03), (1000, 0.97)):
        for measure in (BOTH, GYRO):
            bench = case.overruns(CHIP, 8, rate_hz=rate, rate_ratio=ratio, byte_us=5, tolerance=8, measure=measure)
            assert not bench.driver.lost_exact


def test_stalls_between_status_and_data():
    random.seed(23)
    bench = case.stalls(CHIP, 15, rate_hz=200, tolerance=10)
    assert bench.driver.overruns > 3


def test_unanswered_transfers_lose_nothing():
    random.seed(24)
    case.bus_failures(CHIP, 100)
    case.bus_failures(CHIP, 100, measure=ACCEL)


def test_broken_transfers_are_a_loss_and_the_fifo_is_back_in_step():
    random.seed(25)
    case.broken_reads(CHIP, 25, rate_hz=200, tolerance=6)
    case.broken_reads(CHIP, 25, rate_hz=200, measure=ACCEL, tolerance=6)


def test_restart_begins_anew():
    random.seed(26)
    bench = case.overruns(CHIP, 2, tolerance=4)
    bench.driver.stop()
    assert bench.driver.lost > 0
    bench.driver.start()
    assert bench.driver.lost == bench.driver.overruns == bench.driver.produced() == 0 and bench.driver.lost_exact
    bench.expected = None
    bench.got = bench.lost = 0
    bench.record(500, 30)
    bench.balance()
    bench.driver.close()


def test_available_and_readinto_need_no_heap():
    for measure in (BOTH, ACCEL):
        case.needs_no_heap(CHIP, measure=measure)
