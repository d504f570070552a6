"""Days of a board that records a minute in every ten and is in deep sleep in between, with real restarts.

The whole campaign (`deploy.py test --campaign`) runs thirty days and three days without a collector; a run of the tests
has hours of it.
"""

import json
import os
from itertools import pairwise

import pytest

from tests.sleep import days, test_forecast
from tests.spine import rig

WHOLE = bool(os.environ.get("MOTELOG_CAMPAIGN"))
HOUR = 3600
CYCLE_S = 600
FIRST_S = 300  # the first recording begins so long after power-on
TICK_US = 300_000  # the main loop looks at the time that often, and begins a session


def slots(seconds: float) -> list[int]:
    """Starts of the recordings that are planned, in Unix seconds, but for the last one, which may be under way."""
    return list(range(days.UTC_S, int(days.UTC_S - FIRST_S + seconds) - 60, CYCLE_S))


def check_grid(run: days.Days) -> None:
    """Every planned recording exists once, on the grid within the uncertainty that its session.json claims."""
    found = {}
    for name, session in run.sessions().items():
        (fix, *_) = session["clock_fixes"]
        true_us = (days.UTC_S - FIRST_S) * 1_000_000 + run.began[name]
        begun_us = true_us - days.UTC_S * 1_000_000  # small numbers read better
        assert fix[3] == "rtc"
        assert abs(fix[1] - true_us) <= fix[2] + TICK_US, f"{name}: the clock is not within what it claims"
        start = session["planned"]["from_utc_s"]
        assert abs(true_us - start * 1_000_000) <= fix[2] + TICK_US, f"{name} at {begun_us / 1e6} s"
        assert start not in found, "recorded twice"
        found[start] = name
    assert sorted(found) == list(range(days.UTC_S, max(found) + 1, CYCLE_S)), "one is missing"


def check_all(run: days.Days, rate_hz: float) -> None:
    """What has arrived is whole: no gap, a minute of frames each, in order."""
    segments = [name for name in run.arrived() if name.endswith(".npy")]
    assert segments == sorted(segments), "recordings arrive in their order"
    assert len(set(run.arrived())) == len(run.arrived()), "nothing is sent twice"
    for path in sorted(run.out.glob("tag/*/ledger.json")):
        account = json.loads(path.read_text())["streams"]["imu"]
        assert account["lost"] == {} and account["expected"] == account["stored"]
        assert account["stored"] == pytest.approx(60 * rate_hz * 1.01, abs=3 * rate_hz)
        stored = sum(len(rig.load(path.with_name(side["file"]))) for side in rig.sidecars(path.parent, "imu"))
        assert stored == account["stored"]


@pytest.mark.parametrize(("ppm", "hours"), [(200, 24), (-200, 30 * 24)] if WHOLE else [(-200, 4)])
def test_every_planned_recording_exists_on_the_grid(tmp_path, ppm, hours):
    run = days.Days(tmp_path, days.config(max_latency_s=HOUR), {"rtc_ppm": ppm})
    run.run(hours * HOUR, timeout_s=3600)
    check_grid(run)
    check_all(run, 26)
    assert len(run.sessions()) >= (hours - 1.2) * HOUR / CYCLE_S, "no upload is later than its latency allows"
    counters = run.board.counters()
    n = counters["wakeups"]
    assert n == pytest.approx(hours * HOUR / CYCLE_S, abs=2)
    assert counters["boots"] == n + 1
    assert counters["awake_s"] < 5 * n and counters["light_s"] == pytest.approx(57 * n, rel=0.06)
    assert 0 < counters["radio_s"] < hours / 2 * 30
    _, newest = max(run.sessions().items())
    assert newest["clock_fixes"][0][2] < HOUR * 100, "the error of the RTC was measured"
    if hours > 24:
        test_forecast.check(test_forecast.forecast_and_count(run))


