"""The ICM-42688-P driver against the register-level model of the virtual board."""

import random

import driver_case as case

import drivers.icm42688
from drivers.icm42688 import ICM42688
from host.virtual.chips.icm42688 import ICM42688 as Model

HEAP = "4M"
CHIP = case.Kind(Model, ICM42688, drivers.icm42688, 0x68, 0x30, 0x75, 0x47)
BOTH = ("accel", "gyro")
ACCEL = ("accel",)


def test_every_frame_once_on_each_bus_and_selection():
    random.seed(10)
    for spi in (False, True):
        for measure in (BOTH, ACCEL, ("gyro",)):
            case.every_frame_once(CHIP, 1500, spi=spi, measure=measure, rate_ratio=1.03)


def test_every_rate():
    random.seed(11)
    for rate in (12.5, 25, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000, 32000):
        case.every_frame_once(CHIP, 1500, rate_hz=rate, byte_us=0, spi=True)
    for rate in (1.5625, 3.125, 6.25):
        case.every_frame_once(CHIP, 400, rate_hz=rate, measure=ACCEL)


def test_ranges_and_scales():
    for g in (2, 4, 8, 16):
        driver = case.Bench(CHIP, measure=ACCEL, accel_range_g=g).driver
        assert driver.channels == ("ax", "ay", "az") and driver.units == ("g",) * 3 and driver.frame_bytes == 6
        assert all(abs(s * 32768 - g) < 1e-6 * g for s in driver.scale)
    for dps in (15.625, 31.25, 62.5, 125, 250, 500, 1000, 2000):
        driver = case.Bench(CHIP, measure=("gyro",), gyro_range_dps=dps).driver
        assert driver.channels == ("gx", "gy", "gz") and driver.units == ("deg/s",) * 3
        assert all(abs(s * 32768 - dps) < 1e-6 * dps for s in driver.scale)


def test_what_is_written_for_a_range():
    """Codes of the data sheet, ACCEL_CONFIG0 and GYRO_CONFIG0: full scale in bits 7..5, rate in bits 3..0."""
    bench = case.Bench(CHIP, accel_range_g=2, gyro_range_dps=125, rate_hz=200)
    answer = bytearray(2)
    bench.model.read(0x4F, answer, 0, 2)
    assert answer == bytes([4 << 5 | 7, 3 << 5 | 7]), answer


def test_settings_the_chip_lacks():
    text = case.raises(ValueError, ICM42688, None, rate_hz=104)
    assert "rate_hz 104" in text and "12.5, 25, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000, 32000" in text
    assert "rate_hz" in case.raises(ValueError, ICM42688, None, rate_hz=6.25)
    assert "2, 4, 8, 16" in case.raises(ValueError, ICM42688, None, accel_range_g=6)
    assert "250, 500, 1000, 2000" in case.raises(ValueError, ICM42688, None, gyro_range_dps=300)
    for measure in ((), ("accel", "mag"), ("accel", "accel")):
        assert "accel, gyro" in case.raises(ValueError, ICM42688, None, measure=measure)
    assert "watermark" in case.raises(ValueError, ICM42688, None, int_pin=4, watermark=128)


def test_wrong_or_missing_chip():
    case.wrong_or_missing_chip(CHIP)


def test_watermark_interrupt():
    bench = case.Bench(CHIP, int_pin=4, watermark=20)
    answer = bytearray(6)
    bench.model.read(0x60, answer, 0, 6)
    assert answer[0] | answer[1] << 8 == 320 and answer[5] & 0x04, answer
    bench.record(300, 20)
    bench.balance()


def test_overruns_are_sized_exactly_by_the_stamps():
    random.seed(12)
    for rate, ratio in ((12.5, 0.97), (100, 1.03), (1000, 1.01)):
        bench = case.overruns(CHIP, 8, rate_hz=rate, rate_ratio=ratio, byte_us=10)
        assert bench.off == 0


def test_overruns_of_one_sensor_are_sized_by_the_host_clock():
    random.seed(13)
    for measure in (ACCEL, ("gyro",)):
        bench = case.overruns(CHIP, 8, measure=measure, rate_ratio=1.03, tolerance=6)
        assert not bench.driver.lost_exact


def test_stalls_between_status_and_data():
    random.seed(14)
    case.stalls(CHIP, 15, rate_hz=200)
    case.stalls(CHIP, 15, measure=ACCEL, tolerance=10, rate_hz=200)


def test_unanswered_transfers_lose_nothing():
    random.seed(15)
    case.bus_failures(CHIP, 100)
    case.bus_failures(CHIP, 100, measure=ACCEL)


def test_broken_transfers_are_a_loss_and_the_fifo_is_back_in_step():
    random.seed(16)
    case.broken_reads(CHIP, 25, rate_hz=200)
    case.broken_reads(CHIP, 25, rate_hz=200, measure=ACCEL, tolerance=8)


def test_restart_begins_anew():
    random.seed(17)
    bench = case.overruns(CHIP, 2)
    bench.driver.stop()
    assert bench.driver.lost > 0
    bench.driver.start()
    assert bench.driver.lost == bench.driver.overruns == bench.driver.produced() == 0 and bench.driver.lost_exact
    bench.expected = None
    bench.got = bench.lost = 0
    bench.record(500, 60)
    bench.balance()
    bench.driver.close()


def test_available_and_readinto_need_no_heap():
    for measure in (BOTH, ACCEL):
        case.needs_no_heap(CHIP, measure=measure)
