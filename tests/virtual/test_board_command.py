"""`deploy.py board`: the whole board-side program on a virtual board, from the command line."""

import argparse
import io
import json

import numpy as np
import pytest

from host import board
from host.virtual.image import read_tree
from host.virtual.world import world_for

CONFIG = json.loads(board.EXAMPLE.read_text())


def call(*words):
    parser = argparse.ArgumentParser()
    board.add_arguments(parser)
    return board.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def motion_only(tmp_path):
    """A configuration with the motion sensor alone, and a recording for it."""
    config = CONFIG | {"streams": {"imu": CONFIG["streams"]["imu"] | {"segment_frames": 96}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    rows = np.random.default_rng(3).integers(-32768, 32768, (150, 6)).astype("<i2")
    np.save(tmp_path / "motion.npy", rows)
    return tmp_path / "config.json", tmp_path / "motion.npy", rows


def test_a_recording_stays_on_the_flash(tmp_path, motion_only, capsys):
    config, recording, rows = motion_only
    flash = tmp_path / "flash.bin"
    how = ("--config", config, "--imu", recording, "--flash", flash, "--clock", "virtual", "--seconds", 3)
    assert call(*how) == 0
    assert call(*how) == 0  # again, on the same flash
    printed = [json.loads(line[1:]) for line in capsys.readouterr().out.splitlines() if line.startswith("@")]
    assert [status["state"] for status in printed].count("done") == 2
    files = read_tree(flash)
    sessions = sorted({name.split("/")[3] for name in files if name.endswith(".npy")})
    assert len(sessions) == 2
    for session in sessions:
        names = sorted(name for name in files if f"/{session}/" in name and name.endswith(".npy"))
        stored = np.concatenate([np.load(io.BytesIO(files[name])) for name in names])
        assert len(stored) > 3 * 104
        assert np.array_equal(stored, rows[np.arange(len(stored)) % len(rows)])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--config", "absent.json"), "absent.json: No such file or directory"),
        (("--imu", "absent.npy"), "absent.npy: there is no such file"),
        (("--world", __file__), "cannot be read as JSON"),
        (("--config", board.EXAMPLE, "--ca", "absent.pem", "--url", "https://h"), "absent.pem: No such file"),
        (("--url", "https://localhost"), "go with --config"),
        (("--flash-kb", "64"), "--flash-kb 64: from 256 to 65536"),
    ],
)
def test_mistakes_are_one_sentence(words, said, capsys):
    assert call(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith("board: ") and said in error and len(error.splitlines()) == 1


def test_a_configuration_that_no_world_fits(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"streams": {"imu": {"driver": "unheard-of"}}}')
    assert call("--config", tmp_path / "config.json") == 2
    assert "deploy.py check" in capsys.readouterr().err


def test_a_power_cut_of_the_world(tmp_path, motion_only, capsys):
    config, recording, _ = motion_only
    world = world_for(json.loads(config.read_text()), imu=recording, clock="virtual", flash_kb=1024)
    world["flash"]["cut_at"] = 40
    (tmp_path / "world.json").write_text(json.dumps(world))
    assert call("--config", config, "--world", tmp_path / "world.json", "--seconds", 5) == 1
    captured = capsys.readouterr()
    assert '"state": "power cut"' in captured.out and "power was cut" in captured.err


def test_the_world_fits_the_configuration():
    spi = {"kind": "spi", "id": 1, "sck": 18, "mosi": 23, "miso": 19}
    second = {"driver": "lsm6dsox", "bus": "spi1", "cs": 5, "rate_hz": 208}
    config = CONFIG | {"buses": CONFIG["buses"] | {"spi1": spi}, "streams": CONFIG["streams"] | {"second": second}}
    world = world_for(config)
    assert world["i2c"]["0"][0]["address"] == 106 and world["i2c"]["0"][0]["int_pin"] == 4
    assert world["spi"]["1"][0]["cs"] == 5 and "address" not in world["spi"]["1"][0]
    assert world["i2s"]["0"]["shift"] == 16
