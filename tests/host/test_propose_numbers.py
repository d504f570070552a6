"""`check` on a number that is wrong, whichever: the nearest one that works, and nothing else is touched."""

import copy
import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.rules import RULES
from host import check
from host.planner import bounds, plan, propose

I2C = {"kind": "i2c", "id": 0, "scl": 6, "sda": 5, "freq_hz": 400_000}
IMU = {
    "driver": "lsm6dsox", "bus": "i2c0", "address": 106, "int_pin": 1, "rate_hz": 104, "accel_range_g": 8,
    "gyro_range_dps": 1000, "block_frames": 32, "ring_blocks": 8, "segment_frames": 8192,
}  # fmt: skip
I2S = {
    "driver": "i2s_mic", "id": 0, "sck": 10, "ws": 11, "sd": 12, "rate_hz": 16_000, "shift": 14, "ibuf_bytes": 40_000,
    "block_frames": 1024, "ring_blocks": 8, "segment_frames": 131_072,
}  # fmt: skip
HOST = {
    "driver": "host_mic", "source": {"tcp": {"host": "localhost", "port": 4000}}, "rate_hz": 16_000,
    "block_frames": 1024, "ring_blocks": 24, "segment_frames": 32_768,
}  # fmt: skip
PDM = {
    "driver": "pdm_mic", "id": 0, "clk": 2, "data": 3, "rate_hz": 16_000, "gain_bits": 2, "startup_ms": 50,
    "ring_bytes": 16_384, "block_frames": 1024, "ring_blocks": 4, "segment_frames": 16_384,
}  # fmt: skip
STORAGE = {"max_kb": 2000, "reserve_kb": 64, "stall_ms": 100}
BASES = {
    "windows": {
        "board": "virtual", "buses": {"i2c0": I2C}, "streams": {"imu": IMU, "mic": I2S}, "storage": STORAGE,
        "schedule": {"windows": [{"from": "06:00", "to": "18:00", "record_s": 60, "sleep_s": 540}]},
        "power": {
            "battery": {
                "pin": 7, "charging_pin": 8, "divider": 2, "empty_mv": 3300, "full_mv": 4200, "stop_pct": 5,
            },
            "watchdog_s": 30,
        },
        "upload": {
            "https": {"url": "https://192.168.1.10:8443", "ca_file": "/ca.der"}, "interval_s": 5, "timeout_s": 10,
            "backoff_min_s": 1, "backoff_max_s": 60, "max_latency_s": 3600, "min_batch_kb": 64, "align_s": 60,
            "jitter_s": 30, "connect_s": 60, "only_if": {"battery_pct": 20},
            "ble": {"advertise_ms": 500, "answer_bytes": 2048},
        },
        "stops": {"errors": 200, "silent_s": 15, "stuck_s": 30, "sleep_s": 600, "boots": 10},
    },
    "level": {
        "board": "virtual", "streams": {"mic": HOST}, "storage": STORAGE,
        "schedule": {
            "duration_s": 60,
            "trigger": {
                "kind": "level", "stream": "mic", "threshold": 0.1, "pre_s": 1, "hold_s": 5, "random_share": 0.1,
            },
        },
        "upload": {
            "mqtt": {
                "url": "mqtt://127.0.0.1:1883", "keepalive_s": 60, "max_message_kb": 256, "status_s": 60, "window": 4,
            },
        },
    },
    "motion": {
        "board": "xiao_esp32s3_sense", "buses": {"i2c0": I2C}, "streams": {"imu": IMU}, "storage": STORAGE,
        "schedule": {
            "trigger": {
                "kind": "motion", "stream": "imu", "threshold_g": 0.1, "hold_s": 10, "random_share": 0.1,
                "duration_s": 0.1, "events_per_day": 20,
            },
            "sleep": "deep",
        },
    },
    "PDM": {"board": "pico_w", "streams": {"mic": PDM}, "storage": STORAGE},
    "card": {
        "board": "pico_2_w",
        "buses": {"spi0": {"kind": "spi", "id": 0, "sck": 18, "mosi": 19, "miso": 16, "freq_hz": 20_000_000}},
        "streams": {"mic": I2S},
        "storage": STORAGE | {"root": "/sd/data", "card": {"bus": "spi0", "cs": 17}},
    },
}  # fmt: skip


def judge(raw):
    filled, errors = check.verdict(json.dumps(raw).encode())
    return filled, errors or list(plan(filled).refusals)


def numbers(node, path=""):
    """(path, value) of every number of a configuration."""
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in members:
        here = f"{path}.{key}" if path else str(key)
        if type(value) in (int, float):
            yield here, value
        yield from numbers(value, here)


PLACES = [(base, path) for base, raw in BASES.items() for path, _ in numbers(raw)]


def of_schema(rule, name):
    """The names of all numbers that a rule has, as far as a value of them can be wrong."""
    kind = rule[0]
    if kind == "null":
        return of_schema(rule[1], name)
    if kind in ("int", "number") or kind == "enum" and len(rule[1]) > 1 and type(rule[1][0]) is int:
        return {name}
    if kind == "object":
        return {found for key, (member, *_) in rule[1].items() for found in of_schema(member, key)}
    if kind == "union":
        return {found for tags, choice in rule[2] for found in of_schema(choice, name)}
    return of_schema(rule[{"map": 2, "list": 1}[kind]], name) if kind in ("map", "list") else set()


def test_the_bases_are_right_and_hold_every_number_of_the_schema():
    for name in BASES:
        assert judge(whole(name))[1] == [], name
    assert {path.rpartition(".")[2] for _, path in PLACES} >= of_schema(RULES["config"], "")


def whole(base):
    return {"version": 1, "device": "a"} | copy.deepcopy(BASES[base])


WRONG = st.one_of(
    st.sampled_from([-1, 0, -0.5, 0.001, 1e-9, 10**12, -(10**12), 9e14, 3.5, 0.25]), st.integers(-10, 10**7),
    st.floats(-10, 1e6, allow_nan=False),
)  # fmt: skip


@given(place=st.sampled_from(PLACES), value=WRONG)
@example(place=("motion", "schedule.trigger.threshold_g"), value=0)
@example(place=("motion", "schedule.trigger.hold_s"), value=0)
@example(place=("motion", "schedule.trigger.events_per_day"), value=-1)
@settings(max_examples=150, deadline=None)
def test_any_number_that_is_wrong(place, value):
    base, path = place
    raw = whole(base)
    put_at(raw, path, value)
    if not judge(raw)[1]:
        return
    changes = propose.propose(raw, judge)
    if path.rpartition(".")[2] in bounds._FIXED:  # whoever guesses a pin has one driven that something is wired to
        assert changes is None or [change.path for change in changes] == ["streams.mic.ws"] and base == "card"  # RP2
        return
    assert changes, judge(raw)[1]
    mended = copy.deepcopy(raw)
    for change in changes:
        put_at(mended, change.path, change.value)
    assert judge(mended)[1] == []
    clamped = bounds.nearest(raw, path)
    if clamped is not None:
        put_at(raw, path, clamped)
        if not judge(raw)[1]:
            assert [(change.path, change.value) for change in changes] == [(path, clamped)]


def put_at(raw, path, value):
    owner = raw
    *parents, last = path.split(".")
    for part in parents:
        owner = owner[int(part)] if isinstance(owner, list) else owner.setdefault(part, {})
    owner[int(last) if isinstance(owner, list) else last] = value
