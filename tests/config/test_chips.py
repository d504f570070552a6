"""The rules' chip facts are the driver's: drivers may not import the configuration, so the two are compared."""

import inspect

import pytest

from config.chips import CHIPS
from config.rules import RULES
from drivers import i2s_mic, lsm6dsox

STREAMS = RULES["config"][1]["streams"][0][2][2]
IMU = CHIPS["lsm6dsox"]


def test_every_driver_has_its_facts():
    assert STREAMS.keys() == CHIPS.keys()


def test_lsm6dsox_tables():
    assert IMU["rates_hz"] == lsm6dsox._RATES
    assert IMU["same_rate_hz"] == lsm6dsox._SAME_RATE
    assert set(IMU["accel_ranges_g"]) == lsm6dsox._ACCEL.keys()
    assert set(IMU["gyro_ranges_dps"]) == lsm6dsox._GYRO.keys()
    assert IMU["fifo_words"] == lsm6dsox._FIFO_WORDS


def test_microphone_parts():
    parts = CHIPS["i2s_mic"]["parts"]
    assert parts.keys() == i2s_mic.PARTS.keys()
    assert {name: part["shift"] for name, part in parts.items()} == {n: p[0] for n, p in i2s_mic.PARTS.items()}


@pytest.mark.parametrize(("name", "driver"), [("lsm6dsox", "LSM6DSOX"), ("i2s_mic", "I2SMic"), ("pdm_mic", "PDMMic")])
def test_the_drivers_keywords_are_the_configurations(name, driver):
    module = pytest.importorskip("drivers." + name)
    parameters = inspect.signature(getattr(module, driver)).parameters.values()
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    required = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty}
    fields = STREAMS[name][1].keys()
    assert required <= fields
    assert len(keywords & fields) >= 3
