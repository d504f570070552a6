"""The schedule under random configurations, times and reboots, held against a slow, obvious second opinion. Runs on
MicroPython here, and on CPython by test_schedule.py.
"""

from app.schedule import DAY, DAYS, EVER, GRACE_S, Plan
from config.times import instant, minutes

HEAP = "16M"
START = 820454400 + 1  # 2026-01-01, more or less


class Random:
    """A linear congruential generator: every MicroPython has it, with the same numbers."""

    def __init__(self, seed):
        self._state = seed

    def randrange(self, low, high=None):
        if high is None:
            low, high = 0, low
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        return low + (self._state >> 33) % (high - low)

    def choice(self, values):
        return values[self.randrange(len(values))]


def hhmm(m):
    return "%02d:%02d" % (m // 60, m % 60)


def window(start, end, days=None, record_s=None, sleep_s=0):
    return {"from": hhmm(start), "to": hhmm(end), "days": days, "record_s": record_s, "sleep_s": sleep_s}


def schedule(windows=(), start=None, until=None):
    active = {"from": start, "until": until} if start or until else None
    return {"windows": list(windows), "active": active}


def random_schedule(chance):
    """Windows that do not overlap: pieces of a day that begins somewhere, the last of which may cross midnight."""
    first = chance.randrange(1440)
    cuts = sorted({chance.randrange(1, 1440) for _ in range(chance.choice((1, 1, 3, 5)))})
    windows = []
    for i in range(0, len(cuts) - 1, 2) or (0,):
        begin, end = (cuts[i], cuts[i + 1]) if len(cuts) > 1 else (0, cuts[0])
        length = (end - begin) * 60
        record_s = chance.choice((None, 1, 7, 60, 600, 3600))
        sleep_s = chance.choice((0, 1, 53, 540, 5000, 86400)) if record_s else 0
        if record_s and record_s > length:
            record_s, sleep_s = None, 0
        days = chance.choice((None, None, ["mon"], ["sat", "sun"], ["tue", "thu", "fri"]))
        windows.append(window((first + begin) % 1440, (first + end) % 1440 or 1440, days, record_s, sleep_s))
    return schedule(windows)


def is_due(config, t):
    """Whether the configuration wants second `t` recorded, straight from its words."""
    active = config["active"]
    if active and (active["from"] and t < instant(active["from"]) or active["until"] and t >= instant(active["until"])):
        return False
    for entry in config["windows"]:
        for day in (t // DAY, t // DAY - 1):
            start = day * DAY + minutes(entry["from"]) * 60
            end = day * DAY + minutes(entry["to"]) * 60
            if end <= start:
                end += DAY
            name = DAYS[(day + 5) % 7]
            if start <= t < end and (entry["days"] is None or name in entry["days"]):
                if not entry["record_s"] or (t - start) % (entry["record_s"] + entry["sleep_s"]) < entry["record_s"]:
                    return True
    return not config["windows"]


def run(plan, start, end, reboots=()):
    """Follow the plan as the main loop does, from one decision to the next. -> [(from, to)] recorded."""
    recorded = []
    now, current, done, began = start, None, None, None
    reboots = list(reboots)
    while now < end:
        slot, until = plan.decide(now, current, done)
        if current and slot != current:
            recorded.append((began, now))
            done = current
        if slot and slot != current:
            began = now
        current = slot
        at = min(until if until is not None else end, end)
        assert at > now, (now, until)
        if reboots and reboots[0] < at:
            now = max(now, reboots.pop(0))
            if current:
                recorded.append((began, now))
            current = done = None
        else:
            now = at
    if current:
        recorded.append((began, now))
    return recorded


def joined(recorded):
    """Neighbours as one."""
    runs = []
    for begin, end in recorded:
        if runs and runs[-1][1] == begin:
            runs[-1] = (runs[-1][0], end)
        elif end > begin:
            runs.append((begin, end))
    return runs


def seconds(recorded):
    return {t for begin, end in recorded for t in range(begin, end)}


def test_every_second_is_as_the_configuration_says():
    for seed in range(25):
        chance = Random(seed)
        config = random_schedule(chance)
        start = START + chance.randrange(400 * DAY)
        recorded = run(Plan(config), start, start + 1500)
        for i in range(1, len(recorded)):
            assert recorded[i - 1][1] <= recorded[i][0], "recordings overlap"
        due = {t for t in range(start, start + 1500) if is_due(config, t)}
        assert seconds(recorded) == due, (seed, config)


def test_a_reboot_at_any_second_changes_nothing_behind_it():
    for seed in range(25):
        chance = Random(seed)
        plan = Plan(random_schedule(chance))
        start = START + chance.randrange(400 * DAY)
        calm = run(plan, start, start + 90000)
        reboots = sorted([start + chance.randrange(90000) for _ in range(5)])
        shaken = run(plan, start, start + 90000, reboots)
        assert joined(shaken) == joined(calm), seed
        ends = {end for _, end in calm} - set(reboots)
        assert {end for _, end in shaken} - set(reboots) == ends, seed


def test_no_drift_in_400_days_over_a_leap_day():
    plan = Plan(schedule([window(0, 1440, record_s=60, sleep_s=540)]))
    start = instant("2027-06-01T00:00:00Z")
    recorded = run(plan, start, start + 400 * DAY)
    assert len(recorded) == 400 * 144
    assert all([begin % 600 == 0 and end - begin == 60 for begin, end in recorded])
    plan = Plan(schedule([window(390, 391, ["tue"])]))
    assert plan.slot(instant("2028-02-28T12:00:00Z"))[0] == instant("2028-02-29T06:30:00Z")


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins():
    plan = Plan(schedule([window(22 * 60, 6 * 60, ["fri"], 3600, 3600)]))
    friday = instant("2026-11-27T22:00:00Z")
    recorded = run(plan, friday - DAY, friday + 8 * DAY)
    night = [0, 7200, 14400, 21600]
    assert [begin - friday for begin, _ in recorded] == night + [7 * DAY + n for n in night]


def test_a_late_start_shortens_and_the_windows_end_cuts():
    plan = Plan(schedule([window(360, 361, None, 50, 5)]))
    start = instant("2026-12-01T06:00:00Z")
    assert plan.decide(start + 20, None, None) == ((start, start + 50), start + 50)
    assert plan.decide(start + 55, None, None) == ((start + 55, start + 60), start + 60)
    assert plan.decide(start + 50, (start, start + 50), None) == (None, start + 55)


def test_active_bounds_everything():
    config = schedule([window(0, 1440, record_s=60, sleep_s=60)], "2026-12-01T00:00:30Z", "2026-12-01T00:04:30Z")
    start = instant("2026-12-01T00:00:00Z")
    recorded = [(begin - start, end - start) for begin, end in run(Plan(config), start - 100, start + 1000)]
    assert recorded == [(30, 60), (120, 180), (240, 270)]
    plan = Plan(schedule((), "2026-12-01T00:00:00Z"))
    assert plan.decide(start - 5, None, None) == (None, start)
    assert plan.decide(start, None, None) == ((start, EVER), EVER)
    assert Plan(schedule((), None, "2026-12-01T00:00:00Z")).decide(start, None, None) == (None, None)


def test_clock_steps():
    plan = Plan(schedule([window(0, 1440, record_s=60, sleep_s=540)]))
    slot = (START // 600 * 600, START // 600 * 600 + 60)
    begin, end = slot
    assert plan.decide(begin + 30, slot, None)[0] == slot
    assert plan.decide(begin - GRACE_S, slot, None)[0] == slot, "set back a little: it goes on"
    assert plan.decide(begin - GRACE_S - 1, slot, None) == (None, begin), "set back a lot: it ends, and comes again"
    assert plan.decide(begin + 599, slot, None) == (None, begin + 600), "set forward out of it"
    assert plan.decide(begin + 601, slot, None)[0] == (begin + 600, begin + 660), "set forward into the next"
    assert plan.decide(end - 1, None, slot) == (None, begin + 600), "done, and the clock was set back into it"
    assert plan.decide(begin - 600, None, slot)[0] == (begin - 600, begin - 540), "an earlier one is another one"
    for seed in range(40):
        chance = Random(seed)
        plan = Plan(random_schedule(chance))
        now, current, done = START + chance.randrange(DAY), None, None
        for _ in range(200):  # whatever the clock does, a decision is of the present and not for ever
            found, until = plan.decide(now, current, done)
            if current and found != current:
                done = current
            current = found
            assert until is not None and until > now
            assert current is None or current[0] - GRACE_S <= now < current[1] == until
            now = max(0, now + chance.choice((1, 10, 100, 5000, -1, -30, -100, -90000, 90000)))


def test_without_a_clock_the_cycle_begins_when_the_board_is_switched_on():
    for seed in range(30):
        config = random_schedule(Random(seed))
        if config["windows"]:
            plan = Plan(config)
            first = min([minutes(entry["from"]) for entry in config["windows"]])
            at = plan.relative(0)
            slot = plan.slot(at)
            assert slot[0] == at and (at // 60 % 1440 == first or any([e["days"] for e in config["windows"]]))
    plan = Plan(schedule([window(360, 1080, record_s=60, sleep_s=540)], "2026-12-01T00:00:00Z"))
    begun = [s for s in range(2000) if plan.decide(plan.relative(s), None, None)[0]]
    assert begun == [s for s in range(2000) if s % 600 < 60]
    plan = Plan(schedule((), "2026-12-01T00:00:00Z"))
    assert plan.decide(plan.relative(0), None, None)[0]


def test_times():
    assert minutes("00:00") == 0 and minutes("24:00") == 1440 and minutes("06:30") == 390
    assert [minutes(text) for text in ("24:01", "6:30", "06:60", "ab:cd", "06-30", "")] == [None] * 6
    assert instant("2000-01-01T00:00:00Z") == 0 and instant("2000-03-01T00:00:01Z") == 60 * DAY + 1
    assert instant("2026-12-01T06:30:00Z") == 849421800
    assert instant("2100-03-01T00:00:00Z") - instant("2100-02-28T00:00:00Z") == DAY
    assert instant("2028-02-29T00:00:00Z") + DAY == instant("2028-03-01T00:00:00Z")
    wrong = "2026-02-29T00:00:00Z 2026-13-01T00:00:00Z 2026-12-01-06:30:00Z 2026-12-01T24:00:00Z 2026-00-01T00:00:00Z"
    for text in wrong.split() + ["soon", "", "2026-12-01T06:30:00+"]:
        assert instant(text) is None, text
