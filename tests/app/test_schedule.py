"""The schedule on CPython: the same tests as on MicroPython, and times held against datetime."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.times import instant
from tests.app import mp_schedule

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", [name for name in dir(mp_schedule) if name.startswith("test_")])
def test_as_on_micropython(name):
    getattr(mp_schedule, name)()


@given(st.integers(0, 8_000 * 86400 * 4))
def test_instants_are_those_of_datetime(seconds):
    text = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert instant(text) == seconds
