"""The board's code as push rewrites it: same lines, same behaviour, fewer names."""

import ast
import re
import subprocess

import pytest

from host.board_files import board_files
from host.shrink import shrink
from host.virtual.compiler import compile_shrunk
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter

BASE = """
class Base:
    def __init__(self, buffer, stop=None):
        self._first = buffer
        self._second = 1
        self._hidden = 11

    def hidden(self):
        return self._hidden

    def _grow(self, by):
        self._second += by
        return self._second
"""
OTHER = '''
"""Uses what base.py makes."""

from storage.base import LIMIT, NAME, Base
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
            return self._first, self._second, self._third, _twice(number, times=3), getattr(self, "_named"), _LARGE
        finally:
            self._second = 0
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
    code = "from storage.other import Child; print(Child(5).run(1, 4), Child([3]).run(2, 0), Child(0).hidden())"
    done = subprocess.run([micropython, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True)
    large = 1 << 40
    expected = (5, 5, "imu--8--16", 12, 7, large), ([3], 1, "imu--8--16", (2, 0) * 3, 7, large)
    assert done.stdout.strip() == f"{expected[0]} {expected[1]} 11", done.stderr


def test_names_that_go_and_names_that_stay(made):
    other = made["storage/other.py"]
    for gone in ("_first", "_second", "_third", "_grow", "_twice", "_HALF", "LIMIT", "NAME", "__all__", "buffer"):
        assert not re.search(rf"\b{gone}\b", other), gone
    for kept in ("_named", "times", "Child", "run", "super"):
        assert re.search(rf"\b{kept}\b", other), kept


def test_members_of_a_class_and_its_base_stay_apart(made):
    members = set()
    for text in made.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                members.add(node.attr)
    assert len(members) == 5, members


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


def test_public_names_stay(board_texts):
    for name, path in board_files().items():
        functions = [
            {node.name for node in ast.walk(ast.parse(text))
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_"}
            for text in (path.read_text(), board_texts[name])
        ]  # fmt: skip
        assert functions[0] == functions[1], name


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
