"""docs/dataset.md names every key that a board writes, and its example reads what a board has recorded."""

import asyncio
import json
import re
from pathlib import Path

import numpy as np
import pytest

from host.dataset import Dataset
from tests.app.talk import make, motion_only, recording, sessions, talk
from tests.host.synthetic import plain_copy, session_files
from tests.tools.micropython import HOW_TO_GET, interpreter

PAGE = (Path(__file__).parents[2] / "docs" / "dataset.md").read_text()


def example():
    """The page's `load`."""
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
    return names["load"]


def documented(heading: str) -> set[str]:
    """The words in code style of the page's section with that heading."""
    section = next(part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(heading))
    return set(re.findall(r"`(\w+)`", section))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A session's folder, flat as on the laptop."""
    if interpreter("64-bit") is None:
        pytest.skip(HOW_TO_GET["64-bit"])
    folder = tmp_path_factory.mktemp("page")
    board = make(folder / "board", motion_only())
    asyncio.run(talk(board, [(recording(2), "label walking"), (recording(12), "exit")]))
    ((session, content),) = sessions(board.files()).items()
    at = folder / "data" / "virtual-01" / session
    at.mkdir(parents=True)
    for name, data in content.items():
        (at / name).write_bytes(data)
    return at


def test_every_key_is_named(recorded):
    def keys(name):
        return json.loads((recorded / name).read_text().splitlines()[0])

    session, sidecar, ledger = keys("session.json"), keys("imu-000000.json"), keys("ledger.json")
    assert {*session, *session["streams"]["imu"]} <= documented("session.json")
    assert {*sidecar, *sidecar["ledger"]} <= documented("Sidecar")
    assert {*ledger, *ledger["streams"]["imu"]} <= documented("ledger.json")
    assert set(keys("labels.jsonl")) <= documented("labels.jsonl")


def test_the_example_reads_what_a_board_recorded(recorded):
    values, numbers, times_us = example()(recorded, "imu")
    (session,) = Dataset(recorded.parents[1]).sessions
    stream = session.streams["imu"]
    assert np.allclose(values, stream.values(), rtol=1e-6) and len(values) == len(numbers) > 1200
    assert np.abs(times_us - stream.times_us()).max() < 10_000


def test_the_example_counts_lost_frames_and_reads_sound(tmp_path):
    folder = plain_copy(tmp_path, session_files()) / "000"
    for name in ("imu", "mic"):
        values, numbers, _ = example()(folder, name)
        stream = Dataset(tmp_path).sessions[0].streams[name]
        assert np.allclose(values, stream.values(), rtol=1e-6)
        assert len(numbers) == len(values)
        lost = 32 if name == "imu" else 0
        assert numbers[-1] == len(values) - 1 + lost, "7 fifo, 20 ring, 5 flash"
