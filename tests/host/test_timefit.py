"""The laptop's time lines against a sensor whose every frame is known, with anchors that are late as real ones are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.records import Anchor
from host.timefit import FrameClock

RATE_HZ = 104


def sensor(rng, drift: str, minutes=30.0, rate_hz=RATE_HZ) -> np.ndarray:
    """When each frame was made, us: the rate up to 3 % off, and drifting by 300 ppm."""
    x = np.linspace(0, 1, int(rate_hz * 60 * minutes))
    shape = {"ramp": x - 0.5, "swing": np.sin(2 * np.pi * (x + rng.random())) / 2, "none": 0 * x}[drift]
    period = 1e6 / (rate_hz * (1 + rng.uniform(-0.03, 0.03))) * (1 + 300e-6 * shape)
    return 1e9 * rng.random() + np.cumsum(period)


def interrupts(rng, truth: np.ndarray, every=256) -> list[Anchor]:
    """Soft interrupts: some ten to some hundred us late, one in 50 up to 60 ms."""
    frames = np.arange(every - 1, len(truth), every)
    late = 30 + rng.gamma(2, 60, len(frames)) + np.where(rng.random(len(frames)) < 0.02, 60e3 * rng.random(), 0)
    return [Anchor(int(f), int(t)) for f, t in zip(frames, truth[frames] + late, strict=True)]


def rms_us(clock: FrameClock, truth: np.ndarray, hidden=0) -> float:
    return float((clock.t_us(np.arange(len(truth)) - hidden) - truth).std())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("drift", ["ramp", "swing"])
def test_within_60_us_of_the_truth(drift, seed):
    rng = np.random.default_rng(seed)
    truth = sensor(rng, drift)
    clock = FrameClock(interrupts(rng, truth), RATE_HZ, [])
    print(drift, seed, rms_us(clock, truth))
    assert rms_us(clock, truth) < 60
    assert clock.rate_hz == pytest.approx((len(truth) - 1) / np.ptp(truth) * 1e6, rel=5e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 700), st.floats(2e3, 1e7)), max_size=30))
def test_anchors_that_are_much_too_late_change_little(seed, outliers):
    """Wherever they are, the first and the last anchor included, as long as most of a window are good."""
    rng = np.random.default_rng(seed)
    truth = sensor(rng, "ramp")
    anchors = interrupts(rng, truth)
    for at, late_us in outliers:
        frame, t_us = anchors[at % len(anchors)]
        anchors[at % len(anchors)] = Anchor(frame, int(t_us + late_us))
    assert rms_us(FrameClock(anchors, RATE_HZ, []), truth) < 100


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**52), st.integers(0, 2**32))
def test_it_does_not_matter_where_counting_begins(frame0, t0, seed):
    rng = np.random.default_rng(seed)
    truth = sensor(rng, "none", minutes=3)
    anchors = interrupts(rng, truth)
    moved = [Anchor(frame + frame0, t_us + t0) for frame, t_us in anchors]
    here, there = FrameClock(anchors, RATE_HZ, []), FrameClock(moved, RATE_HZ, [])
    frames = np.arange(0, len(truth), 100)
    assert np.abs(there.t_us(frames + frame0) - t0 - here.t_us(frames)).max() < 10


def test_a_gap_of_unknown_length_begins_a_new_line():
    rng = np.random.default_rng(5)
    truth = sensor(rng, "ramp")
    gap, hidden = len(truth) // 3, 777
    late = [Anchor(frame - hidden, t_us) for frame, t_us in interrupts(rng, truth) if frame >= gap + hidden]
    early = [anchor for anchor in interrupts(rng, truth) if anchor.frame < gap]
    clock = FrameClock(early + late, RATE_HZ, [gap])
    known = FrameClock(early + late, RATE_HZ, [])
    before, behind = np.arange(gap), np.arange(gap + hidden, len(truth))
    assert (clock.t_us(before) - truth[before]).std() < 60
    assert (clock.t_us(behind - hidden) - truth[behind]).std() < 60
    assert (known.t_us(behind - hidden) - truth[behind]).std() > 1000  # that is what the break is for


def test_a_hole_in_the_data_is_bridged():
    rng = np.random.default_rng(6)
    truth = sensor(rng, "none")
    third = len(truth) // 3
    anchors = [anchor for anchor in interrupts(rng, truth) if not third < anchor.frame < 2 * third]
    assert rms_us(FrameClock(anchors, RATE_HZ, []), truth) < 60


def test_the_residual_says_how_late_anchors_are():
    rng = np.random.default_rng(7)
    truth = sensor(rng, "none", minutes=5)
    exact = [Anchor(int(frame), int(truth[frame])) for frame in range(0, len(truth), 256)]
    late = [Anchor(frame, t_us + 2000 * (k % 4 > 0)) for k, (frame, t_us) in enumerate(exact)]
    assert FrameClock(exact, RATE_HZ, []).residual_us < 5
    assert FrameClock(late, RATE_HZ, []).residual_us == pytest.approx(2000 * 0.75**0.5, rel=0.1)
    assert FrameClock([], RATE_HZ, []).residual_us is None


@given(st.lists(st.tuples(st.integers(-1, 50), st.integers(0, 10**7)), max_size=8), st.lists(st.integers(0, 50)))
def test_damaged_anchors_never_fail(anchors, breaks):
    clock = FrameClock([Anchor(*anchor) for anchor in anchors], RATE_HZ, breaks)
    assert not np.isnan(clock.guess_us(np.arange(60))).any()
    assert clock.rate_hz is None or clock.rate_hz > 0
