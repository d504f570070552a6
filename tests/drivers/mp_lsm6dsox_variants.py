"""LSM6DSO32 and ISM330DHCX, the LSM6DSOX's driver with their ranges and identities, against the virtual board's
models.
"""

import random

import driver_case as case

import drivers.lsm6dsox
from drivers.ism330dhcx import ISM330DHCX
from drivers.lsm6dso32 import LSM6DSO32
from host.virtual.chips.ism330dhcx import ISM330DHCX as Ism330Model
from host.virtual.chips.lsm6dso32 import LSM6DSO32 as Dso32Model

HEAP = "4M"
DSO32 = case.Kind(Dso32Model, LSM6DSO32, drivers.lsm6dsox, 0x6A, 0x78, 0x0F, 0x6C)
DHCX = case.Kind(Ism330Model, ISM330DHCX, drivers.lsm6dsox, 0x6B, 0x78, 0x0F, 0x6B)


def test_every_frame_once():
    random.seed(1)
    for kind in (DSO32, DHCX):
        for spi in (False, True):
            case.every_frame_once(kind, 1500, spi=spi, rate_ratio=1.02)


def test_ranges_and_scales():
    for g, code, scale in ((4, 0, 0.122), (8, 2, 0.244), (16, 3, 0.488), (32, 1, 0.976)):
        bench = case.Bench(DSO32, measure=("accel",), accel_range_g=g)
        assert bench.model.registers[0x10] == 4 << 4 | code << 2
        assert all(abs(s - scale / 1000) < 1e-7 for s in bench.driver.scale)
    for dps, code, scale in (
        (125, 2, 4.375),
        (250, 0, 8.75),
        (500, 4, 17.5),
        (1000, 8, 35),
        (2000, 12, 70),
        (4000, 1, 140),
    ):
        bench = case.Bench(DHCX, measure=("gyro",), gyro_range_dps=dps)
        assert bench.model.registers[0x11] == 4 << 4 | code
        assert all(abs(s - scale / 1000) < 1e-6 for s in bench.driver.scale)


def test_ranges_the_chips_lack():
    text = case.raises(ValueError, LSM6DSO32, None, accel_range_g=2)
    assert "LSM6DSO32 has 4, 8, 16, 32" in text
    text = case.raises(ValueError, ISM330DHCX, None, gyro_range_dps=300)
    assert "ISM330DHCX has 125, 250, 500, 1000, 2000, 4000" in text


def test_wrong_or_missing_chip():
    for kind in (DSO32, DHCX):
        case.wrong_or_missing_chip(kind)


def test_overruns():
    random.seed(2)
    for kind in (DSO32, DHCX):
        assert case.overruns(kind, 4).driver.lost_exact
