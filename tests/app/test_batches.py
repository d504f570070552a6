"""The board's batches and a real collector that goes away in the middle of one, and comes back."""

import asyncio
import json

import pytest

from host import certs, verify
from host.collector import Collector
from tests.app.talk import make, motion_only, patience
from tests.tools.micropython import HOW_TO_GET, interpreter
from tests.tools.ports import Port

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
TOKEN = "a-token-for-batches"
BEFORE = 3  # files that arrive before it goes


async def gone_after(collector: Collector, n_files: int) -> None:
    """Stops the collector as soon as it has stored so many."""
    loop, enough = asyncio.get_running_loop(), asyncio.Event()
    finish, stored = collector.ingest.finish, []

    def counted(upload, sha256):
        stored.append(upload)
        if len(stored) == n_files:
            loop.call_soon_threadsafe(enough.set)
        return finish(upload, sha256)

    collector.ingest.finish = counted
    await enough.wait()
    await collector.stop()


async def follow(board, leaving: asyncio.Task, again) -> list[dict]:
    """Runs the board. When the collector has left and the board says that an attempt has failed, it is there again
    (`again()`); the board is told to end when all has arrived. -> the status lines
    """
    said = []
    back = ended = False
    with patience(board) as answer:
        await board.start()
        try:
            async for line in board.lines():
                if not line.startswith("@"):
                    continue
                status = board.status
                said.append(status)
                if not back and leaving.done() and status.get("upload", {}).get("failures"):
                    back = True
                    await again()
                elif back and not ended and status["spool"]["pending_segments"] < 2:
                    ended = True
                    await board.type("exit")
                if "exit" not in status:
                    answer()
        finally:
            await board.kill()
    assert ended, (board.log, said[-1:])
    return said


def test_a_collector_that_goes_in_mid_batch_gets_the_rest_later(tmp_path):
    identity = certs.make(tmp_path / "certs", ["127.0.0.1"])
    (tmp_path / "out").mkdir()
    collectors = [Collector(tmp_path / "out", token=TOKEN), Collector(tmp_path / "out", token=TOKEN)]

    async def run(port):
        await collectors[0].start("127.0.0.1", port, identity.server_context())
        https = {"url": f"https://127.0.0.1:{port}", "ca_file": "/ca.der"}
        upload = {"https": https, "min_batch_kb": 60, "max_latency_s": 600, "backoff_min_s": 2}
        how = {"secrets": {"https_token": TOKEN}, "files": {"/ca.der": identity.ca_der()}}
        config = motion_only(upload=upload, network={"wifi": []})
        config["streams"]["imu"]["segment_frames"] = 256
        board = make(tmp_path / "board", config, **how)

        async def again():
            await collectors[1].start("127.0.0.1", port, identity.server_context())

        leaving = asyncio.create_task(gone_after(collectors[0], BEFORE))
        try:
            said = await follow(board, leaving, again)
            await leaving
        finally:
            leaving.cancel()
            await collectors[1].stop()
        return said

    with Port() as port:
        said = asyncio.run(asyncio.wait_for(run(port.number), 300))
    most = max(status["spool"]["pending_segments"] for status in said if "spool" in status)
    assert most >= 12, "it waited for a batch"
    report = verify.verify(tmp_path / "out")
    assert report.ok and not report.findings, report.findings
    first, second = (next(iter(collector.status()["devices"].values()))["stored"] for collector in collectors)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert BEFORE <= first < most * 2 and first + second == len(files), "in the middle of it; nothing is stored twice"
    (ledger,) = (tmp_path / "out").rglob("ledger.json")
    account = json.loads(ledger.read_text())["streams"]["imu"]
    assert account["expected"] == account["stored"] and not account["lost"]
