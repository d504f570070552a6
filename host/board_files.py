"""Which files of the repository run on a board, and under which names they stand on its flash. The one list of them."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("app", "config", "drivers", "storage", "transport")
LAPTOP_ONLY = {
    "config/board_model.py",
    "config/generate.py",
    "config/model.py",
    "config/model_base.py",
    "config/model_running.py",
    "config/reference.py",
}


def board_files(root: Path = ROOT) -> dict[str, Path]:
    """{name on the board, as "app/main.py": the source file}, sorted by name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if name not in LAPTOP_ONLY:
                found[name] = path
    return found


def code_sha256(files: dict[str, Path]) -> str:
    """One hash over names and contents: what session.json calls "code"."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name} {hashlib.sha256(files[name].read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
