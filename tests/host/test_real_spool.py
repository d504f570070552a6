"""What the board's own spool writes is what the laptop understands: a copy of its folder verifies."""

from pathlib import Path

import numpy as np
import pytest

from host import verify
from host.dataset import Dataset
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter, run_micropython

SCRIPT = Path(__file__).with_name("board_spool.py")


@pytest.fixture(params=WIDTHS)
def record(request, tmp_path):
    """Runs the board-side script; -> the data set's root."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(HOW_TO_GET[request.param])

    def run(*how: str) -> Path:
        for step in how:
            run_micropython(SCRIPT, str(tmp_path / "data"), step, interpreter=python, check=True)
        return tmp_path / "data"

    return run


def assert_counting(root: Path) -> None:
    """Every stored frame holds its own number: nothing was lost, doubled or moved unnoticed."""
    for stream in Dataset(root).sessions[0].streams.values():
        numbers, frames = stream.numbered_frames()
        assert np.array_equal(frames, np.repeat(numbers[:, None] % 30000, len(stream.channels), axis=1))


def problems(root: Path, level: str) -> list:
    return [(finding.file, finding.what) for finding in verify.verify(root).findings if finding.level == level]


def test_a_whole_session(record):
    root = record("whole")
    assert not problems(root, "error") and not problems(root, "warning")
    imu, mic = verify.verify(root).streams
    assert (imu["stored"], imu["expected"], imu["lost"]) == (2250, 2310, {"fifo": 35, "ring": 25})
    assert (mic["stored"], mic["expected"], mic["rate_measured_hz"]) == (2250, 2250, pytest.approx(100))
    assert_counting(root)


def test_a_session_that_ran_out_of_flash(record):
    root = record("drop")
    assert not problems(root, "error")
    assert problems(root, "warning")
    assert all(row["lost"]["retention"] > 0 for row in verify.verify(root).streams)
    assert_counting(root)


def test_a_session_that_lost_power(record):
    root = record("cut", "recover")
    assert not problems(root, "error")
    assert {row["unknown"] for row in verify.verify(root).streams} == {1}
    assert_counting(root)
