"""What the application takes of a board's heap, as push installs it: docs/ram.md."""

import json

import pytest

from host import bench_ram
from tests.spine import rig
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter

GESTURE = bench_ram.EXAMPLES / "gesture_imu.json"
RECORDING = 96 * 1024
UPLOADING = 120 * 1024
FROM_ROM = 62 * 1024


def micropython(width):
    found = interpreter(width)
    if not found:
        pytest.skip(HOW_TO_GET[width])
    return found


def test_the_gesture_example_on_a_microcontroller():
    """On the 32-bit port: while it records, and while it uploads."""
    found = bench_ram.totals(bench_ram.load(GESTURE), micropython("32-bit"))
    assert 60 * 1024 < found["recording"] < RECORDING, found
    assert found["recording"] + 10 * 1024 < found["uploading"] < UPLOADING, found
    assert found["names"] < 16 * 1024, found


def test_code_in_a_read_only_partition():
    found = bench_ram.totals(bench_ram.load(GESTURE), micropython("32-bit"), romfs=True)
    assert 40 * 1024 < found["recording"] < FROM_ROM, found


@pytest.mark.parametrize("width", WIDTHS)
def test_the_heap_by_purpose(width):
    config = bench_ram.load(bench_ram.EXAMPLE)
    found = bench_ram.purposes(config, micropython(width))
    rows = dict(found["table"])
    assert len(rows) == len(found["table"])
    assert rows["firmware: interpreter, bare hardware"] < (10 if width == "32-bit" else 20) * 1024, rows
    assert rows["forgotten after boot"] < -8000, rows
    ring_bytes = 9 * (2048 + 384)  # the example's blocks, and a spare one per ring
    assert ring_bytes < rows["rings"] < 1.25 * ring_bytes
    assert found["boot"] < sum(rows.values()), "checking the configuration needs more than recording"


@pytest.mark.slow
def test_the_command():
    micropython("32-bit")
    done = rig.deploy("bench", "ram", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    heap = json.loads(done.stdout)["heap"]
    assert set(heap) == {path.stem for path in bench_ram.EXAMPLES.glob("*.json") if "secrets" not in path.name}
    assert all(one["recording"] < one["uploading"] for one in heap.values() if one["uploading"])


def test_a_file_that_is_none(tmp_path, capsys):
    empty = tmp_path / "empty.json"
    empty.touch()
    for path, what in ((tmp_path, "it is a directory"), (tmp_path / "no.json", "no such file"), (empty, "is empty")):
        assert bench_ram.main([str(path)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"bench_ram: {path}: ") and what in told and told.count("\n") == 1
