"""How large our code is: on flash, and in RAM the modules that a configuration makes the board import."""

import ast
from functools import cache
from pathlib import Path

from config.board_model import Board
from host.board_code import board_code
from host.board_files import board_files


def compiled(arch: str | None) -> dict[str, int]:
    """{"app.main": bytes of its .mpy} for mpy-cross's -march (None: no native code)."""
    return {_module(name): len(content) for name, content in board_code(arch).files.items()}


def flash_bytes(board: Board) -> int:
    """What the whole code takes of the board's file system, in blocks; 0 where it has a partition of its own."""
    sizes = compiled(board.firmware.mpy_arch).values()
    if board.firmware.romfs_kb and sum(sizes) <= board.firmware.romfs_kb * 1024:
        return 0
    return sum(-(-size // 4096) * 4096 for size in sizes)


def modules(config: dict) -> set[str]:
    """The modules that stay loaded while this configuration records."""
    roots = {"app.main", "app.stream", "app.clock", "app.ring", "app.uploads", "storage.spool"}
    roots |= {"drivers." + stream["driver"] for stream in config["streams"].values()}
    upload = config["upload"] or {}
    for way, needed in _WAYS.items():
        if upload.get(way):
            roots |= needed
    if upload.get("bundle"):
        roots |= {"storage.bundled"}
    if config["storage"]["card"]:
        roots |= {"storage.card"}
    if has_times(config):
        roots |= {"app.schedule", "app.policy", "app.guard"}
    if config["schedule"].get("sleep", "none") != "none":
        roots |= {"app.power"}
    trigger = config["schedule"].get("trigger") or {}
    if trigger.get("kind") == "motion":
        driver = config["streams"][trigger["stream"]]["driver"]
        roots |= {"app.motion", f"drivers.{_WAKES.get(driver, driver)}_wake"}
    elif trigger:
        roots |= {"app.trigger"}
    return imported(frozenset(roots))


_WAKES = {"ism330dhcx": "lsm6dsox", "lis2dh12": "lis3dh", "lsm6dso32": "lsm6dsox"}  # as in app/motion.py
_WAYS = {
    "https": {"transport.https", "transport.puts", "transport.shipper", "transport.backoff", "storage.reading"},
    "mqtt": {"transport.mqtt", "transport.shipper", "transport.backoff", "storage.reading"},
    "ble": {"transport.ble", "transport.smp_device", "storage.reading"},
}


@cache
def imported(roots: frozenset[str]) -> set[str]:
    """`roots` and all of ours that they import when they are imported."""
    sources = {_module(name): path for name, path in board_files().items()}
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in sources and name not in found:
            found.add(name)
            waiting += _imports(name, sources[name])
    return found


def _imports(module: str, path: Path) -> list[str]:
    """What stands at the top of a module; what functions import comes when it is needed and is forgotten again."""
    package = module.rpartition(".")[0]
    names = []
    for statement in ast.parse(path.read_text()).body:
        for node in statement.body if isinstance(statement, ast.Try) else [statement]:
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                start = ".".join(part for part in (package if node.level else "", node.module or "") if part)
                names += [start, *(f"{start}.{alias.name}" for alias in node.names)]
    return names


def has_times(config: dict) -> bool:
    """Whether the schedule says more than how long: then its code is loaded."""
    return any(config["schedule"].get(key) for key in ("windows", "active", "trigger"))


def _module(name: str) -> str:
    return name.rpartition(".")[0].replace("/", ".")
