"""Runs a MicroPython program on a virtual board, for the tests: only the port and the program are on it."""

import asyncio
from pathlib import Path

from host.virtual import VirtualBoard
from host.virtual.image import write_tree

IMU = {"chip": "lsm6dsox", "address": 106, "int_pin": 4, "source": {"synth": "motion"}, "rate_ratio": 1.0}
WORLD = {
    "clock": "virtual",
    "flash": {"size_kb": 256},
    "i2c": {"0": [IMU]},
    "spi": {"1": [{"chip": "lsm6dsox", "cs": 5, "source": {"synth": "motion"}, "rate_ratio": 1.0}]},
    "i2s": {"0": {"source": {"synth": "tone"}, "shift": 16, "rate_ratio": 1.0}},
}


def board(workdir: Path, program: str, **world) -> VirtualBoard:
    """A board that runs `program`'s `run()`; `world` replaces parts of WORLD."""
    made = VirtualBoard(WORLD | world | {"main": "program"}, workdir)
    write_tree(made.image, {"/program.py": program.encode()}, size_kb=made.world["flash"]["size_kb"])
    return made


def run(workdir: Path, program: str, timeout_s: float = 300, **world) -> tuple[int, list[str]]:
    """-> exit code and the lines that the program printed."""
    return asyncio.run(start(board(workdir, program, **world), timeout_s))


async def start(made: VirtualBoard, timeout_s: float = 300) -> tuple[int, list[str]]:
    """Start a board and wait for its end."""

    async def all_lines():
        return [line async for line in made.lines() if not line.startswith("virtual board:")]

    await made.start()
    try:
        lines = await asyncio.wait_for(all_lines(), timeout_s)
        return await made.wait(), lines
    finally:
        await made.kill()
