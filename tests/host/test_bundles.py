"""Bundles from the board's own spool and transport to the collector, and bundles that nobody should believe."""

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path

import aiohttp
import pytest

from host import certs, check, libs, verify
from host.collector import Collector
from tests.host import synthetic
from tests.tools.board_libs import board_libs
from tests.tools.micropython import HOW_TO_GET, SEARCH_PATH, interpreter, run_micropython

FOLDER = Path(__file__).parent
PLACE = f"{synthetic.DEVICE}/{synthetic.SESSION}/"


@pytest.fixture
def board(tmp_path):
    """Runs a board-side script on the flash of this test; its arguments follow."""
    python = interpreter("64-bit")
    if python is None:
        pytest.skip(HOW_TO_GET["64-bit"])
    env = {"MICROPYPATH": f"{board_libs('zipfile')}:{SEARCH_PATH}"}
    return lambda script, *arguments: run_micropython(
        FOLDER / script, str(tmp_path / "flash"), *map(str, arguments), interpreter=python, check=True, env=env
    ).stdout


def deliver(board, tmp_path, before=lambda root: None):
    """The board ships all it has. -> (what it told, paths of the requests whose body was read)."""
    identity = certs.make(tmp_path / "certs", ["localhost", "127.0.0.1"])
    paths = []

    async def seen(path):
        paths.append(path)

    async def body():
        collector = Collector(tmp_path / "out", token="secret", before_put=seen)
        port = await collector.start(ssl_context=identity.server_context())
        before(tmp_path / "out")
        try:
            arguments = ("board_bundles.py", f"https://127.0.0.1:{port}", identity.ca_path, "secret", "stored")
            return json.loads((await asyncio.to_thread(board, *arguments)).splitlines()[-1])
        finally:
            await collector.stop()

    return asyncio.run(body()), paths


def test_a_session_arrives_whole(board, tmp_path):
    board("board_spool.py", "whole")
    told, paths = deliver(board, tmp_path)
    assert told["left"] == [] and told["status"]["refused"] == told["status"]["conflicts"] == 0
    bundles = [path for path in paths if path.endswith(".zip")]
    assert len(bundles) == 2 and len(paths) == 4  # ten segments; session.json and ledger.json go alone
    report = verify.verify(tmp_path / "out")
    assert report.ok and not report.findings
    assert [row["stored"] for row in report.streams] == [2250, 2250]
    assert not list((tmp_path / "out").rglob("*.zip")) and not list((tmp_path / "out").rglob(".part-*"))


def test_what_cannot_go_as_a_bundle_goes_file_by_file(board, tmp_path):
    """Other bytes are there under one member's name: only that segment stays on the board."""
    board("board_spool.py", "whole")
    session = next(path.name for path in (tmp_path / "flash" / "wrist-01").iterdir() if path.is_dir())

    def squat(root):
        (root / "wrist-01" / session).mkdir(parents=True)
        (root / "wrist-01" / session / "imu-000002.npy").write_bytes(b"somebody else's")

    told, paths = deliver(board, tmp_path, squat)
    assert told["left"] == [f"wrist-01/{session}/imu-000002"] and told["left"][0] in told["conflicts"]
    stored = {path.name for path in (tmp_path / "out" / "wrist-01" / session).glob("*-*.json")}
    assert stored == {f"{stream}-{i:06d}.json" for stream in ("imu", "mic") for i in range(5)} - {"imu-000002.json"}
    assert (tmp_path / "out" / "wrist-01" / session / "imu-000002.npy").read_bytes() == b"somebody else's"


# The collector alone


def put(root, *bodies, **options):
    """PUTs bundles one after the other. -> their statuses, and the collector's status."""

    async def body():
        collector = Collector(root, **options)
        port = await collector.start()
        statuses = []
        async with aiohttp.ClientSession() as http:
            for data in bodies:
                digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
                headers = {"Content-Digest": f"sha-256=:{digest}:"}
                async with http.put(f"http://127.0.0.1:{port}/{PLACE}b.zip", data=data, headers=headers) as answer:
                    statuses.append(answer.status)
        await collector.stop()
        return statuses, collector.status()

    return asyncio.run(body())


