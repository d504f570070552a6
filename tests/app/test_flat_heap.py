"""A board that records and ships for ten minutes on 384 KB needs as much heap at the end as at the beginning."""

import asyncio
import json
from pathlib import Path
from statistics import median

import pytest

from host import certs, verify
from host.collector import Collector
from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.tools.micropython import HOW_TO_GET, interpreter

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "virtual.json"
TOKEN = "flat-heap"
SECONDS = 600
SEGMENT_FRAMES = {"imu": 2048, "mic": 320 * 1024}  # 20 s each
NOISE = 512  # bytes; a leak of 32 bytes per segment makes 950


def settings(port: int) -> dict:
    """Both streams of the example; long segments and few rounds, because shipping takes the wall's time."""
    config = json.loads(EXAMPLE.read_text())
    config["schedule"] = {"duration_s": SECONDS}
    config["upload"] = {"https": {"url": f"https://127.0.0.1:{port}", "ca_file": "/ca.der"}, "interval_s": 20}
    for name, frames in SEGMENT_FRAMES.items():
        config["streams"][name]["segment_frames"] = frames
    return config


async def record(folder: Path) -> list[int]:
    """-> the heap in use after the board's collections, one per second, while it recorded and nothing was on its way:
    how long that takes is the machine's business.
    """
    identity = certs.make(folder / "certs", ["127.0.0.1"])
    (folder / "out").mkdir()
    collector = Collector(folder / "out", token=TOKEN)
    port = await collector.start("127.0.0.1", 0, identity.server_context())
    config = settings(port)
    board = VirtualBoard(world_for(config, clock="virtual"), folder / "board", heap_kb=384)
    board.install(config=config, secrets={"https_token": TOKEN}, files={"/ca.der": identity.ca_der()})
    used = []
    try:
        await board.start()
        async for _ in board.lines():
            if board.status.get("state") == "recording" and board.status["upload"]["state"] == "waiting":
                used.append(board.status["heap_used"])
        assert await board.wait() == 0, board.log
    finally:
        await board.kill()
        await collector.stop()
    assert board.status["upload"]["acknowledged"] > 2 * SECONDS / 21, board.status["upload"]
    return used


@pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
def test_heap_in_use_does_not_grow_in_ten_minutes(tmp_path):
    used = asyncio.run(asyncio.wait_for(record(tmp_path), 900))
    report = verify.verify(tmp_path / "out")
    assert report.ok and [stream["stored"] for stream in report.streams] == [
        stream["expected"] for stream in report.streams
    ]
    quarter = len(used) // 4
    assert quarter > SECONDS // 20, used
    assert median(used[-quarter:]) <= median(used[quarter : 2 * quarter]) + NOISE, used
