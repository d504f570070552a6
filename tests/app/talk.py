"""A conversation with a virtual board: what is typed when, and what it said."""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from host.virtual import VirtualBoard, image
from host.virtual.world import world_for

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "virtual.json"
PATIENT = Path(__file__).with_name("patient.py").read_bytes()


def motion_only(**sections) -> dict:
    """The example's configuration with the motion sensor alone, small segments and no upload."""
    config = json.loads(EXAMPLE.read_text()) | sections
    if "upload" not in sections:
        del config["upload"]
    config["streams"] = {"imu": config["streams"]["imu"] | {"segment_frames": 512}}
    return config


def make(folder: Path, config: dict, **how) -> VirtualBoard:
    """An installed board on the virtual clock."""
    board = VirtualBoard(world_for(config, clock="virtual"), folder)
    board.install(config=config, **how)
    return board


async def talk(board: VirtualBoard, script: list, limit_s: float = 300) -> list[dict]:
    """Runs `board` to its end. `script`: (condition on a status, line to type or function to call), one after the
    other, each at most once per status line. -> all status lines

    The board's time does not go on before its status lines are answered (patient.py): commands are there in the very
    tick behind the line that they follow. `limit_s` is for a board that hangs.
    """
    said = []
    plan = list(script)
    with patience(board) as answer:

        async def follow():
            await board.start()
            async for line in board.lines():
                if not line.startswith("@"):
                    continue
                said.append(board.status)
                if plan and plan[0][0](board.status):
                    what = plan.pop(0)[1]
                    await board.type(what) if isinstance(what, str) else what()
                if "exit" not in board.status:  # those are the port's last words
                    answer()

        try:
            await asyncio.wait_for(follow(), limit_s)
            assert not plan, (plan, board.log)
        finally:
            await board.kill()
    return said


@contextlib.contextmanager
def patience(board: VirtualBoard) -> Iterator[Callable[[], None]]:
    """The board runs patient.py; what this gives is to be called once after each of the program's status lines."""
    size_kb, block_size = board.world["flash"]["size_kb"], board.block_size
    image.write_tree(board.image, {"/patient.py": PATIENT}, size_kb=size_kb, block_size=block_size)
    answers = board.workdir / "answers"
    answers.unlink(missing_ok=True)
    os.mkfifo(answers)
    board.world |= {"main": "patient", "answers": str(answers)}
    fifo = os.open(answers, os.O_RDWR)  # for reading as well: then opening it waits for nobody
    try:
        yield lambda: os.write(fifo, b"\n")
    finally:
        os.close(fifo)


def sessions(files: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """{session: {file name: content}} of what is on a flash, in order."""
    found: dict[str, dict[str, bytes]] = {}
    for name in sorted(files):
        parts = name.split("/")
        if name.startswith("/data/") and len(parts) > 4:
            found.setdefault(parts[3], {})[parts[-1]] = files[name]
    return found


def recording(seconds: float):
    """A condition: it records, for so long."""
    return lambda status: status["state"] == "recording" and status["seconds"] >= seconds


def state(name: str):
    """A condition: the board is in this state."""
    return lambda status: status["state"] == name
