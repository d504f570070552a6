"""What `check` proposes instead of a configuration that does not work passes `check` itself."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host import check
from host.planner import plan, propose
from tests.host.test_planner import EXAMPLES

RAW = json.loads((EXAMPLES / "virtual.json").read_text())
FAULTS = {
    "ring": st.tuples(st.just("streams.mic.ring_blocks"), st.integers(2, 3)),
    "small blocks": st.tuples(st.just("streams.mic.block_frames"), st.sampled_from([1, 2, 16, 64])),
    "large blocks": st.tuples(st.just("streams.imu.block_frames"), st.integers(1400, 4096)),
    "I2S buffer": st.tuples(st.just("streams.mic.ibuf_bytes"), st.integers(1024, 3800)),
    "RAM": st.tuples(st.just("streams.mic.ring_blocks"), st.integers(70, 256)),
    "I2S buffer too large": st.tuples(st.just("streams.mic.ibuf_bytes"), st.integers(140_000, 1_000_000)),
    "no such rate": st.tuples(st.just("streams.imu.rate_hz"), st.floats(0.5, 8000)),
    "no such range": st.tuples(st.just("streams.imu.accel_range_g"), st.sampled_from([1, 3, 5, 32, 100])),
    "segment": st.tuples(st.just("streams.imu.segment_frames"), st.integers(33, 100_000)),
    "room": st.tuples(st.just("storage.max_kb"), st.integers(40, 350)),
    "bus": st.tuples(st.just("buses.i2c0.freq_hz"), st.integers(200_000, 1_000_000)),
    "stall": st.tuples(st.just("storage.stall_ms"), st.integers(31, 300)),
    "back-off": st.tuples(st.just("upload.backoff_min_s"), st.integers(61, 3600)),
}  # fmt: skip


def put(raw, path, value):
    owner = raw
    *parents, last = path.split(".")
    for part in parents:
        owner = owner[part]
    owner[last] = value


def judge(raw, **goals):
    filled, errors = check.verdict(json.dumps(raw).encode())
    return filled, errors or list(plan(filled, **goals).refusals)


@given(faults=st.lists(st.one_of(*FAULTS.values()), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_a_proposal_passes(faults):
    raw = copy.deepcopy(RAW)
    for path, value in faults:
        put(raw, path, value)
    before = copy.deepcopy(raw)
    changes = propose.propose(raw, judge)
    assert raw == before
    assert changes is not None, judge(raw)[1]
    for change in changes:
        put(raw, change.path, change.value)
    assert judge(raw)[1] == []
    assert bool(changes) == bool(judge(before)[1])


@pytest.mark.parametrize("text", ['{"streams": 3}', "{}", '{"board": "toaster", "streams": {"a": {}}}', "[]"])
def test_what_cannot_be_mended_has_no_proposal(tmp_path, text):
    file = tmp_path / "config.json"
    file.write_text(text)
    assert check.proposal(file, {}) is None


def test_the_nearest(tmp_path):
    """The chip's rate next to the one that was wanted; the smallest ring that outlasts the stall."""
    raw = copy.deepcopy(RAW)
    put(raw, "streams.imu.rate_hz", 100)
    put(raw, "streams.mic.block_frames", 16)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(raw))
    found = {change.path: (change.was, change.value) for change in check.proposal(file, {})}
    assert found == {"streams.imu.rate_hz": (100, 104), "streams.mic.ring_blocks": (8, 30)}


@pytest.mark.parametrize(
    ("path", "value", "right"),
    [
        ("schedule.sleep", "none", "deep"),
        ("schedule.trigger.threshold_g", 1.99, 1.96),
        ("schedule.trigger.duration_s", 2, 0.12),
        ("schedule.duration_s", 60, None),
    ],
)
def test_a_board_that_motion_wakes(path, value, right):
    raw = json.loads((EXAMPLES / "tool_use.json").read_text()) | {"network": {"wifi": []}, "upload": None}
    put(raw, path, value)
    (change,) = propose.propose(raw, judge)
    assert (change.path, change.value) == (path, right)
