"""Board clocks against UTC: two boards on one time line, and an uncertainty that holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.dataset import Dataset
from host.records import ClockFix
from host.utc import UtcClock
from tests.host import synthetic

UTC0 = 1_790_000_000_000_000
HOUR = 3_600_000_000


class Board:
    """A board's clock: `ppm` fast, begun at a UTC of its own; its fixes are off by at most what they say."""

    def __init__(self, rng, ppm: float):
        self.rng, self.ppm, self.start = rng, ppm, UTC0 - rng.integers(0, 10**12)

    def t_us(self, utc_us):
        return (np.asarray(utc_us) - self.start) * (1 + self.ppm * 1e-6)

    def fix(self, utc_us: int, uncertainty_us: int, source="sntp") -> ClockFix:
        error = self.rng.uniform(-uncertainty_us, uncertainty_us)
        return ClockFix(int(self.t_us(utc_us)), int(utc_us + error), uncertainty_us, source)


@pytest.mark.parametrize("seed", range(5))
def test_two_boards_are_aligned_within_a_millisecond(seed):
    rng = np.random.default_rng(seed)
    event = UTC0 + np.linspace(0, HOUR, 100)
    seen = []
    for ppm in rng.uniform(-40, 40, 2):
        board = Board(rng, ppm)
        fixes = [board.fix(UTC0 + k * HOUR // 6, 500) for k in range(7)] + [board.fix(UTC0 + 5, 1_000_000, "rtc")]
        seen.append(UtcClock(fixes).utc_us(board.t_us(event)))
    (a, unsure_a), (b, unsure_b) = seen
    print("apart", np.abs(a - b).max(), "uncertainty", unsure_a.max(), unsure_b.max())
    assert np.abs(a - b).max() < 1000
    assert max(unsure_a.max(), unsure_b.max()) < 1500


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(-80, 80),
    st.lists(st.tuples(st.integers(0, 10 * HOUR), st.integers(1, 2_000_000)), min_size=1, max_size=12),
)
def test_the_truth_is_within_the_uncertainty(seed, ppm, when):
    board = Board(np.random.default_rng(seed), ppm)
    clock = UtcClock([board.fix(UTC0 + at, unsure) for at, unsure in when])
    true = UTC0 + np.linspace(-5 * HOUR, 15 * HOUR, 50)
    utc, unsure = clock.utc_us(board.t_us(true))
    assert (np.abs(utc - true) <= unsure + 2).all()
    assert len(clock.fixes) >= len(set(when))


def test_uncertainty_grows_away_from_the_fixes():
    board = Board(np.random.default_rng(1), 20)
    one = UtcClock([board.fix(UTC0, 1000)])
    two = UtcClock([board.fix(UTC0, 1000), board.fix(UTC0 + HOUR, 1000)])
    away = board.t_us(UTC0 + np.array([0, HOUR, 2 * HOUR]))
    assert (np.diff(one.utc_us(away)[1]) > HOUR * 50e-6).all()  # a crystal nobody has measured
    assert two.utc_us(away)[1][2] < one.utc_us(away)[1][2] / 10
    assert two.rate == pytest.approx(-20e-6, abs=1e-6)


def test_a_fix_that_cannot_be_true_is_left_out():
    board = Board(np.random.default_rng(2), 5)
    good = [board.fix(UTC0 + k * HOUR, 1000) for k in range(4)]
    wrong = ClockFix(good[1].t_us + 10**6, UTC0 - 86_400_000_000, 500, "rtc")
    clock = UtcClock([*good, wrong])
    assert clock.fixes == good
    assert abs(clock.utc_us(board.t_us(UTC0 + HOUR))[0] - UTC0 - HOUR) < 1000


def test_a_wandering_crystal_is_believed_no_better_than_it_is():
    """A rate that changes by 20 ppm between fixes: the uncertainty covers it."""
    t = np.arange(5) * HOUR
    offset = np.cumsum([0, 0, 20e-6 * HOUR, 0, 20e-6 * HOUR])
    clock = UtcClock([ClockFix(int(a), int(UTC0 + a + o), 100, "sntp") for a, o in zip(t, offset, strict=True)])
    assert clock.wander > 5e-6
    utc, unsure = clock.utc_us(t)
    assert (np.abs(utc - UTC0 - t - offset) <= unsure).all()


def test_without_a_usable_fix_there_is_no_utc(tmp_path):
    with pytest.raises(ValueError, match="no clock fix"):
        UtcClock([ClockFix(0, UTC0, None, "rtc")])
    files = synthetic.session_files()
    files["session.json"] = files["session.json"].replace(b'[[5000000000, 1790000000000000, 20000, "rtc"]]', b"[]")
    synthetic.deliver(tmp_path, files)
    [session] = Dataset(tmp_path).sessions
    assert session.utc is None
    utc, unsure = session.frames_utc_us("imu")
    assert np.isnan(utc).all() and np.isinf(unsure).all()


def test_frames_of_a_data_set_in_utc(tmp_path):
    synthetic.deliver(tmp_path, synthetic.session_files(seed=3))
    [session] = Dataset(tmp_path).sessions
    utc, unsure = session.frames_utc_us("mic")
    true = 1_790_000_000_000_000 + np.arange(5000) / (8000 * synthetic.TRUE_RATE) * 1e6
    assert np.abs(utc - true).max() < 10
    assert (unsure >= 20_000).all() and (unsure < 21_000).all()
