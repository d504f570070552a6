"""The data set reader gives back what was written: frames, numbers, units, times, gaps."""

import numpy as np
import pytest

from host.dataset import Dataset, DatasetError, Run
from host.records import Anchor, Gap
from host.timefit import FrameClock
from tests.host import synthetic


@pytest.fixture(params=[synthetic.deliver, synthetic.plain_copy])
def session(tmp_path, request):
    request.param(tmp_path, synthetic.session_files(seed=3))
    [session] = Dataset(tmp_path).sessions
    return session


def written(name: str) -> np.ndarray:
    """What the writer made for a stream, decoded by NumPy from its files."""
    info = {"imu": synthetic.IMU, "mic": synthetic.MIC}[name]
    rng = np.random.default_rng(3)
    parts = {"imu": (100, 28, 30, 60), "mic": (5000,)}[name]
    return np.concatenate([rng.integers(-32768, 32768, (n, len(info["channels"])), np.int16) for n in parts])


@pytest.mark.parametrize("name", ["imu", "mic"])
def test_frames_and_values_come_back(session, name):
    stream = session.streams[name]
    assert stream.frames().dtype == np.dtype("<i2")
    assert np.array_equal(stream.frames(), written(name))
    assert np.allclose(stream.values(), written(name) * np.array(stream.scale))


def test_frame_numbers_leave_room_for_what_was_lost(session):
    numbers, frames = session.streams["imu"].numbered_frames()
    kept = [*range(0, 100), *range(127, 155), *range(160, 250)]
    assert numbers.tolist() == kept and len(frames) == len(kept)


def test_runs_end_at_every_loss_also_at_one_of_unknown_length(session):
    assert session.streams["imu"].runs() == [Run(0, 100), Run(127, 155), Run(160, 190), Run(190, 250)]
    assert session.streams["mic"].runs() == [Run(0, 5000)]


def test_gaps_and_ledger(session):
    imu = session.streams["imu"]
    assert [tuple(gap) for gap in imu.gaps] == [
        (100, 7, "fifo"), (107, 20, "ring"), (155, 5, "flash"), (190, None, "bus"), (250, 3, "ring"),
    ]  # fmt: skip
    assert imu.ledger == {"expected": 253, "stored": 218, "lost": {"fifo": 7, "ring": 23, "flash": 5}, "unknown": 1}
    assert imu.holes == []


def test_times_follow_the_sensors_true_rate(session):
    mic = session.streams["mic"]
    true = synthetic.START_T_US + np.arange(5000) / (8000 * synthetic.TRUE_RATE) * 1e6
    assert np.abs(mic.times_us() - true).max() < 5
    assert mic.rate_measured_hz == pytest.approx(8000 * synthetic.TRUE_RATE, rel=1e-4)


def test_time_jumps_at_a_gap_of_unknown_length(session):
    imu = session.streams["imu"]
    times = dict(zip(imu.numbered_frames()[0].tolist(), imu.times_us(), strict=True))
    assert times[190] - times[189] == pytest.approx(51 / (104 * synthetic.TRUE_RATE) * 1e6, rel=0.02)


def test_session_knows_who_and_when(session):
    assert (session.device, session.name) == (synthetic.DEVICE, synthetic.SESSION)
    assert session.clock_fix.utc_us == 1_790_000_000_000_000
    assert session.started_t_us == synthetic.START_T_US
    assert not session.findings


def test_acknowledged_segments_on_flash_are_read(tmp_path):
    folder = synthetic.plain_copy(tmp_path, synthetic.session_files(seed=3))
    for sidecar in (folder / "000").glob("imu-*.json"):
        sidecar.rename(sidecar.with_suffix(".ack"))
    [session] = Dataset(tmp_path).sessions
    assert np.array_equal(session.streams["imu"].frames(), written("imu"))


def test_find_and_devices(tmp_path):
    synthetic.deliver(tmp_path, synthetic.session_files())
    dataset = Dataset(tmp_path)
    assert list(dataset.devices) == [synthetic.DEVICE]
    assert dataset.find(synthetic.DEVICE, synthetic.SESSION) is dataset.sessions[0]
    assert dataset.find(synthetic.DEVICE, "other") is None


def test_a_missing_segment_is_a_hole(tmp_path):
    folder = synthetic.deliver(tmp_path, synthetic.session_files())
    for ending in ("npy", "json"):
        (folder / f"imu-000001.{ending}").unlink()
        (folder / f"imu-000003.{ending}").unlink()
    imu = Dataset(tmp_path).sessions[0].streams["imu"]
    assert imu.holes == [Run(64, 155), Run(224, 250)]


def test_without_session_json_the_sidecars_describe_the_stream(tmp_path):
    files = synthetic.session_files(seed=3)
    del files["session.json"]
    synthetic.deliver(tmp_path, files)
    [session] = Dataset(tmp_path).sessions
    assert session.streams["imu"].units == synthetic.IMU["units"]
    assert np.array_equal(session.streams["mic"].frames(), written("mic"))


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="no session"):
        Dataset(tmp_path)


def test_clock_without_enough_anchors():
    assert np.isnan(FrameClock([], 100, []).t_us(np.array([5]))).all()
    assert FrameClock([], 100, []).rate_hz is None
    one = FrameClock([Anchor(10, 1_000_000)], 100, [])
    assert one.t_us(np.array([10, 110])).tolist() == [1_000_000, 2_000_000]
    assert Gap(0, None, "bus").lost is None
