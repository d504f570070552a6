"""The board's own spool and transport against the collector, over TLS: what arrives is a data set that verifies."""

import asyncio
from pathlib import Path

import pytest

from host import certs, verify
from host.collector import Collector
from tests.tools.micropython import HOW_TO_GET, interpreter, run_micropython

FOLDER = Path(__file__).parent


@pytest.fixture
def board(tmp_path):
    """Runs a board-side script; its arguments follow."""
    python = interpreter("64-bit")
    if python is None:
        pytest.skip(HOW_TO_GET["64-bit"])
    flash = tmp_path / "flash"
    return lambda script, *arguments: run_micropython(
        FOLDER / script, str(flash), *map(str, arguments), interpreter=python, check=True
    ).stdout


def deliver(board, tmp_path, host="127.0.0.1", timeout_s=60, **options) -> tuple[str, dict]:
    """One collector's life: the board ships all it has. -> (what the board said, the collector's status)."""
    identity = certs.make(tmp_path / "certs", ["localhost", "127.0.0.1"])

    async def body():
        collector = Collector(tmp_path / "out", token="secret", **options)
        port = await collector.start(ssl_context=identity.server_context())
        try:
            url = f"https://{host}:{port}"
            said = await asyncio.to_thread(board, "board_ship.py", url, identity.ca_path, "secret", timeout_s)
            return said, collector.status()
        finally:
            await collector.stop()

    return asyncio.run(body())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_session_arrives_whole(board, tmp_path, host):
    board("board_spool.py", "whole")
    said, status = deliver(board, tmp_path, host)
    assert said.strip() == "left: [] {} {}"
    report = verify.verify(tmp_path / "out")
    assert report.ok and not report.findings
    assert [row["stored"] for row in report.streams] == [2250, 2250]
    assert status["devices"]["wrist-01"]["refused"] == 0


def test_a_delivery_whose_answer_was_lost_is_recognised(board, tmp_path):
    board("board_spool.py", "whole")
    copy = tmp_path / "flash-before"
    copy.mkdir()
    for path in sorted((tmp_path / "flash").rglob("*")):
        target = copy / path.relative_to(tmp_path / "flash")
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    deliver(board, tmp_path)
    (tmp_path / "flash").rename(tmp_path / "flash-after")
    copy.rename(tmp_path / "flash")
    said, status = deliver(board, tmp_path)
    assert said.strip() == "left: [] {} {}"
    assert status["devices"]["wrist-01"]["stored"] == 0 and status["devices"]["wrist-01"]["repeated"] > 10
    report = verify.verify(tmp_path / "out")
    assert report.ok and not report.findings


def test_a_collector_that_stalls_once(board, tmp_path):
    asked, again = [], asyncio.Event()

    async def stall(path):
        asked.append(path)
        if len(asked) > 1:
            again.set()
        await again.wait()  # longer than the board does

    board("board_spool.py", "whole")
    said, _ = deliver(board, tmp_path, timeout_s=1, before_put=stall)
    *failures, end = said.splitlines()
    assert end == "left: [] {} {}" and asked[0] == asked[1]
    assert failures and all("took longer than 1000 ms" in line for line in failures)
    report = verify.verify(tmp_path / "out")
    assert report.ok and not report.findings
