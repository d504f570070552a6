"""`deploy.py bench ble`: a segment over Bluetooth, against the most that the modelled link carries."""

import asyncio
import tempfile
import time
from pathlib import Path

from host.ble import Board
from host.libs import cache_folder
from host.virtual.radio.central import BumbleRadio

INTERVAL_MS = 15
PACKETS = 4
LIMIT = PACKETS * 244 / (INTERVAL_MS / 1000)  # bytes per second: 244 of a packet's 251 are a notification's
FRAMES = 60_000  # 360 KB
HEAP_FRAMES = 170_000  # 1.02 MB
HEAP_LIMIT = 24 * 1024


def measure() -> dict:
    """{"ratio", "bytes_per_s", "limit", "wall_bytes_per_s", "ratio_2k", "heap"}. Time is the link's: connection events
    from the first request for the file on; by the wall, this machine's speed counts as well. `ratio_2k`: with the
    answers of 2 KB that RP2 can give. `heap`: the most in use for it.
    """
    if not (cache_folder() / "aioble").exists():
        raise RuntimeError("aioble is not in the cache: python3 deploy.py libs")
    with tempfile.TemporaryDirectory(prefix="motelog-ble-") as folder:
        found = asyncio.run(_speed(Path(folder, "speed")))
        found["ratio_2k"] = asyncio.run(_speed(Path(folder, "speed-2k"), ble={"answer_bytes": 2048}))["ratio"]
        return found | asyncio.run(_heap(Path(folder, "heap")))


async def _speed(folder: Path, **scenario) -> dict:
    from tests.transport.ble_rig import BleRig

    async with (
        BleRig(folder, interval_ms=INTERVAL_MS, frames=FRAMES, segment_frames=1 << 18, **scenario) as rig,
        Board(BumbleRadio(rig.hci).transport(), rig.address) as board,
    ):
        remote, size = await _segment(board)
        events, start = rig.air.events, time.monotonic()
        await board.download(remote, size, rig.folder / "part", lambda n: None)
        seconds = (rig.air.events - events) * INTERVAL_MS / 1000
        wall = size / (time.monotonic() - start)
    speed = size / seconds
    return {"ratio": round(speed / LIMIT, 3), "bytes_per_s": round(speed), "limit": round(LIMIT),
            "wall_bytes_per_s": round(wall)}  # fmt: skip


async def _heap(folder: Path) -> dict:
    from tests.transport.ble_rig import BleRig

    async with BleRig(folder, frames=HEAP_FRAMES, segment_frames=1 << 18, heap=True) as rig:
        async with Board(BumbleRadio(rig.hci).transport(), rig.address) as board:
            await board.download(*await _segment(board), rig.folder / "part", lambda n: None)
        return {"heap": (await rig.fresh())["heap"]}


async def _segment(board: Board) -> tuple[str, int]:
    """The board's: (its remote name, bytes)."""
    entries, _ = await board.waiting(0)
    return entries[1].files[0][:2]


def show(found: dict) -> None:
    print(f"a segment over Bluetooth: {found['ratio']} of the link's limit ({found['bytes_per_s'] / 1000:.1f} of "
          f"{found['limit'] / 1000:.1f} kB/s; by the wall {found['wall_bytes_per_s'] / 1000:.1f}); "
          f"{found['ratio_2k']} with answers of 2 KB\n"
          f"heap to ship a 1 MB segment: {found['heap']} bytes of at most {HEAP_LIMIT}")  # fmt: skip
