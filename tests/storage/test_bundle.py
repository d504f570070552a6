"""storage/bundle.py: bundles made on MicroPython, opened by NumPy, Python's zipfile and Info-ZIP's unzip."""

import hashlib
import io
import json
import shutil
import subprocess
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.tools.board_libs import board_libs
from tests.tools.micropython import SEARCH_PATH, run_micropython

STEPS = Path(__file__).with_name("bundle_steps.py")
SEARCH = f"{STEPS.parent}:{SEARCH_PATH}"


def board(micropython, *arguments, heap="2M", packages=True):
    """What the function of bundle_steps.py printed."""
    search = f"{board_libs('zipfile')}:{SEARCH}" if packages else SEARCH
    done = run_micropython(
        STEPS, *map(str, arguments), interpreter=micropython, heap=heap, env={"MICROPYPATH": search}, check=True
    )
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    """Files of a session, and of lengths around the buffer's."""
    source = tmp_path / "source"
    source.mkdir()
    np.save(source / "imu-000000.npy", np.arange(6000, dtype="<i2").reshape(-1, 6))
    with wave.open(str(source / "mic-000000.wav"), "wb") as f:
        f.setparams((1, 2, 16000, 0, "NONE", ""))
        f.writeframes(bytes(range(250)) * 20)
    (source / "imu-000000.json").write_text('{"frames": 1000}')
    for n in (0, 1, 511, 512, 513, 1024):
        (source / f"{n}.bin").write_bytes(bytes(i * i % 251 for i in range(n)))
    return source


@pytest.mark.parametrize("method, code", [("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)])
def test_everybody_opens_it(micropython, folder, tmp_path, method, code):
    names = sorted(path.name for path in folder.iterdir())
    target = tmp_path / "bundle.npz"
    assert int(board(micropython, "of_files", folder, json.dumps(names), target, method, 512)) == target.stat().st_size
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == names
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {code}
        for name in names:
            assert archive.read(name) == (folder / name).read_bytes()
    with np.load(target) as arrays:
        assert arrays["imu-000000"].tolist() == np.load(folder / "imu-000000.npy").tolist()
    if unzip := shutil.which("unzip"):
        subprocess.run([unzip, "-q", str(target), "-d", str(tmp_path / "out")], check=True, capture_output=True)
        for name in names:
            assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()


def test_the_same_files_give_the_same_bytes(micropython, folder, tmp_path):
    names = json.dumps(["imu-000000.npy", "imu-000000.json"])
    for target, buffer in (("a.zip", 512), ("b.zip", 4000)):
        board(micropython, "of_files", folder, names, tmp_path / target, "stored", buffer)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_batch_of_a_spool_unpacks_to_a_data_set(micropython, tmp_path):
    target = tmp_path / "batch.zip"
    n, parts = json.loads(board(micropython, "of_spool", target, heap="8M"))
    assert n == target.stat().st_size
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [name for name, _, _ in parts]
        for name, size, sha256 in parts:
            data = archive.read(name)
            assert (len(data), hashlib.sha256(data).hexdigest()) == (size, sha256)
    folder = str(Path(parts[0][0]).parent)
    assert {Path(name).name for name, _, _ in parts} >= {"session.json", "imu-000001.json", "mic-000001.wav"}
    with np.load(target) as arrays:
        assert [arrays[f"{folder}/imu-00000{i}"].shape for i in (0, 1)] == [(2000, 3), (700, 3)]
        with wave.open(io.BytesIO(arrays[f"{folder}/mic-000001.wav"])) as f:
            assert f.getnframes() == 700


@pytest.mark.parametrize("method", ["stored", "deflated"])
def test_a_file_larger_than_the_heap(micropython, method):
    length, most = map(int, board(micropython, "large", 1 << 20, method, heap="512K").split())
    assert most < 200_000
    if method == "stored":
        assert length > 1 << 20


def test_what_the_board_can_do(micropython):
    assert json.loads(board(micropython, "methods", packages=False)) == []
    assert json.loads(board(micropython, "methods"))[0] == "stored"
