"""The BMI270 driver against the register-level model of the virtual board."""

import random

import driver_case as case

import drivers.bmi270
import drivers.clocked
from drivers.bmi270 import BMI270
from host.virtual.chips.bmi270 import BMI270 as Model

HEAP = "4M"
BOTH = ("accel", "gyro")
ACCEL = ("accel",)
GYRO = ("gyro",)
BLOB = "bmi270.bin"  # the model takes any 8192 bytes

with open(BLOB, "wb") as _file:
    _file.write(bytes(range(256)) * 32)


class Kind(case.Kind):
    def set_time(self, ticks_us, sleep_ms):
        case.Kind.set_time(self, ticks_us, sleep_ms)
        drivers.clocked.ticks_us = ticks_us
        drivers.clocked.sleep_ms = sleep_ms


def with_blob(*args, **settings):
    return BMI270(*args, config_file=BLOB, **settings)


def kind(data=0x26, model=Model):
    return Kind(model, with_blob, drivers.bmi270, 0x68, data, 0x00, 0x24)


CHIP = kind()


def test_every_frame_once_on_each_bus_and_selection():
    random.seed(10)
    for spi in (False, True):
        for measure in (BOTH, ACCEL, GYRO):
            case.every_frame_once(CHIP, 2500, spi=spi, measure=measure, rate_ratio=1.02)


def test_every_rate():
    random.seed(11)
    for rate in (25, 50, 100, 200, 400, 800, 1600):
        case.every_frame_once(CHIP, 800, rate_hz=rate, byte_us=1)
    for rate in (0.78125, 1.5625, 3.125, 6.25, 12.5):
        case.every_frame_once(CHIP, 300, rate_hz=rate, measure=ACCEL)
    case.every_frame_once(CHIP, 800, rate_hz=3200, measure=GYRO, byte_us=1)


def test_ranges_scales_and_what_is_written_for_them():
    for g, code in ((2, 0), (4, 1), (8, 2), (16, 3)):
        bench = case.Bench(CHIP, measure=ACCEL, accel_range_g=g)
        driver = bench.driver
        assert driver.channels == ("ax", "ay", "az") and driver.units == ("g",) * 3 and driver.frame_bytes == 6
        assert all(abs(s * 32768 - g) < 1e-6 * g for s in driver.scale)
        registers = bench.model.registers
        assert registers[0x41] == code and registers[0x40] == 0xA8 and registers[0x7D] & 6 == 4
    for dps, code in ((125, 4), (250, 3), (500, 2), (1000, 1), (2000, 0)):
        bench = case.Bench(CHIP, measure=GYRO, gyro_range_dps=dps)
        assert bench.driver.channels == ("gx", "gy", "gz") and bench.driver.units == ("deg/s",) * 3
        assert all(abs(s * 32768 - dps) < 1e-6 * dps for s in bench.driver.scale)
        assert bench.model.registers[0x43] & 7 == code and bench.model.registers[0x7D] & 6 == 2


def test_settings_the_chip_lacks():
    text = case.raises(ValueError, BMI270, None, rate_hz=104)
    assert "rate_hz 104" in text and "25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0" in text and "3200" not in text
    assert "3200" in case.raises(ValueError, BMI270, None, rate_hz=12.5, measure=GYRO)
    assert "2, 4, 8, 16" in case.raises(ValueError, BMI270, None, accel_range_g=6)
    assert "125, 250, 500, 1000, 2000" in case.raises(ValueError, BMI270, None, gyro_range_dps=300)
    assert "accel, gyro" in case.raises(ValueError, BMI270, None, measure=("mag",))
    assert "watermark" in case.raises(ValueError, BMI270, None, int_pin=4, watermark=170)


def test_wrong_or_missing_chip():
    case.wrong_or_missing_chip(CHIP)


def test_configuration_missing_or_of_the_wrong_size():
    clock = case.Clock()
    bus = case.I2C(Model(clock, case.Numbered(), address=0x68), clock, 1)
    CHIP.set_time(clock.ticks_us, clock.sleep_ms)
    text = case.raises(OSError, BMI270, bus, config_file="nowhere.bin")
    assert "nowhere.bin" in text and "BMI270_SensorAPI" in text
    with open("short.bin", "wb") as file:
        file.write(bytes(8191))
    text = case.raises(ValueError, BMI270, bus, config_file="short.bin")
    assert "short.bin" in text and "8191" in text and "8192" in text


def test_chip_that_refuses_its_configuration():
    class Picky(Model):
        def _read(self, register):
            value = Model._read(self, register)
            return 2 if register == 0x21 and value == 1 else value

    text = case.raises(OSError, case.Bench, kind(model=Picky))
    assert "register 0x21" in text and "reads 2" in text and BLOB in text


def test_interrupt_pin_gets_the_watermark():
    registers = case.Bench(CHIP, int_pin=4, watermark=100).model.registers
    assert registers[0x46] | registers[0x47] << 8 == 1200 and registers[0x58] == 2 and registers[0x53] == 0x0A
    assert case.Bench(CHIP).model.registers[0x58] == 0


def test_overruns_are_sized_and_placed_exactly():
    random.seed(12)
    for measure in (BOTH, GYRO):
        for ratio in (0.97, 1.02):
            assert case.overruns(CHIP, 6, measure=measure, rate_ratio=ratio).driver.lost_exact
    assert case.overruns(CHIP, 6, spi=True, rate_hz=800, byte_us=2).driver.lost_exact


def test_stalls_around_the_burst():
    random.seed(13)
    for data in (0x18, 0x26):
        bench = case.stalls(kind(data), 8)
        assert bench.driver.overruns > 3 and bench.driver.lost_exact


def test_bus_failures_lose_nothing_that_the_chip_holds():
    random.seed(14)
    case.bus_failures(CHIP, 60)
    case.bus_failures(CHIP, 60, measure=ACCEL)


def test_broken_bursts_are_counted_losses():
    random.seed(15)
    for measure in (BOTH, GYRO):
        case.broken_reads(CHIP, 40, measure=measure)


def test_a_chip_that_lost_its_supply_is_set_up_anew():
    bench = case.Bench(CHIP)
    bench.record(600, 60)
    bench.drain()
    bench.model.power_on()
    bench.clock.t += 3000000
    bench.driver.available()
    bench.clock.t += 1000000
    assert bench.driver.available() > 80
    assert bench.driver.readinto(memoryview(bench.buffer)[:120]) == 10
    assert 250 < bench.driver.lost < 400 and not bench.driver.lost_exact, bench.driver.lost


def test_stop_and_start_again():
    bench = case.Bench(CHIP)
    bench.record(300, 60)
    bench.drain()
    bench.driver.stop()
    bench.clock.t += 500000
    assert bench.driver.available() == 0
    bench.driver.start()
    assert bench.driver.lost == bench.driver.overruns == bench.driver.produced() == 0
    bench.wait(50.5)
    assert 40 <= bench.driver.available() <= 51
    bench.driver.close()


def test_available_and_readinto_need_no_heap():
    for measure in (BOTH, ACCEL):
        case.needs_no_heap(CHIP, measure=measure)