def bundle(*members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def segment(seq=0):
    """-> the two members of a small segment, a data file and its sidecar."""
    data = b"\x93NUMPY" + bytes(100 + seq)
    stem = f"imu-{seq:06d}"
    sidecar = {
        "device": synthetic.DEVICE, "session": synthetic.SESSION, "file": stem + ".npy",
        "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    return (f"{PLACE}{stem}.npy", data), (f"{PLACE}{stem}.json", json.dumps(sidecar).encode())


def files(root):
    return {path.name: path.read_bytes() for path in (root / PLACE).glob("*") if path.name != "SHA256SUMS"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_stored_as_files_of_their_own(tmp_path, method):
    members = [*segment(0), *segment(1)]
    data = bundle(*members, method=method)
    statuses, status = put(tmp_path, data, data)
    assert statuses == [201, 412]
    assert files(tmp_path) == {name.rsplit("/", 1)[1]: content for name, content in members}
    told = status["devices"][synthetic.DEVICE]
    assert (told["stored"], told["repeated"], told["segments"]) == (4, 1, 2)
    assert told["bytes"] == sum(len(content) for _, content in members)
    sums = (tmp_path / PLACE / "SHA256SUMS").read_text().splitlines()
    assert len(sums) == 4 and all(line.split("  ")[1] in files(tmp_path) for line in sums)


def test_a_part_of_it_was_here(tmp_path):
    assert put(tmp_path, bundle(*segment(0)), bundle(*segment(0), *segment(1)))[0] == [201, 201]
    assert len(files(tmp_path)) == 4


def damaged():
    data = bytearray(bundle(*segment(0)))
    data[120] ^= 1  # within the first member's bytes
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"no zip at all", 400),
        (bundle(*segment(0))[:-30], 400),
        (damaged(), 400),
        (bundle(("other/session/imu-000000.npy", b"x")), 400),
        (bundle(("../../escape.npy", b"x")), 400),
        (bundle(("/etc/escape.npy", b"x")), 400),
        (bundle((PLACE + "../escape.npy", b"x")), 400),
        (bundle((PLACE + "inner.zip", b"x")), 400),
        (bundle((PLACE + "program.py", b"x")), 400),
        (bundle(*[(f"{PLACE}imu-{i:06d}.npy", b"x") for i in range(65)]), 413),
        (bundle((PLACE + "imu-000000.npy", bytes(300000)), method=zipfile.ZIP_DEFLATED), 413),
        (bundle(segment(0)[1]), 424),
        (bundle((segment(0)[0][0], b"other bytes"), segment(0)[1]), 409),
    ],
)
def test_what_is_refused(tmp_path, data, status):
    assert put(tmp_path, data, max_bytes=200000)[0] == [status]
    assert set(files(tmp_path)) <= ({"imu-000000.npy"} if status == 409 else set())
    assert not [path for path in tmp_path.rglob("escape*")]


# `check`


def test_check_refuses_bundles_without_the_package(tmp_path, monkeypatch):
    config = json.loads((Path(check.__file__).parents[1] / "config/examples/gesture_imu.json").read_text())
    config["upload"]["bundle"] = "stored"
    config["network"]["wifi"] = []
    config["board"], config["upload"]["https"]["url"] = "virtual", "http://127.0.0.1:8080"
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    monkeypatch.setattr(check, "is_present", lambda package: False)
    errors = check.check_files(file)[1]
    assert [error[1] for error in errors] == ["upload.bundle"] and "deploy.py libs" in errors[0][3]
    monkeypatch.setattr(check, "is_present", lambda package: package.name == "zipfile")
    assert check.check_files(file)[1] == []
    assert [package.name for package in libs.needed(config)] == ["zipfile"]
