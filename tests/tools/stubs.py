"""Type stubs of real ports' firmware, and the question which names of our board-side code a port does not have.

The stubs come from the package index into the user's cache directory, checked by stubs.lock. mypy compares; what it
says about our own classes is left out, and so is every name that stands under a `try` for its absence.
"""

import ast
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tools.apt import Unavailable

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("stubs.lock")
PORTS = ("esp32", "rp2", "stm32")
HOW_TO_GET = "no stubs of the ports' firmware: `python3 deploy.py test --with-stubs` gets them"

_DOCUMENTED = "documented, not in the stubs"
_PIO = "PIO assembler, where the decorator gives the names; the driver is made on RP2 only"
ALLOWED = {  # {file: {what a port does not have, in mypy's words: why that is right}}
    "app/card.py": {
        'Cannot find implementation or library stub for module named "sdcard"': "its caller says what is missing",
    },
    "drivers/pdm_rp2.py": {
        'Cannot find implementation or library stub for module named "rp2"': "the driver is made on RP2 only",
        **{f'"DMA" has no attribute "{name}"': _DOCUMENTED for name in ("channel", "count", "registers")},
        **{f'Name "{name}" is not defined': _PIO for name in ("in_", "nop", "pins", "wrap", "wrap_target")},
    },
    "storage/bundle.py": {'"DeflateIO" has no attribute "write"': "`methods()` has tried it"},
    "transport/ble.py": {
        f'Cannot find implementation or library stub for module named "{name}"': "its caller says what is missing"
        for name in ("aioble", "bluetooth")
    },
    "transport/link.py": {'Module "asyncio" has no attribute "core"': "asyncio's own streams wait with it"},
    "transport/mqtt_connect.py": {
        'Cannot find implementation or library stub for module named "umqtt.simple"': "used once umqtt.robust is there",
        'Module has no attribute "socket"': "umqtt's own import, replaced",
    },
    "transport/endpoint.py": {'"SSLContext" has no attribute "verify_mode"': "documented, not in the stubs"},
}
_GUARDS = {"ImportError", "AttributeError", "NameError", "Exception"}
_CODES = {"attr-defined", "import-not-found", "call-arg", "call-overload", "name-defined"}
_LINE = re.compile(r"(?P<file>[\w/]+\.py):(?P<line>\d+): error: (?P<text>.*)  \[(?P<code>[\w-]+)\]")
_OWN_CLASS = re.compile(r'"(\w+)(?:\[.*\])?" has no attribute|Too many arguments for "(\w+)"')


def _folder(port: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    version = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]
    return Path(base) / "motelog" / f"stubs-{version}" / port


def find(port: str) -> Path | None:
    """The folder with a port's stubs, or None when `obtain()` has not been called."""
    return _folder(port) if _folder(port).exists() else None


def obtain() -> None:
    """Get the stubs of all ports that are not here yet. Raises Unavailable."""
    pins = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    for port in PORTS:
        if find(port):
            continue
        target = _folder(port)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="unfinished-") as made:
            wanted = Path(made) / "wanted.txt"
            wanted.write_text("\n".join(pin for pin in pins if f"-{port}-" in pin or "-stdlib-" in pin))
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
            command = [*pip, "--require-hashes", "-r", str(wanted), "--target", str(Path(made) / "stubs")]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
                raise Unavailable(f"the stubs of the port {port} cannot be had: {last}")
            try:
                (Path(made) / "stubs").rename(target)
            except OSError:  # another process was faster
                if not target.exists():
                    raise


def missing_names(folder: Path, files: list[Path]) -> dict[str, set[str]]:
    """{file: what it uses unguarded and the port does not have, in mypy's words}; ALLOWED is not left out."""
    names = [str(path.relative_to(ROOT)) for path in files]
    command = [
        sys.executable, "-m", "mypy", "--python-version", "3.11", "--custom-typeshed-dir", str(folder),
        "--no-site-packages", "--explicit-package-bases", "--no-incremental", "--check-untyped-defs",
        "--no-color-output", "--no-error-summary", "--hide-error-context", *names,
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"MYPYPATH": f"{folder}{os.pathsep}."}, capture_output=True, text=True,
    )
    assert done.returncode in (0, 1), f"mypy cannot work: {done.stdout}{done.stderr}"
    trees = {name: ast.parse((ROOT / name).read_text()) for name in names}
    own = {node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    missing: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        found = _LINE.fullmatch(line)
        if not found or found["code"] not in _CODES or found["file"] not in trees:
            continue
        said = _OWN_CLASS.search(found["text"])
        if said and (said[1] or said[2]) in own | {"object", "tuple"}:
            continue
        if not _guarded(trees[found["file"]], int(found["line"])):
            missing.setdefault(found["file"], set()).add(found["text"])
    return missing


def _guarded(tree: ast.Module, line: int) -> bool:
    """Does the line stand in a `try` (or its handlers) that provides for a name that is not there?"""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and node.lineno <= line <= node.end_lineno:
            caught = {name.id for handler in node.handlers for name in ast.walk(handler.type or handler)
                      if isinstance(name, ast.Name)}
            if caught & _GUARDS:
                return True
    return False
