"""The BMI160 driver against the register-level model of the virtual board, and against a second, smaller one."""

import random

import driver_case as case
from fake_bmi160 import FakeBmi160

import drivers.bmi160
import drivers.bmi270
import drivers.clocked
from drivers.bmi160 import BMI160
from host.virtual.chips.bmi160 import BMI160 as Model

HEAP = "4M"
BOTH = ("accel", "gyro")
ACCEL = ("accel",)
GYRO = ("gyro",)


class Kind(case.Kind):
    def set_time(self, ticks_us, sleep_ms):
        case.Kind.set_time(self, ticks_us, sleep_ms)
        for module in (drivers.clocked, drivers.bmi270):
            module.ticks_us = ticks_us
            module.sleep_ms = sleep_ms


def kind(model, data=0x24):
    return Kind(model, BMI160, drivers.bmi160, 0x68, data, 0x00, 0xD1)


CHIP = kind(Model)
CHIPS = (CHIP, kind(FakeBmi160))


def running(bench):
    """-> accelerometer and gyroscope in normal mode? (PMU_STATUS)"""
    status = bytearray(1)
    bench.model.read(0x03, status, 0, 1)
    return status[0] & 0x30 == 0x10, status[0] & 0x0C == 0x04


def test_every_frame_once_on_each_bus_and_selection():
    random.seed(10)
    for chip in CHIPS:
        for spi in (False, True):
            for measure in (BOTH, ACCEL, GYRO):
                case.every_frame_once(chip, 1000, spi=spi, measure=measure, rate_ratio=1.02)


def test_every_rate():
    random.seed(11)
    for rate in (25, 50, 100, 200, 400, 800, 1600):
        case.every_frame_once(CHIP, 400, rate_hz=rate, byte_us=1)
    for rate in (0.78125, 1.5625, 3.125, 6.25, 12.5):
        case.every_frame_once(CHIP, 200, rate_hz=rate, measure=ACCEL)
    case.every_frame_once(CHIP, 400, rate_hz=3200, measure=GYRO, byte_us=1)


def test_what_is_written():
    for g, code in ((2, 3), (4, 5), (8, 8), (16, 12)):
        bench = case.Bench(CHIP, measure=ACCEL, accel_range_g=g)
        registers = bench.model.registers
        assert registers[0x41] == code and registers[0x40] == 0x28 and registers[0x47] == 0x40
        assert running(bench) == (True, False)
        assert all(abs(s * 32768 - g) < 1e-6 * g for s in bench.driver.scale)
    for dps, code in ((125, 4), (250, 3), (500, 2), (1000, 1), (2000, 0)):
        registers = case.Bench(CHIP, measure=GYRO, gyro_range_dps=dps).model.registers
        assert registers[0x43] == code and registers[0x47] == 0x80
    registers = case.Bench(CHIP, int_pin=4, watermark=40).model.registers
    assert (registers[0x46], registers[0x51], registers[0x56], registers[0x53]) == (120, 0x40, 0x40, 0x0A)


def test_settings_the_chip_lacks():
    assert "BMI160 has 25.0" in case.raises(ValueError, BMI160, None, rate_hz=104)
    assert "BMI160 has 2, 4, 8, 16" in case.raises(ValueError, BMI160, None, accel_range_g=6)
    assert "watermark" in case.raises(ValueError, BMI160, None, int_pin=4, watermark=85)


def test_wrong_or_missing_chip():
    case.wrong_or_missing_chip(CHIP)


def test_overruns_and_stalls():
    random.seed(12)
    for chip in CHIPS:
        assert case.overruns(chip, 6).driver.lost_exact
        assert case.overruns(chip, 6, measure=GYRO, rate_hz=800, byte_us=2).driver.lost_exact
        for data in (0x18, 0x24):
            assert case.stalls(kind(chip.model, data), 6).driver.lost_exact


def test_bus_failures_and_broken_bursts():
    random.seed(14)
    for chip in CHIPS:
        case.bus_failures(chip, 40)
        case.broken_reads(chip, 30, measure=ACCEL)


def test_stop_and_lost_supply():
    bench = case.Bench(CHIP)
    bench.record(300, 40)
    bench.drain()
    bench.model.power_on()
    bench.clock.t += 3000000
    bench.driver.available()
    bench.clock.t += 500000
    assert bench.driver.available() > 40 and not bench.driver.lost_exact
    bench.driver.stop()
    assert running(bench) == (False, False)


def test_available_and_readinto_need_no_heap():
    for measure in (BOTH, ACCEL):
        case.needs_no_heap(CHIP, measure=measure)
