"""What the Bluetooth tests share: a virtual board with the real aioble, in the air with the clients under test."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from host.libs import cache_folder
from host.virtual import VirtualBoard
from host.virtual.compiler import compile_files, find_micropython
from host.virtual.radio.air import Air
from host.virtual.radio.peripheral import DEFAULT_ADDRESS, VirtualRadio

AIOBLE = ("__init__", "core", "device", "peripheral", "server", "security")
BOARD = Path(__file__).with_name("ble_board.py")


def aioble_files() -> dict[str, bytes]:
    """{"/lib/aioble/...": compiled}; the test is skipped when it is not in the cache."""
    folder = cache_folder() / "aioble"
    if not (folder / "core.py").exists():
        pytest.skip("no board package aioble: get it with `python3 deploy.py libs --from DIR` (DIR: its clone)")
    sources = {f"aioble/{name}.py": folder / f"{name}.py" for name in AIOBLE}
    return {f"/lib/{name}": content for name, content in compile_files(sources, find_micropython()).items()}


class BleRig:
    """`air`, `radio`, `board` (running `ble_board.py`), `hci`: where a bumble client finds its controller."""

    def __init__(
        self, folder: Path, *, interval_ms: float = 0, world: dict | None = None, heap_kb: int = 384, **scenario
    ):
        self.folder, self.scenario, self._world, self._heap_kb = folder, scenario, world or {}, heap_kb
        self.air = Air(interval_ms)
        self.radio = VirtualRadio(self.air)
        self.address = DEFAULT_ADDRESS
        self.hci = ""
        self.board: VirtualBoard | None = None
        self._reading: asyncio.Task | None = None

    async def __aenter__(self):
        await self.radio.start()
        self.hci = f"tcp-client:127.0.0.1:{await self.air.serve_hci()}"
        world = {"main": "ble_board", "flash": {"size_kb": 4096}, "bluetooth": self.radio.world(**self._world)}
        self.board = VirtualBoard(world, self.folder / "board", heap_kb=self._heap_kb)
        files = {f"/{name}": data for name, data in compile_files({"ble_board.py": BOARD}, find_micropython()).items()}
        files |= aioble_files() | {"/scenario.json": json.dumps(self.scenario).encode()}
        self.board.install(files=files)
        await self.start()
        return self

    async def start(self) -> None:
        """Power on, until it advertises."""
        await self.board.start()
        self._reading = asyncio.create_task(self._read())
        await self.until(lambda status: status["ble"]["state"] == "advertising")

    async def _read(self) -> None:
        async for _ in self.board.lines():
            pass

    async def until(self, true, timeout_s: float = 120) -> dict:
        """Wait for a status line that is as wanted. -> it"""
        try:
            async with asyncio.timeout(timeout_s):
                while not (self.board.status.get("ble") and true(self.board.status)):
                    assert not self._reading.done(), f"the board ended: {self.board.log}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not in {timeout_s} s: {self.board.status} {self.board.log}") from None
        return self.board.status

    async def fresh(self) -> dict:
        """-> the next status line."""
        self.board.status = {}
        return await self.until(lambda status: True)

    async def kill(self) -> None:
        await self.board.kill()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading

    async def __aexit__(self, *_):
        await self.kill()
        await self.radio.close()
        await self.air.close()
