"""plot: a PNG per session with the signals and their losses in it."""

import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from matplotlib import image

from host import plot
from host.dataset import Dataset
from tests.host import synthetic


def command(*arguments: str) -> int:
    parser = ArgumentParser()
    plot.add_arguments(parser)
    return plot.run(parser.parse_args(arguments))


def pixels(path: Path, colour: str, alpha: float = 1.0) -> int:
    """How many pixels have the colour, laid over white."""
    rgb = 1 - alpha * (1 - np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255)
    return int((np.abs(image.imread(path)[:, :, :3] - rgb).max(axis=2) < 0.02).sum())


def test_one_picture_per_session_beside_its_folder(tmp_path, capsys):
    folder = synthetic.deliver(tmp_path, synthetic.session_files())
    assert command(str(tmp_path), "--json") == 0
    [picture] = json.loads(capsys.readouterr().out)["pictures"]
    assert Path(picture) == folder.parent / f"{folder.name}.png"
    for cause in ("fifo", "ring", "flash", "bus"):
        assert pixels(Path(picture), plot.GAP_COLOURS[cause], 0.28) > 300, cause
    assert pixels(Path(picture), plot.GAP_COLOURS["missing"], 0.28) == 0
    assert pixels(Path(picture), plot.COLOURS[0]) > 10_000  # the microphone's envelope


def test_a_missing_segment_is_marked(tmp_path):
    folder = synthetic.deliver(tmp_path, synthetic.session_files())
    (folder / "mic-000001.json").unlink()
    out = tmp_path / "new" / "picture.png"
    assert command(str(folder), "--out", str(out)) == 0
    assert pixels(out, plot.GAP_COLOURS["missing"], 0.28) > 10_000


def test_damage_is_told_and_the_rest_is_drawn(tmp_path, capsys):
    folder = synthetic.deliver(tmp_path, synthetic.session_files())
    (folder / "imu-000001.json").write_text("{")
    (folder / "mic-000000.wav").write_bytes(b"RIFF")
    assert command(str(folder), "--out", str(tmp_path / "p.png")) == 1
    assert "imu-000001.json" in capsys.readouterr().err
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_mistakes_of_the_caller(tmp_path, capsys):
    assert command(str(tmp_path / "nowhere")) == 2
    folder = synthetic.deliver(tmp_path, synthetic.session_files())
    other = folder.parent / "00008-00-01234567"
    other.mkdir()
    (other / "session.json").write_bytes((folder / "session.json").read_bytes())
    assert command(str(tmp_path), "--out", str(tmp_path / "p.png")) == 2
    assert "2 sessions" in capsys.readouterr().err
    assert command(str(folder), "--out", "/dev/null/p.png") == 2


def test_the_envelope_keeps_every_extreme(tmp_path):
    info = {**synthetic.MIC, "segment_frames": 20_000}
    mic = synthetic.StreamWriter("mic", info, np.random.default_rng(5))
    mic.give(30_000)
    mic.lose(10_000, "ring")
    mic.give(30_000)
    files = {"session.json": synthetic.session_json({"mic": info}), **mic.files}
    synthetic.deliver(tmp_path, {**files, "ledger.json": synthetic.ledger_json({"mic": mic.end()})} | mic.files)
    stream = Dataset(tmp_path).sessions[0].streams["mic"]
    numbers, low, high = plot._envelope(stream)
    assert len(numbers) <= plot.BINS
    frame_numbers, frames = stream.numbered_frames()
    width = int(numbers[1] - numbers[0])
    for k in (0, 7, len(numbers) // 4, len(numbers) - 1):
        inside = frames[(frame_numbers >= k * width) & (frame_numbers < (k + 1) * width)]
        assert (low[k, 0], high[k, 0]) == (inside.min(), inside.max())
    assert np.isnan(low[len(numbers) // 2]).all()