READ_S = 25e-6
"""What one read of up to 128 bytes takes, an estimate: about 20 us for 4 bytes, 10 us for 64 more, by the least speeds
that ESP-IDF's own tests accept on chips of its family (components/idf_test, idf_performance_target.h: LEGACY_RD_4B,
LEGACY_RD_2KB). The virtual flash counts reads, but they take no time."""


def work_s(run: days.Days) -> float:
    """Awake and not in light sleep, with the time that a real flash takes to be read."""
    counters = run.board.counters()
    return counters["awake_s"] + READ_S * counters["flash_reads"]


@pytest.mark.slow
def test_a_collector_that_is_away_costs_little_and_nothing(tmp_path):
    """Three days of five (in the campaign), of which everything fits the flash."""
    hours, away = (5 * 24, [[24 * HOUR, 96 * HOUR]]) if WHOLE else (4, [[1.2 * HOUR, 2.7 * HOUR]])
    runs = {}
    for name, gone in (("there", []), ("away", away)):
        run = days.Days(tmp_path / name, days.config(max_latency_s=HOUR // 2), {"away_s": gone}, flash_kb=32768)
        run.run(hours * HOUR, timeout_s=3600)
        print(name, run.board.counters(), f"{work_s(run):.0f} s of work")
        check_grid(run)
        check_all(run, 26)
        assert len(run.sessions()) >= (hours - 1.2) * HOUR / CYCLE_S, "all has arrived"
        runs[name] = run
    there, gone = runs["there"], runs["away"]
    awake = {name: run.board.counters()["light_s"] + work_s(run) for name, run in runs.items()}
    assert awake["away"] < 1.1 * awake["there"], awake
    if not WHOLE:  # the first attempts, which come soon after each other, are all that there are in hours
        return
    assert gone.board.counters()["radio_s"] < there.board.counters()["radio_s"]
    assert gone.board.counters()["awake_s"] < 1.1 * there.board.counters()["awake_s"]
    assert work_s(gone) < 1.4 * work_s(there), "the larger the file system, the more of it LittleFS reads"


# Power-on is at 0; the first recording is due at 300 s, lasts 60 s, and so on every 600 s. The last upload of the first
# hour and the states between are met by chance: times are spread over two cycles, and over the moments of a change.
END_S = 3000
CUTS = [0.02, 150, 299.9, 300.05, 300.3, 330, 359.9, 360.1, 360.6, 361.5, 600, 898.9, 899.99, 900.2, 931, 960.3, 1400]


@pytest.mark.parametrize("cut", CUTS if WHOLE else [299.9, 330, 360.1, 600])
def test_after_a_power_cut_it_comes_back_on_the_grid(tmp_path, cut):
    world = {"power_cuts": [[cut, 45]], "rtc_battery": True}
    run = days.Days(tmp_path, days.config(max_latency_s=1), world)
    run.run(END_S)
    starts = [(days.UTC_S - FIRST_S + us / 1e6) for us in run.began.values()]
    behind = [start for start in starts if start > days.UTC_S - FIRST_S + cut + 45]
    is_late = 300 <= (cut + 45) % CYCLE_S < 360  # it comes back while a recording is due: that is shortened
    for start in behind[1:] if is_late else behind:
        assert abs((start + CYCLE_S / 2) % CYCLE_S - CYCLE_S / 2) < 3, "on the grid"
    assert all(b > a for a, b in pairwise(starts))
    planned = {session["planned"]["from_utc_s"] for session in run.sessions().values()}
    dark = [start for start in slots(END_S) if start - days.UTC_S + FIRST_S >= cut and start + 60 <= cut + 45]
    assert planned >= set(slots(END_S - CYCLE_S)) - set(dark)
    for path in run.out.glob("tag/*/ledger.json"):
        account = json.loads(path.read_text())["streams"]["imu"]
        assert account["expected"] == account["stored"] + sum(account["lost"].values())
