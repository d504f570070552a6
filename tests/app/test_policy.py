"""Uploads respect their policy, whatever the configuration says."""

from itertools import pairwise
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.policy import COST, Policy, hash_of
from app.schedule import Plan
from app.timetable import timetable
from config.pauses import longest_pause_s
from config.times import DAYS

TIMES = st.integers(0, 10**9)


def make(**keys) -> Policy:
    upload = {
        "interval_s": 5, "max_latency_s": None, "min_batch_kb": None, "align_s": None, "jitter_s": 0, "only_if": None,
        "backoff_min_s": 1, "backoff_max_s": 60,
    }  # fmt: skip
    return Policy(upload | keys, keys.pop("device", "wrist-01"), keys.pop("may_interrupt", True))


@given(TIMES, st.integers(0, 500), st.integers(1, 10**6), st.integers(1, 86400), st.integers(0, 86400))
def test_aligned_and_in_time(since, kb, latency, align, jitter):
    jitter = min(jitter, align)
    policy = make(max_latency_s=latency, min_batch_kb=100, align_s=align, jitter_s=jitter)
    at = policy.due(since, kb, 0, 0)
    start = max(since, 5)
    assert at >= start
    if kb >= 100:
        assert (at - policy.jitter_s) % align == 0 and at < start + align
    else:
        latest = max(start, since + latency)
        assert at <= latest, "no later than the latency allows"
        assert (at - policy.jitter_s) % align == 0 or latest - start < align
        assert latest - at < align, "as late as possible"


def test_a_batch_that_is_just_large_enough_goes_at_once():
    policy = make(max_latency_s=1000, min_batch_kb=100)
    assert policy.due(50, 100, 0, 0) == 50 and policy.due(50, 99, 0, 0) == 1050


@given(TIMES, st.integers(0, 10**6), TIMES, TIMES, st.sampled_from([None, 600]))
def test_pauses_hold(since, kb, last, retry, latency):
    policy = make(max_latency_s=latency)
    at = policy.due(since, kb, last, retry)
    assert at >= retry and at >= last + 5 and at >= since
    assert policy.due(None, kb, last, retry) is None


@given(st.integers(1, 100), st.integers(0, 600))
def test_failures_cost_little(failures, spent_s):
    policy = make()
    pause = policy.pause_s(failures, spent_s)
    assert policy.pause_s(failures + 1, spent_s) >= pause >= min(3600, COST * spent_s)
    assert policy.pause_s(20, 10) == 3600


def test_three_days_without_a_broker_cost_less_than_a_tenth_of_the_recordings():
    policy = make()
    now = failures = radio_s = 0
    while now < 3 * 86400:
        failures += 1
        radio_s += 20
        now += 20 + policy.pause_s(failures, 20)
    assert radio_s < 0.1 * 3 * 144 * 60


def test_conditions():
    policy = make(only_if={"battery_pct": 30, "charging": True})
    assert policy.allows(False, 30, True)
    for facts in ((29, True), (None, True), (90, False), (90, None)):
        assert not policy.allows(False, *facts)
    assert not make(may_interrupt=False).allows(True, None, None) and make().allows(True, None, None)


@given(st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=30, unique=True))
def test_devices_differ(names):
    assert len({hash_of(name) for name in names}) == len(names)
    assert all(0 <= make(jitter_s=600, device=name).jitter_s < 600 for name in names)


def may_interrupt(*windows, **more) -> bool:
    """Of a board with a sensor that holds half a second."""
    streams = [SimpleNamespace(driver=SimpleNamespace(fifo_frames=512, rate_hz=1024))]
    board = SimpleNamespace(power=None, shipper="shipper", ble=None, wifi=None, spool=None, clock=None, motion=None)
    upload = {
        "interval_s": 5, "max_latency_s": 60, "min_batch_kb": None, "align_s": None, "jitter_s": 0, "only_if": None,
        "backoff_min_s": 1, "backoff_max_s": 60, "connect_s": 60, "while_recording": None,
    }  # fmt: skip
    schedule = {"windows": windows, "active": None, "sleep": "none"}
    board.streams = streams
    config = {"device": "d", "schedule": schedule, "upload": upload | more}
    return timetable(config, board)[1]._policy.may_interrupt


def window(start, end, record_s=None, sleep_s=0, days=None):
    return {"from": start, "to": end, "days": days, "record_s": record_s, "sleep_s": sleep_s}


def test_bug_uploads_waited_for_a_pause_that_never_comes():
    assert may_interrupt(), "no windows"
    assert may_interrupt(window("00:00", "24:00", 60, 0))
    assert may_interrupt(window("00:00", "24:00"))
    assert may_interrupt(window("20:00", "08:00"), window("08:00", "20:00", 60))
    assert not may_interrupt(window("00:00", "24:00", 60, 540))
    assert not may_interrupt(window("00:00", "24:00", days=["mon"]))
    assert not may_interrupt(window("00:00", "24:00"), while_recording=False)


LENGTHS = st.one_of(st.none(), st.integers(10, 90))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 1439), min_size=2, max_size=6, unique=True), st.booleans(), st.data())
def test_the_longest_pause_is_that_of_the_slots(cuts, turned, data):
    """Held against every slot of two weeks."""
    cuts = sorted(cuts)[: len(cuts) // 2 * 2]
    cuts = cuts[1:] + cuts[:1] if turned else cuts
    windows = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=True):
        record_min = data.draw(LENGTHS)
        record_min = record_min and min(record_min, (end - start) % 1440)
        sleep_min = data.draw(st.integers(0, 90)) if record_min else 0
        times = [f"{minute // 60:02}:{minute % 60:02}" for minute in (start, end)]
        days = data.draw(st.one_of(st.none(), st.lists(st.sampled_from(DAYS), min_size=1, unique=True)))
        windows.append(window(*times, record_min and record_min * 60, sleep_min * 60, days))
    plan = Plan({"windows": windows, "active": None})
    slots = [plan.slot(0)]
    while slots[-1][1] < 2 * 7 * 86400:
        slots.append(plan.slot(slots[-1][1]))
    longest = max(after[0] - before[1] for before, after in pairwise(slots))
    found = longest_pause_s(windows)
    assert (found > 0) == (longest > 0) and found <= longest, "the rest of a cycle at a window's end is not counted"
    assert found >= longest / 2
