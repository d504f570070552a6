"""The board's heap: `python -m host.bench_ram [CONFIG ...]`, default the example of the virtual board; docs/ram.md.

Measured on host/bare_board.py, whose heap holds the application alone, on the 64-bit MicroPython and, where
`deploy.py test --with-32bit` has put one, on a 32-bit one: its figures are those of a microcontroller.
"""

import asyncio
import copy
import json
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from host import bare_board, mistakes
from host.bare_board import BENCH, SlowServer
from host.board_files import ROOT, board_files
from host.check import check_file, sentence
from host.shrink import shrink
from host.virtual.compiler import architecture, compile_shrunk

EXAMPLES = ROOT / "config" / "examples"
EXAMPLE = EXAMPLES / "virtual.json"
SECONDS = 5


def purposes(config: dict, micropython: Path) -> dict:
    """-> {"table": [[purpose, bytes]], "boot": most in use while the configuration was checked}: the boot, step by step
    (tests/bench/ram.py), up to a recording. RuntimeError: what the board said instead.
    """
    program = compile_shrunk(shrink(board_files() | {"ram.py": BENCH / "ram.py"}), architecture(micropython))
    with tempfile.TemporaryDirectory(prefix="motelog-ram-") as work:
        files = {f"/{name}": content for name, content in program.items()}
        settings = _pointed(config, "http://127.0.0.1:1")
        said = asyncio.run(bare_board.run(settings, micropython, Path(work), main="ram", files=files))
    found = next(line for line in said.lines if "table" in line)
    return {"table": found["table"], "boot": found["boot"] - said.before}


def totals(config: dict, micropython: Path, romfs: bool = False) -> dict:
    """-> {"recording", "uploading" (None: it does not), "names"} in bytes: what the application has on the heap, its
    garbage collected, after start while it records (the median: now and then something dead looks alive to the
    collector), and at most while it ships to a server that takes its time, by HTTP without TLS; and how much of both
    are interned names. `romfs`: with its code in a read-only partition.
    """
    return asyncio.run(_totals(config, micropython, romfs))


async def _totals(config: dict, micropython: Path, romfs: bool) -> dict:
    with tempfile.TemporaryDirectory(prefix="motelog-ram-") as work:
        server = SlowServer()
        settings = _pointed(config, f"http://127.0.0.1:{await server.start()}")
        try:
            said = await bare_board.run(settings, micropython, Path(work), seconds=SECONDS, romfs=romfs)
        finally:
            server.stop()
    used: dict[bool, list[int]] = {True: [], False: []}
    for status in said.lines:
        if status.get("state") == "recording":
            ships = status.get("upload", {}).get("state") in ("connecting", "shipping")
            used[ships].append(status["heap_used"] - said.before)
    return {
        "recording": statistics.median_high(used[False]),
        "uploading": max(used[True], default=None),
        "names": said.names[1] - said.names[0],
    }


def _pointed(config: dict, url: str) -> dict:
    """The configuration as it can run here: it uploads to `url`, records at once and on, and not onto a card."""
    config = copy.deepcopy(config)
    if (config.get("upload") or {}).get("https"):
        config["upload"]["https"] = {"url": url}
    for window in config.get("schedule", {}).get("windows", ()):
        for key in ("record_s", "sleep_s"):
            window.pop(key, None)
    if config.get("storage", {}).get("card") is not None:
        config["storage"] |= {"card": None, "root": "/data"}
    return config


def interpreters() -> dict[str, Path]:
    """-> {"64-bit" or "32-bit": MicroPython of that width}, those that are here."""
    from tests.tools.micropython import WIDTHS, interpreter

    return {width: found for width in WIDTHS if (found := interpreter(width))}


def load(path: Path) -> dict:
    """-> a configuration file, parsed."""
    settings = json.loads(path.read_text())
    settings.pop("$schema", None)
    return settings


def heaps(path: Path = EXAMPLE) -> dict[str, dict]:
    """-> {width: `purposes` and `totals`} for a configuration file."""
    config = load(path)
    return {width: purposes(config, found) | totals(config, found) for width, found in interpreters().items()}


def table(found: dict[str, dict]) -> Table:
    """The purposes, and the totals; a column per width."""
    shown = Table(title="Bytes of heap that the application takes")
    shown.add_column("for")
    for width in found:
        shown.add_column(width, justify="right")
    for rows in zip(*(one["table"][1:] for one in found.values()), strict=True):
        shown.add_row(rows[0][0], *(str(n) for _, n in rows))
    shown.add_section()
    for key, what in TOTALS.items():
        shown.add_row(what, *("-" if one[key] is None else str(one[key]) for one in found.values()))
    return shown


TOTALS = {
    "recording": "in all, while it records",
    "names": "of it, names",
    "uploading": "in all, while it uploads (without TLS's own)",
    "boot": "in all, while the configuration is checked",
}
ROMFS = {"romfs": "while it records, code in ROMFS"}


def measure() -> dict:
    """`deploy.py bench ram`: the totals of each example, 32-bit where that MicroPython is here. RuntimeError."""
    width, micropython = list(interpreters().items())[-1]
    found = {}
    for path in sorted(EXAMPLES.glob("*.json")):
        if "secrets" not in path.name:
            config = load(path)
            found[path.stem] = totals(config, micropython) | {"boot": purposes(config, micropython)["boot"]}
            found[path.stem]["romfs"] = totals(config, micropython, romfs=True)["recording"]
    return {"width": width, "heap": found}


def show(found: dict) -> None:
    """Print what `measure` found."""
    shown = Table(title=f"Bytes of heap that the application takes, {found['width']}")
    columns = TOTALS | ROMFS
    for heading in ("configuration", *columns.values()):
        shown.add_column(heading, justify="left" if heading == "configuration" else "right")
    for name, one in found["heap"].items():
        shown.add_row(name, *("-" if one[key] is None else f"{one[key]:,}" for key in columns))
    Console().print(shown)


def main(names: list[str]) -> int:
    """0: measured; 1: a board did not record; 2: a file is at fault."""
    paths = [Path(name) for name in names] or [EXAMPLE]
    for path in paths:
        if errors := check_file(path)[1]:
            return mistakes.report("bench_ram", sentence(str(path), *errors[0]))
    for path in paths:
        try:
            Console().print(table(heaps(path)))
        except RuntimeError as error:
            print(f"bench_ram: {path}: the board said: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
