"""The layers of docs/architecture.md are contracts in pyproject.toml: they hold, and each breaks when it should."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "config": set(),
    "drivers": set(),
    "storage": set(),
    "transport": set(),
    "app": {"config", "drivers", "storage", "transport"},
    "host": {"config", "storage"},
}
PURE_STORAGE = {"npy", "stream", "wave", "wavfmt"}  # format code without a file system: the laptop may use it
FORBIDDEN = [(a, b) for a in MAY_IMPORT for b in MAY_IMPORT if a != b and b not in MAY_IMPORT[a]]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path):
    """Empty packages under the contracts of this repository."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in MAY_IMPORT:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    for path in (ROOT / "storage").glob("*.py"):
        (tmp_path / "storage" / path.name).touch()
    return tmp_path


def test_this_repository_keeps_the_contracts():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken." in done.stdout


def test_every_package_at_the_root_is_under_contract():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(MAY_IMPORT)
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert set(configured["root_packages"]) == packages


def test_what_may_be_imported_may_be_imported(tree):
    for name, targets in MAY_IMPORT.items():
        (tree / name / "part.py").write_text("".join(f"import {target}\n" for target in targets))
    done = lint(tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("source", "target"), FORBIDDEN)
def test_what_may_not_be_imported_breaks_a_contract(tree, source, target):
    (tree / target / "part.py").touch()
    (tree / source / "part.py").write_text(f"from {target} import part\n")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{source}.part -> {target}.part" in done.stdout


def test_the_laptop_may_use_pure_format_code(tree):
    (tree / "host" / "part.py").write_text("".join(f"from storage import {name}\n" for name in PURE_STORAGE))
    done = lint(tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted({path.stem for path in (ROOT / "storage").glob("[a-z]*.py")} - PURE_STORAGE))
def test_the_laptop_may_not_use_what_touches_flash(tree, name):
    (tree / "host" / "part.py").write_text(f"from storage.{name} import something\n")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"host.part -> storage.{name}" in done.stdout
