"""DESIGN's promise under any sequence of write, close, end, acknowledge, retain and crash, on real LittleFS.

The sequence is made and shrunk here; MicroPython does it (world_steps.py) with the checks of the power-cut campaign.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tools.micropython import HOW_TO_GET, interpreter
from tests.tools.worker import BoardWorker

HERE = Path(__file__).parent
EXAMPLES = 1500 if os.environ.get("MOTELOG_CAMPAIGN") else 100

FRACTIONS = st.integers(0, 100).map(lambda n: n / 100)
STEPS = st.one_of(
    st.tuples(
        st.just("write"), st.sampled_from(["imu", "mic"]), st.integers(1, 4000), st.sampled_from([0, 0, 0, 5, -1]),
    ),
    st.just(("close",)),
    st.just(("end",)),
    st.tuples(st.just("acknowledge"), st.integers(0, 9)),
    st.just(("retain",)),
    st.tuples(st.just("crash"), FRACTIONS, FRACTIONS),
)
OPTIONS = st.fixed_dictionaries({
    "reserve_bytes": st.sampled_from([8192, 65536]),
    "max_bytes": st.sampled_from([None, 60000, 140000]),
    "when_full": st.sampled_from(["stop", "drop_oldest"]),
    "keep_acknowledged": st.booleans(),
})  # fmt: skip


@pytest.fixture(scope="module")
def board():
    found = interpreter("64-bit")
    if not found:
        pytest.skip(HOW_TO_GET["64-bit"])
    with BoardWorker(HERE / "world_steps.py", found, heap="32M", path=(HERE,)) as worker:
        yield worker


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(options=OPTIONS, steps=st.lists(STEPS, max_size=25))
def test_the_promise(board, options, steps):
    assert board.ask({"options": options, "steps": steps}) is None
