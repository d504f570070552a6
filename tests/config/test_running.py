"""Rules about times: one broken configuration each, with the path and what the error must say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schedule import DAYS, Plan
from config.running import blocks_before
from tests.config.test_checks import errors_of

DAY = {"from": "06:00", "to": "18:00"}
CYCLE = {"from": "00:00", "to": "24:00", "record_s": 60, "sleep_s": 540}
LEVEL = {"kind": "level", "stream": "imu", "threshold": 0.2}
MOTION = {"kind": "motion", "stream": "imu", "threshold_g": 0.1}
ASLEEP = {"schedule.sleep": "deep", "streams.imu.int_pin": 4}
STREAM = "schedule.trigger.stream"
INT_PIN, TRIGGER = "streams.imu.int_pin", "schedule.trigger."
ALL_PRE = {"streams.imu.ring_blocks": 16, "streams.mic.ring_blocks": 32}
BATTERY = {"pin": 34}
MPU6886 = {"streams.imu.driver": "mpu6886", "streams.imu.address": 104, "streams.imu.rate_hz": 100}


def windows(*some):
    return {"schedule.windows": list(some)}


@pytest.mark.parametrize(
    "changes",
    [
        windows(CYCLE),
        windows(DAY, {"from": "18:00", "to": "06:00"}),
        windows({"from": "22:00", "to": "22:00", "days": ["mon"]}) and windows({"from": "22:00", "to": "21:59"}),
        windows({**DAY, "days": ["mon"]}, {**DAY, "days": ["tue", "sun"]}),
        {**windows(CYCLE), "schedule.sleep": "deep"},
        {"schedule.active": {"from": "2026-12-01T00:00:00Z", "until": None}},
        {"schedule.active": {"from": "2026-12-01T00:00:00Z", "until": "2028-02-29T23:59:59Z"}},
        {**ALL_PRE, "schedule.trigger": LEVEL},
        {**ASLEEP, "schedule.trigger": MOTION},
        {**ASLEEP, **windows(DAY), "schedule.trigger": {**MOTION, "threshold_g": 1.9, "duration_s": 0.1}},
        {**ASLEEP, "schedule.sleep": "light", "schedule.trigger": {**MOTION, "hold_s": 60, "random_share": 0.5}},
        {"upload.max_latency_s": 3600, "upload.min_batch_kb": 100, "upload.align_s": 600, "upload.jitter_s": 600},
        {"power.battery": {**BATTERY, "charging_pin": 35}, "upload.only_if": {"battery_pct": 20, "charging": True}},
    ],
)
def test_right(changes):
    assert errors_of(changes) == []


@pytest.mark.parametrize(
    ("changes", "path", "reason", "remedy"),
    [
        (windows({"from": "06:60", "to": "07:00"}), "schedule.windows.0.from", "no time of day", '"06:00"'),
        (windows({"from": "24:00", "to": "07:00"}), "schedule.windows.0.from", "no time of day", '"06:00"'),
        (windows({"from": "06:00", "to": "25:00"}), "schedule.windows.0.to", "no time of day", '"06:00"'),
        (windows({"from": "06:00", "to": "06:00"}), "schedule.windows.0.to", "the same as from", '"24:00"'),
        (windows({**DAY, "sleep_s": 5}), "schedule.windows.0.record_s", "is missing", "length"),
        (windows({"from": "23:59", "to": "00:01", "record_s": 121}), "schedule.windows.0.record_s", "longer", "120"),
        (windows(DAY, {"from": "17:59", "to": "19:00"}), "schedule.windows.1", "schedule.windows.0", "one after"),
        (windows({"from": "22:00", "to": "07:00"}, DAY), "schedule.windows.1", "schedule.windows.0", "one after"),
        (windows({**DAY, "days": ["mon", "mon"]}, {**DAY, "days": ["mon"]}), "schedule.windows.1", "overlaps", ""),
        (
            windows({"from": "22:00", "to": "07:00", "days": ["sun"]}, {**DAY, "days": ["mon"]}),
            "schedule.windows.1", "overlaps", "one after",
        ),
        ({**windows(DAY), "schedule.duration_s": 5}, "schedule.duration_s", "no meaning with windows", "record_s"),
        (
            {"board": "nano_33_ble_sense", **windows(CYCLE), "schedule.sleep": "light"},
            "schedule.sleep", "no usable light sleep", "none",
        ),
        ({"schedule.sleep": "deep"}, "schedule.sleep", "never has time to sleep", "windows"),
        ({"schedule.active": {"from": "2026-02-29T00:00:00Z"}}, "schedule.active.from", "no instant", "2026-12-01T"),
        (
            {"schedule.active": {"from": "2026-12-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}},
            "schedule.active.until", "not later", "later",
        ),
        ({"schedule.trigger": {**LEVEL, "stream": "gyro"}, **ALL_PRE}, STREAM, "gyro", '"imu", "mic"'),
        ({"schedule.trigger": LEVEL}, "streams.mic.ring_blocks", "pre_s", "at least 20"),
        ({"schedule.trigger": {**LEVEL, "pre_s": 3}, **ALL_PRE}, "streams.mic.ring_blocks", "pre_s", "at least "),
        ({"schedule.trigger": MOTION}, "schedule.sleep", "could wake the board from", '"light" or "deep"'),
        ({**ASLEEP, "schedule.trigger": MOTION, "streams.imu.int_pin": None}, INT_PIN, "is missing", "INT1"),
        (
            {**ASLEEP, "schedule.trigger": MOTION, "board": "esp32", "streams.imu.int_pin": 16},
            INT_PIN, "GPIO 16 does not end", "25-27",
        ),
        (
            {**ASLEEP, "schedule.trigger": MOTION, "board": "nano_33_ble_sense"},
            "schedule.trigger.kind", "no pin ends this board's sleep", '"level"',
        ),
        (
            {**ASLEEP, "schedule.trigger": MOTION, "streams.imu.driver": "mpu6050", "streams.imu.address": 104},
            STREAM, "the mpu6050 does not wake", '"lsm6dsox", "mpu6886"',
        ),
        (
            {**ASLEEP, "schedule.trigger": {**MOTION, "duration_s": 0.1}, **MPU6886},
            TRIGGER + "duration_s", "more than the mpu6886 can", "at most 0",
        ),
        (
            {**ASLEEP, "schedule.trigger": {**MOTION, "threshold_g": 1.1}, **MPU6886},
            TRIGGER + "threshold_g", "more than the mpu6886 can", "at most 1.02",
        ),
        (
            {**ASLEEP, "schedule.trigger": {**MOTION, "threshold_g": 0.03}, "streams.imu.driver": "lsm6ds3trc"},
            TRIGGER + "threshold_g", "less than the lsm6ds3trc can", "at least 0.031",
        ),
        ({**ASLEEP, "schedule.trigger": {**MOTION, "stream": "mic"}}, STREAM, "the i2s_mic does not wake", '"lis3dh"'),
        ({**ASLEEP, "schedule.trigger": {**MOTION, "stream": "arm"}}, STREAM, "arm", '"imu", "mic"'),
        ({**ASLEEP, "schedule.trigger": {**MOTION, "threshold_g": 2}}, TRIGGER + "threshold_g", "lsm6dsox", "1.96"),
        ({**ASLEEP, "schedule.trigger": {**MOTION, "duration_s": 1}}, TRIGGER + "duration_s", "lsm6dsox", "0.12"),
        ({**ASLEEP, "schedule.trigger": {**MOTION, "pre_s": 1}}, TRIGGER + "pre_s", "unknown key", "hold_s"),
        ({**ASLEEP, "schedule.trigger": MOTION, "streams.imu.measure": ["gyro"]}, "streams.imu.measure", "accel", ""),
        ({**ASLEEP, "schedule.trigger": MOTION, "schedule.duration_s": 5}, "schedule.duration_s", "motion", "hold_s"),
        ({"upload.min_batch_kb": 5}, "upload.max_latency_s", "is missing", "seconds"),
        ({"upload.align_s": 60, "upload.jitter_s": 61}, "upload.jitter_s", "longer than align_s", "at most 60"),
        ({"upload.only_if": {"battery_pct": 5}}, "upload.only_if.battery_pct", "cannot be known", "leave this out"),
        (
            {"power.battery": BATTERY, "upload.only_if": {"charging": True}},
            "upload.only_if.charging", "power.battery.charging_pin", "leave this out",
        ),
        ({"power.battery": {"pin": 60}}, "power.battery.pin", "no GPIO 60", "0-48"),
        ({"power.battery": {**BATTERY, "full_mv": 3000}}, "power.battery.full_mv", "empty_mv", "3300"),
    ],
)  # fmt: skip
def test_wrong(changes, path, reason, remedy):
    found = {error[0]: error for error in errors_of(changes)}
    assert path in found, found
    assert reason in found[path][1] and remedy in found[path][2], found[path]


def test_bug_a_misspelt_motion_trigger_was_said_to_leave_no_time_for_sleep():
    wrong = errors_of({**ASLEEP, "schedule.trigger": {**MOTION, "kind": "Motion"}})
    assert [error[0] for error in wrong] == [TRIGGER + "kind"], wrong


@given(st.floats(0, 60), st.floats(1, 50_000), st.integers(1, 8192))
def test_the_blocks_in_front_of_an_event_hold_its_time(pre_s, rate_hz, block_frames):
    assert (blocks_before(pre_s, rate_hz, block_frames) - 1) * block_frames >= pre_s * rate_hz * 1.08


@st.composite
def some_windows(draw):
    times = st.integers(0, 1439).map(lambda m: f"{m // 60:02}:{m % 60:02}")
    days = st.none() | st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True)
    some = draw(st.lists(st.tuples(times, times | st.just("24:00"), days), min_size=1, max_size=3))
    return [{"from": begin, "to": end, "days": when} for begin, end, when in some]


@given(some_windows())
def test_windows_that_pass_never_overlap(some):
    """Every minute of a week is in at most one window, exactly when the check lets them pass."""
    if any(window["from"] == window["to"] for window in some):
        return
    full = [{**window, "record_s": None, "sleep_s": 0} for window in some]
    plan = Plan({"windows": full, "active": None})
    used = [0] * 10080
    for start, length, days, _, _ in plan.windows:
        for day in days:
            for minute in range(start // 60, (start + length) // 60):
                used[(day * 1440 + minute) % 10080] += 1
    assert (max(used) > 1) == bool(errors_of(windows(*some)))
