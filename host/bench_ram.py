"""The board's heap by purpose: `python -m host.bench_ram [CONFIG]`, default the example of the virtual board.

Runs tests/bench/ram.py on a virtual board, on the 64-bit MicroPython and, where `deploy.py test --with-32bit` has put
one, on a 32-bit one. The latter's figures are those of a microcontroller, but for what its firmware takes itself.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from host import certs
from host.board_files import ROOT
from host.virtual import VirtualBoard
from host.virtual.compiler import compile_files
from host.virtual.world import world_for

PROGRAM = ROOT / "tests" / "bench" / "ram.py"
EXAMPLE = ROOT / "config" / "examples" / "virtual.json"
HEAP_KB = 384


def heap(config: dict, micropython: Path | None = None) -> dict:
    """-> {"heap": its size, "table": [[purpose, bytes]], "boot": most in use at boot}.

    RuntimeError: what the board said instead.
    """
    return asyncio.run(_heap(config, micropython))


async def _heap(config: dict, micropython: Path | None) -> dict:
    world = world_for(config, clock="virtual") | {"main": "ram"}
    with tempfile.TemporaryDirectory(prefix="motelog-ram-") as work:
        board = VirtualBoard(world, work, heap_kb=HEAP_KB)
        board.micropython = micropython or board.micropython
        ca = certs.make(Path(work) / "certs", ["localhost"]).ca_der()
        board.install(config=config, files=_program(board.micropython) | {"/ca.der": ca})
        await board.start()
        code = await board.wait()
    if code or "table" not in board.status:
        raise RuntimeError("\n".join(board.log))
    return board.status


def _program(micropython: Path) -> dict[str, bytes]:
    return {f"/{name}": content for name, content in compile_files({"ram.py": PROGRAM}, micropython).items()}


def interpreters() -> dict[str, Path]:
    """-> {"64-bit" or "32-bit": MicroPython of that width}, those that are here."""
    from tests.tools.micropython import WIDTHS, interpreter

    return {width: found for width in WIDTHS if (found := interpreter(width))}


def main(config: str = str(EXAMPLE)) -> None:
    settings = json.loads(Path(config).read_text())
    found = [heap(settings, micropython) for micropython in interpreters().values()]
    lines = [[row[0][0], *(bytes_ for _, bytes_ in row)] for row in zip(*(one["table"] for one in found), strict=True)]
    used = [sum(n for _, n in one["table"]) for one in found]
    lines += [["in use", *used], ["free", *(one["heap"] - n for one, n in zip(found, used, strict=True))]]
    lines.append(["at boot, configuration checked", *(one["boot"] for one in found)])
    print(f"{'bytes of heap':40}", *(f"{width:>9}" for width in interpreters()))
    for what, *numbers in lines:
        print(f"{what:40}", *(f"{n:9}" for n in numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
