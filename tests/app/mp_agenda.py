"""The schedule applied while the clock is set: a recording keeps its length, the grid is UTC's."""

from app import agenda
from app.agenda import UNIX_2000, Agenda

MIDNIGHT = 849398400  # 2026-12-01
_US = 1000000
ALWAYS = {"windows": [], "active": None}


def cycle(record_s=60, sleep_s=120):
    days = {"days": None, "record_s": record_s, "sleep_s": sleep_s}
    return {"windows": [dict(days, **{"from": "00:00", "to": "24:00"})], "active": None}


class World:
    """The recording clock, from boot on, and what is believed of UTC: `off_s` more than it, None: nothing."""

    def __init__(self, schedule, off_s, state=None):
        self.t = 0
        self.off_s = off_s
        self.state = {} if state is None else state
        self.agenda = Agenda(schedule, self.state, self, self.utc if off_s is not None else self.nobody)

    def t_us(self):
        return int(self.t * _US)

    def utc(self):
        return (self.t_us() + int((UNIX_2000 + self.off_s) * _US), 1000)

    def nobody(self):
        return None if self.off_s is None else self.utc()

    def follow(self, until, steps=()):
        """Look twice per second; `steps`: {second: what is added to UTC then}. -> [[from, to]] of recordings, by the
        recording clock.
        """
        steps = sorted(dict(steps).items())
        found = []
        slot = None
        while self.t < until:
            if steps and self.t >= steps[0][0]:
                self.off_s += steps.pop(0)[1]
            now = self.agenda.look()
            if now != slot and slot:
                found[-1][1] = self.t
            if now != slot and now:
                found.append([self.t, None])
            slot = now
            self.t += 0.5
        return found


def near(found, wanted):
    assert len(found) == len(wanted), (found, wanted)
    for got, want in zip(found, wanted):
        for a, b in zip(got, want):
            assert a is b is None or abs(a - b) <= 0.5, (found, wanted)


def test_a_clock_that_is_set_a_little_changes_no_length():
    for by in (-59, -4.3, -0.5, 0.5, 4.3, 29, 59):
        world = World(cycle(), MIDNIGHT - 100)
        near(world.follow(400, {130: by}), [[100, 160], [280 - by, 340 - by]])


def test_many_small_steps_change_no_length():
    world = World(cycle(), MIDNIGHT - 100)
    near(world.follow(400, {110: 5, 120: -8, 130: 5, 140: 5, 150: 2}), [[100, 160], [271, 331]])


def test_set_far_it_follows_the_schedule_from_the_new_time_on():
    far = World(cycle(), MIDNIGHT - 100)
    near(far.follow(400, {130: 100}), [[100, 130], [180, 240], [360, None]])
    back = World(cycle(), MIDNIGHT - 100)
    near(back.follow(350, {130: -180}), [[100, 130], [130, 160], [280, 340]])
    into_the_next = World(cycle(), MIDNIGHT - 100)
    near(into_the_next.follow(300, {130: 170}), [[100, 130], [130, 170], [290, None]])


def test_set_back_behind_a_recording_it_is_not_recorded_again():
    world = World(cycle(), MIDNIGHT - 100)
    near(world.follow(420, {165: -50}), [[100, 160], [330, 390]])


class UnsetRtc:
    """In place of `time`: an RTC that was not set counts from a 1 January."""

    def __init__(self, world):
        self._world = world

    def gmtime(self):
        s = int(self._world.t)
        return (2000, 1, 1, s // 3600, s // 60 % 60, s % 60, 5, 1)


def test_a_clock_fix_that_comes_while_it_records_relative_to_the_start_realigns():
    world = World(cycle(), None)
    real = agenda.time
    agenda.time = UnsetRtc(world)
    try:
        near(world.follow(30), [[0, None]])
        assert world.agenda.describe("schedule") == {"reason": "schedule", "clock": "relative"}
        slot = world.agenda.slot
        world.off_s = MIDNIGHT - 90
        assert world.agenda.look() is None and slot, "it ends at once"
        near(world.follow(120), [[90, None]])
        assert world.agenda.describe("schedule")["from_utc_s"] == MIDNIGHT + UNIX_2000
    finally:
        agenda.time = real


def test_without_windows_uploads_follow_utc_at_once():
    world = World(ALWAYS, MIDNIGHT)
    world.follow(10)
    world.off_s += 40
    world.agenda.look()
    assert world.agenda.now == int(MIDNIGHT + 40 + world.t)


def test_time_left_is_that_of_the_recording():
    world = World(cycle(), MIDNIGHT)
    world.follow(10)
    world.off_s += 5
    assert world.agenda.look() and abs(world.agenda.seconds_to(world.agenda.until) - (60 - world.t)) < 0.01


def test_done_outlives_deep_sleep():
    world = World(cycle(), MIDNIGHT)
    world.follow(70)
    assert world.state["done"] == [MIDNIGHT, MIDNIGHT + 60]
    near(World(cycle(), MIDNIGHT + 30, world.state).follow(100), [])
