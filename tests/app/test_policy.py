"""Uploads respect their policy, whatever the configuration says."""

from hypothesis import given
from hypothesis import strategies as st

from app.policy import COST, Policy, hash_of

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
