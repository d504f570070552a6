"""The LSM6DS3TR-C driver against the register-level model of the virtual board."""

import random

import driver_case as case

import drivers.clocked
import drivers.lsm6ds3trc
from drivers.lsm6ds3trc import LSM6DS3TRC
from host.virtual.chips.lsm6ds3trc import LSM6DS3TRC as Model

HEAP = "4M"
BOTH = ("accel", "gyro")
ACCEL = ("accel",)
GYRO = ("gyro",)


class Kind(case.Kind):
    def set_time(self, ticks_us, sleep_ms):
        case.Kind.set_time(self, ticks_us, sleep_ms)
        drivers.clocked.ticks_us = ticks_us
        drivers.clocked.sleep_ms = sleep_ms


CHIP = Kind(Model, LSM6DS3TRC, drivers.lsm6ds3trc, 0x6A, 0x3E, 0x0F, 0x6A)


def test_every_frame_once_on_each_bus_and_selection():
    random.seed(10)
    for spi in (False, True):
        for measure in (BOTH, ACCEL, GYRO):
            case.every_frame_once(CHIP, 1250, spi=spi, measure=measure, rate_ratio=1.03)


def test_the_first_frame_is_dropped_and_does_not_count():
    bench = case.Bench(CHIP)
    bench.wait(10.5)
    waiting = bench.driver.available()
    assert bench.read(1) == 1 and bench.expected == 2, bench.expected  # rows count from 0: this was row 1
    bench.balance()
    assert bench.driver.lost == 0 and 9 <= waiting <= bench.driver.produced() == bench.got


def test_every_rate():
    random.seed(11)
    for rate in (12.5, 26, 52, 104, 208, 416, 417, 833, 1660, 1667, 3330, 6660, 6667):
        bench = case.every_frame_once(CHIP, 1500, rate_hz=rate, byte_us=0, spi=True)
        assert abs(bench.driver.rate_hz / rate - 1) < 0.005


def test_ranges_scales_and_what_is_written_for_them():
    for g, code, scale in ((2, 0, 0.061), (4, 2, 0.122), (8, 3, 0.244), (16, 1, 0.488)):
        bench = case.Bench(CHIP, measure=ACCEL, accel_range_g=g)
        driver = bench.driver
        assert driver.channels == ("ax", "ay", "az") and driver.units == ("g",) * 3 and driver.frame_bytes == 6
        assert all(abs(s - scale / 1000) < 1e-7 for s in driver.scale)
        assert bench.model.registers[0x10] == 4 << 4 | code << 2 and bench.model.registers[0x11] == 0
    for dps, code, scale in ((125, 2, 4.375), (250, 0, 8.75), (500, 4, 17.5), (1000, 8, 35), (2000, 12, 70)):
        bench = case.Bench(CHIP, measure=GYRO, gyro_range_dps=dps)
        assert bench.driver.channels == ("gx", "gy", "gz") and bench.driver.units == ("deg/s",) * 3
        assert all(abs(s - scale / 1000) < 1e-6 for s in bench.driver.scale)
        assert bench.model.registers[0x11] == 4 << 4 | code and bench.model.registers[0x10] == 0


def test_settings_the_chip_lacks():
    text = case.raises(ValueError, LSM6DS3TRC, None, rate_hz=100)
    assert "rate_hz 100" in text and "12.5, 26, 52, 104, 208, 416, 833, 1660, 3330, 6660" in text
    assert "2, 4, 8, 16" in case.raises(ValueError, LSM6DS3TRC, None, accel_range_g=6)
    assert "125, 250, 500, 1000, 2000" in case.raises(ValueError, LSM6DS3TRC, None, gyro_range_dps=300)
    assert "accel, gyro" in case.raises(ValueError, LSM6DS3TRC, None, measure=())
    assert "watermark" in case.raises(ValueError, LSM6DS3TRC, None, int_pin=4, watermark=341)


def test_wrong_or_missing_chip():
    case.wrong_or_missing_chip(CHIP)


def test_interrupt_pin_gets_the_watermark():
    registers = case.Bench(CHIP, int_pin=4, watermark=100).model.registers
    assert registers[0x06] == 600 & 0xFF and registers[0x07] == 600 >> 8 and registers[0x0D] == 0x08
    assert case.Bench(CHIP).model.registers[0x0D] == 0


def test_overruns_are_sized_and_placed_exactly():
    random.seed(12)
    for measure in (BOTH, ACCEL):
        for ratio in (0.95, 1.04):
            assert case.overruns(CHIP, 6, measure=measure, rate_ratio=ratio).driver.lost_exact
    assert case.overruns(CHIP, 6, measure=BOTH, rate_hz=833, byte_us=3).driver.lost_exact


def test_stalls_around_the_burst():
    random.seed(13)
    for data in (0x3A, 0x3E, 0x40):
        chip = Kind(Model, LSM6DS3TRC, drivers.lsm6ds3trc, 0x6A, data, 0x0F, 0x6A)
        bench = case.stalls(chip, 6)
        assert bench.driver.overruns > 2 and bench.driver.lost_exact


def test_bus_failures_lose_nothing_that_the_chip_holds():
    random.seed(14)
    case.bus_failures(CHIP, 60)
    case.bus_failures(CHIP, 60, measure=ACCEL)


def test_broken_bursts_are_counted_losses():
    random.seed(15)
    for measure in (BOTH, GYRO):
        case.broken_reads(CHIP, 40, measure=measure)


def test_faster_than_the_bus_ends_every_call_and_adds_up():
    bench = case.Bench(CHIP, rate_hz=6660, byte_us=22)
    driver = bench.driver
    got = 0
    for _ in range(40):
        driver.available()
        got += driver.readinto(bench.buffer)
    assert driver.overruns > 3 and driver.lost > 500 and got > 500, (driver.overruns, driver.lost, got)
    assert abs(got + driver.lost - driver.produced()) <= driver.fifo_frames


def test_a_chip_that_lost_its_supply_is_set_up_anew():
    bench = case.Bench(CHIP)
    bench.record(600, 100)
    bench.drain()
    bench.model.power_on()
    bench.clock.t += 3000000
    bench.driver.available()
    bench.clock.t += 2000000
    assert bench.driver.available() > 150
    assert bench.driver.readinto(memoryview(bench.buffer)[:120]) == 10
    assert 250 < bench.driver.lost < 400 and not bench.driver.lost_exact, bench.driver.lost


def test_a_time_stamp_that_stands_still_is_not_believed():
    random.seed(16)

    class Stopped(Model):
        def _write(self, register, value):
            if register != 0x19:
                Model._write(self, register, value)

    chip = Kind(Stopped, LSM6DS3TRC, drivers.lsm6ds3trc, 0x6A, 0x3E, 0x0F, 0x6A)
    case.every_frame_once(chip, 3000)
    assert not case.overruns(chip, 4, tolerance=12).driver.lost_exact


def test_stop_and_start_again():
    bench = case.Bench(CHIP)
    bench.record(300, 100)
    bench.drain()
    bench.driver.stop()
    bench.clock.t += 500000
    assert bench.driver.available() == 0 and bench.model.registers[0x10] == 0
    bench.driver.start()
    assert bench.driver.lost == bench.driver.overruns == bench.driver.produced() == 0
    bench.wait(50.5)
    assert 45 <= bench.driver.available() <= 50
    bench.driver.close()


def test_available_and_readinto_need_no_heap():
    for measure in (BOTH, ACCEL):
        case.needs_no_heap(CHIP, measure=measure)
