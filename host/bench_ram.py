"""The board's heap by purpose: `python -m host.bench_ram [CONFIG]`, default the example of the virtual board.

Runs tests/bench/ram.py on a virtual board, on the 64-bit MicroPython and, where `deploy.py test --with-32bit` has put
one, on a 32-bit one. The latter's figures are those of a microcontroller, but for what its firmware takes itself.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

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
        secrets = {"wifi": dict.fromkeys(config.get("network", {}).get("wifi", []))}
        board.install(config=config, secrets=secrets, files=_program(board.micropython) | {"/ca.der": ca})
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


def heaps(config: Path = EXAMPLE) -> dict[str, dict]:
    """-> {width: what heap() says} for a configuration file."""
    settings = json.loads(config.read_text())
    settings.pop("$schema", None)
    return {width: heap(settings, micropython) for width, micropython in interpreters().items()}


def table(found: dict[str, dict]) -> Table:
    """The purposes, what is left free, and the peak while the configuration was checked; a column per width."""
    shown = Table(title="Bytes of heap on a virtual board")
    shown.add_column("for")
    for width in found:
        shown.add_column(width, justify="right")
    for rows in zip(*(one["table"] for one in found.values()), strict=True):
        shown.add_row(rows[0][0], *(str(n) for _, n in rows))
    shown.add_section()
    shown.add_row("free", *(str(one["heap"] - sum(n for _, n in one["table"])) for one in found.values()))
    shown.add_row("in use at boot, configuration checked", *(str(one["boot"]) for one in found.values()))
    return shown


if __name__ == "__main__":
    Console().print(table(heaps(*map(Path, sys.argv[1:]))))
