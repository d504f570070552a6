"""UTC over sleep: the uncertainty claimed always covers the error, and shrinks once the RTC is measured."""

import random
import time

from app.clock import Clock
from app.utc import Utc
from config.ports import port

EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0
START_S = 1800000000


class World:
    """True time; a board's tick counter and its RTC, which both are off by some ppm."""

    def __init__(self, unit, tick_ppm, rtc_ppm):
        self.us = START_S * 1000000
        self.tick_ppm = tick_ppm
        self.rtc_ppm = rtc_ppm
        self.unit = unit
        self._ticks = 0
        self._rtc = self.us

    def awake(self, us):
        self.us += us
        self._ticks += us + us * self.tick_ppm // 1000000
        self._rtc += us + us * self.tick_ppm // 1000000  # as on ESP32: the crystal's while awake

    def asleep(self, us):
        self.us += us
        self._rtc += us + us * self.rtc_ppm // 1000000

    def ticks_us(self):
        return self._ticks & 0x3FFFFFFF

    def boot(self):
        self._ticks = 0

    def datetime(self, when=None):
        if when is not None:
            year, month, day, _, hours, minutes, seconds, _ = when
            self._rtc = (time.mktime((year, month, day, hours, minutes, seconds, 0, 0)) + EPOCH_S) * 1000000
            return
        year, month, day, hours, minutes, seconds, weekday = time.gmtime(self._rtc // 1000000 - EPOCH_S)[:7]
        us = self._rtc % 1000000
        part = us if self.unit == "us" else 255 - us * 256 // 1000000 if self.unit else 0
        return year, month, day, weekday, hours, minutes, seconds, part


def check(utc, world):
    now, uncertainty = utc.now()
    assert abs(now - world.us) <= uncertainty, (now - world.us, uncertainty)
    return uncertainty


def live(platform, seed):
    """Forty days and more of waking, sleeping and now and then a clock fix. -> the last uncertainty, bound of ppm"""
    rng = random
    rng.seed(seed)
    row = port(platform)
    drift = row["drift_ppm"]
    world = World(row["rtc"], rng.randint(-50, 50), rng.randint(-drift, drift))
    known = {}
    utc = Utc(world, Clock(world.ticks_us), known, row)
    utc.adopt()
    for _ in range(400):
        for _ in range(rng.randint(0, 3)):
            world.awake(rng.randint(1, 300) * 999983)
            check(utc, world)
        if rng.randint(0, 9) == 0:
            uncertainty = rng.randint(100, 100000)
            age = rng.randint(0, 1000000)
            world.awake(age)
            utc.heard(age, world.us - age + rng.randint(-uncertainty, uncertainty), uncertainty)
            check(utc, world)
        utc.pause()
        world.asleep(rng.randint(1, 20000) * 1000000)
        world.boot()
        utc = Utc(world, Clock(world.ticks_us), known, row)
        utc.resume()
        uncertainty = check(utc, world)
    return uncertainty, known["bound"], known["ppm"], world.rtc_ppm


def test_the_uncertainty_covers_the_error():
    for platform in ("esp32", "pyboard", "mimxrt", "linux"):
        for seed in range(6):
            _, bound, ppm, truth = live(platform, seed)
            row = port(platform)
            assert platform == "mimxrt" or bound < 2 * row["wander_ppm"] + 1, (platform, bound)  # whole seconds only
            assert abs(ppm + truth) <= bound + abs(truth * truth) / 1e6, (ppm, truth)


def test_an_rtc_that_was_never_set_is_not_believed():
    world = World("us", 0, 0)
    world.datetime((2000, 1, 1, 1, 0, 0, 0, 0))
    utc = Utc(world, Clock(world.ticks_us), {}, port("esp32"))
    utc.adopt()
    assert utc.now() is None
    utc.pause()
    utc.resume()
    assert utc.now() is None
    utc.heard(0, world.us, 1000)
    assert check(utc, world) <= 1002
    assert world.datetime()[:3] == time.gmtime(START_S - EPOCH_S)[:3], "the RTC is set by the first fix"


def test_an_rtc_that_somebody_sets_between_two_fixes_is_not_measured():
    world = World("us", 0, 100)
    utc = Utc(world, Clock(world.ticks_us), {}, port("linux"))
    utc.heard(0, world.us, 1000)
    utc.pause()
    world.asleep(3600000000)
    world._rtc += 100000000
    utc.resume()
    utc.heard(0, world.us, 1000)
    assert utc.known["ppm"] == 0 and utc.known["bound"] == 500
    check(utc, world)
