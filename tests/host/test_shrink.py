"""The board's code as push rewrites it: same lines, same behaviour, fewer names."""

import ast
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from host.board_files import board_files
from host.shrink import shrink
from host.shrink.names import rename
from host.shrink.trees import identifiers
from host.virtual.compiler import compile_shrunk
from tests.tools import stubs
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter

BASE = """
class Base:
    def __init__(self, buffer, stop=None):
        self._first = buffer
        self._second = 1
        self._hidden = 11
        self.given = None

    def hidden(self):
        return self._hidden

    def _grow(self, by):
        self._second += by
        return self._second

    def first_result(self):
        return self._first

    @property
    def second_result(self):
        return self._second


class Alarm(OSError):
    def __init__(self, text):
        super().__init__(text)
        self.message = text

    def describe(self):
        return type(self).__name__ + " " + self.message


def ring(thing):
    thing.given = 3
    raise Alarm("rings")
"""
OTHER = '''
"""Uses what base.py makes."""

import uctypes
from time import ticks_ms

from storage.base import LIMIT, NAME, Alarm, Base, ring
from storage import base

_HALF = LIMIT >> 1
_LARGE = 1 << 40
__all__ = ("Child",)


def _twice(value, times=2):
    value = value * times
    return [value for _ in range(1)][0]


class Child(Base):
    def __init__(self, buffer):
        super().__init__(buffer)
        self._third = f"{NAME}-{_HALF}-{base.LIMIT}"
        self._named = 7

    def run(self, buffer, number):
        """Does it."""
        if number:
            self._grow(number)
        elif buffer:
            number = (
                buffer,
                number,
            )
        try:
            results = self.first_result(), self.second_result, self.hidden()
            return results, self._third, _twice(number, times=3), getattr(self, "_named"), _LARGE
        finally:
            self._second = 0

    def ticks_ms(self):
        return ticks_ms is not None

    def drain(self):
        try:
            ring(self)
        except Alarm as error:
            return error.describe(), self.given, self.ticks_ms()
'''


@pytest.fixture
def made(tmp_path):
    """Two modules of a board, shrunk. -> {name: text}"""
    texts = {"storage/base.py": "LIMIT = -(1 << 4)\nNAME = 'imu'\n" + BASE, "storage/other.py": OTHER}
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return shrink({name: tmp_path / name for name in texts})


@pytest.mark.parametrize("width", WIDTHS)
def test_behaviour(made, tmp_path, width):
    micropython = interpreter(width)
    if not micropython:
        pytest.skip(HOW_TO_GET[width])
    for name, text in made.items():
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    code = "from storage.other import Child; print(Child(5).run(1, 4), Child([3]).run(2, 0), Child(0).drain())"
    done = subprocess.run([micropython, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True)
    large = 1 << 40
    expected = ((5, 5, 11), "imu--8--16", 12, 7, large), (([3], 1, 11), "imu--8--16", (2, 0) * 3, 7, large)
    rings = ("Alarm rings", 3, True)
    assert done.stdout.strip() == f"{expected[0]} {expected[1]} {rings}", done.stderr


def test_names_that_go_and_names_that_stay(made):
    other = made["storage/other.py"]
    for gone in ("_first", "_second", "_third", "_grow", "_twice", "_HALF", "LIMIT", "NAME", "__all__", "buffer"):
        assert not re.search(rf"\b{gone}\b", other), gone
    for gone in ("Base", "hidden", "first_result", "second_result", "ring"):
        assert not re.search(rf"\b{gone}\b", other), gone
    for kept in ("_named", "times", "Child", "run", "super", "uctypes", "ticks_ms", "Alarm", "drain", "base"):
        assert re.search(rf"\b{kept}\b", other), kept


def test_members_of_a_class_and_its_base_stay_apart(made):
    members = set()
    for text in made.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                members.add(node.attr)
    assert len(members) == 7, members


def _places(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, kind) of every statement that says something on a board."""
    return [
        (node.lineno, type(node).__name__)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and not isinstance(node, ast.Pass)
    ]


@pytest.fixture(scope="module")
def board_texts() -> dict[str, str]:
    return shrink(board_files())


def test_every_statement_keeps_its_line(board_texts):
    for name, path in board_files().items():
        before = _places(ast.parse(path.read_text()))
        after = _places(ast.parse(board_texts[name]))
        assert set(after) <= set(before), (name, sorted(set(after) - set(before)))


def _members(trees: Iterable[ast.Module]) -> set[str]:
    return {name for tree in trees for name in identifiers(list(ast.walk(tree)), ("attr", "name")) if name[0] != "_"}


def _definitions(stub: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(stub.read_text())):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]):
                found.add(name)
    return found


def test_what_firmware_may_mean_keeps_its_name():
    trees = {name: ast.parse(path.read_text()) for name, path in board_files().items()}
    before = _members(trees.values())
    rename(trees, [])
    gone = before - _members(trees.values())
    assert len(gone) > 300
    folders = [stubs.find(port) for port in stubs.PORTS]
    if not all(folders):
        pytest.skip(stubs.HOW_TO_GET)
    foreign = set().union(*(_definitions(path) for folder in folders for path in folder.rglob("*.pyi")))
    assert gone.isdisjoint(foreign), f"{sorted(gone & foreign)} belong into host/shrink/members.py, FOREIGN"


def test_the_whole_code_compiles(board_texts):
    compiled = compile_shrunk(board_texts, "xtensawin")
    assert len(compiled) == len(board_files())
    names = b"".join(compiled.values())
    assert b"_fill_pending" not in names and b"_gyro" not in names


def test_tracebacks_name_file_and_line(tmp_path):
    micropython = interpreter("64-bit")
    if not micropython:
        pytest.skip(HOW_TO_GET["64-bit"])
    source = tmp_path / "app" / "thing.py"
    source.parent.mkdir()
    source.write_text(
        '"""Words."""\n\n\ndef go(\n    x,\n):\n    return _deep(x)\n\n\ndef _deep(x):\n    return 1 // x\n'
    )
    ((name, content),) = compile_shrunk(shrink({"app/thing.py": source}), None).items()
    (tmp_path / "out" / "app").mkdir(parents=True)
    (tmp_path / "out" / name).write_bytes(content)
    done = subprocess.run(
        [micropython, "-c", "from app.thing import go; go(0)"], cwd=tmp_path / "out", capture_output=True, text=True
    )
    assert 'File "app.thing", line 7, in go' in done.stdout + done.stderr
    assert 'File "app.thing", line 11, in ' in done.stdout + done.stderr
