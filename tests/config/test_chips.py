"""The rules' chip facts are the drivers': drivers may not import the configuration, so the two are compared.

A driver refuses a setting before it asks its bus, with a ValueError; what it takes ends at this bus in an OSError.
"""

import importlib
import inspect
import re
import sys

import pytest

from config.checks import _rate
from config.chips import CHIPS
from config.rules import RULES
from drivers import i2s_mic

UNION = RULES["config"][1]["streams"][0][2][2]
STREAMS = {tag: fields for tags, (_, fields) in UNION for tag in tags}
IMUS = sorted(name for name, chip in CHIPS.items() if "fifo_frames" in chip)
CLASSES = {**{name: name.upper() for name in IMUS}, "i2s_mic": "I2SMic", "pdm_mic": "PDMMic"}
SENSORS = {1: [("accel",), ("gyro",)], 2: [("accel", "gyro")]}
RATES = sorted(
    {rate for name in IMUS for rate in (*CHIPS[name].get("rates_hz", ()), *CHIPS[name].get("same_rate_hz", ()))}
    | {
        rate
        for name in IMUS
        for key in ("accel_only_rates_hz", "gyro_only_rates_hz")
        for rate in CHIPS[name].get(key, ())
    }
    | {0.5, 3.9, 3.91, 333.3, 333.33, 1000 / 3, 1000 / 7, 999, 1001, 7000, 50000}
)


class NobodyThere:
    """An I2C bus on which nobody answers; it knows who was asked."""

    def __init__(self):
        self.asked = set()

    def readfrom_mem_into(self, address, *_):
        self.asked.add(address)
        raise OSError(19)

    writeto_mem = readfrom_mem_into


@pytest.fixture
def make(monkeypatch):
    """-> make(name, **settings): the driver, as far as it got; ValueError for a wrong setting."""

    def made(name, bus=None, **settings):
        driver = driver_class(name)
        for part in driver.__mro__[:-1]:
            monkeypatch.setattr(sys.modules[part.__module__], "sleep_ms", lambda ms: None, raising=False)
        settings.setdefault("rate_hz", 100 if "mpu" in name else least_rate(name))
        settings.setdefault("measure", all_of(name))
        new = driver.__new__(driver)
        try:
            new.__init__(bus or NobodyThere(), **settings)
        except OSError:
            pass
        return new

    return made


def driver_class(name):
    return getattr(importlib.import_module("drivers." + name), CLASSES[name])


def all_of(name):
    return ("accel", "gyro") if "gyro_ranges_dps" in CHIPS[name] else ("accel",)


def least_rate(name):
    return CHIPS[name]["rates_hz"][0]


def takes(make, name, **settings):
    try:
        make(name, **settings)
    except ValueError:
        return False
    return True


def test_every_driver_has_its_facts():
    assert STREAMS.keys() == CHIPS.keys()


@pytest.mark.parametrize("name", IMUS)
@pytest.mark.parametrize("measure", [("accel",), ("gyro",), ("accel", "gyro")], ids="-".join)
def test_measures_and_rates(make, name, measure):
    chip = CHIPS[name]
    if not set(measure) <= set(all_of(name)):
        assert not takes(make, name, measure=measure)
        return
    for rate in RATES:
        errors = list(_rate("s", {"driver": name, "rate_hz": rate}, chip, measure))
        assert takes(make, name, rate_hz=rate, measure=measure) == (not errors), rate
    for rate, right in chip.get("same_rate_hz", {}).items():
        if takes(make, name, rate_hz=rate, measure=measure):
            assert make(name, rate_hz=rate, measure=measure).rate_hz == right


@pytest.mark.parametrize("name", IMUS)
@pytest.mark.parametrize(("sensor", "key", "table"), [
    ("accel", "accel_range_g", "accel_ranges_g"), ("gyro", "gyro_range_dps", "gyro_ranges_dps"),
])  # fmt: skip
def test_ranges(make, name, sensor, key, table):
    if sensor not in all_of(name):
        return
    with pytest.raises(ValueError) as error:
        make(name, **{key: 3})
    listed = [float(number) for number in re.findall(r"[\d.]+", str(error.value).split(" has ")[1])]
    assert listed == sorted(CHIPS[name][table])
    assert all(takes(make, name, **{key: value}) for value in CHIPS[name][table])


@pytest.mark.parametrize("name", IMUS)
def test_fifo(make, name):
    chip = CHIPS[name]
    for count, choices in SENSORS.items():
        for measure in choices:
            if set(measure) <= set(all_of(name)):
                driver = make(name, measure=measure)
                assert driver.fifo_frames == chip["fifo_frames"][count - 1]
                assert driver.frame_bytes == 6 * count
                words = getattr(driver, "_packet", 7 * count)  # the LSM6DSOX's words are a tag and three int16
                assert words == chip["bytes_on_bus"][count - 1]
    assert len(chip["fifo_frames"]) == len(chip["bytes_on_bus"]) == len(all_of(name))


@pytest.mark.parametrize("name", IMUS)
def test_addresses(make, name):
    bus = NobodyThere()
    make(name, bus)
    assert bus.asked == {CHIPS[name]["i2c_addresses"][0]}


def test_the_mpu6050_has_no_spi(make):
    assert [name for name in IMUS if CHIPS[name]["spi_max_hz"] is None] == ["mpu6050"]
    assert not takes(make, "mpu6050", cs=object())


def test_microphone_parts():
    parts = CHIPS["i2s_mic"]["parts"]
    assert parts.keys() == i2s_mic.PARTS.keys()
    assert {name: part["shift"] for name, part in parts.items()} == {n: p[0] for n, p in i2s_mic.PARTS.items()}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_the_drivers_keywords_are_the_configurations(name):
    parameters = inspect.signature(driver_class(name)).parameters.values()
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    required = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty}
    fields = STREAMS[name].keys()
    assert required <= fields
    assert len(keywords & fields) >= 3
    assert ("config_file" in keywords) == ("config_bytes" in CHIPS[name])
