"""Makes pytest items of board-side test scripts (`mp_*.py`): every function `test_*` on every MicroPython found.

One process runs all wanted functions of one script (starting an interpreter costs more than most tests) and reports for
each; its current folder is an empty one of its own. A script may ask for another heap size with a top-level line such
as `HEAP = "384K"`.
"""

import ast
import json
import linecache
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter, run_micropython

RUNNER = Path(__file__).with_name("board_runner.py")
MARK = "\x1e"
TIMEOUT_S = 600  # for what hangs


class BoardTestError(Exception):
    """What the board-side test printed when it failed."""


class BoardScript(pytest.File):
    """One `mp_*.py` file."""

    def collect(self):
        try:
            body = ast.parse(self.path.read_text(encoding="utf-8")).body
        except SyntaxError as error:
            raise self.CollectError(f"{self.path}:{error.lineno}: {error.msg}") from None
        self.reports: dict[str, dict[str, dict]] = {}
        self.heap = "2M"
        for node in body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HEAP":
                if not isinstance(node.value, ast.Constant) or not isinstance(node.value.value, str):
                    raise self.CollectError(f'{self.path}:{node.lineno}: HEAP takes a text such as "384K"')
                self.heap = node.value.value
        functions = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        tests = {node.name: node for node in functions if node.name.startswith("test_")}
        if not tests:
            raise self.CollectError(f"{self.path}: a board-side test script without a function test_*")
        for name, node in tests.items():
            if isinstance(node, ast.AsyncFunctionDef):
                raise self.CollectError(f"{self.path}:{node.lineno}: call asyncio.run() in a plain function {name}")
        for width in WIDTHS:
            for name, node in tests.items():
                yield BoardTest.from_parent(self, name=f"{name}[{width}]", test=name, width=width, line=node.lineno)

    def report(self, width: str, test: str) -> dict:
        """The report of one test, given once. The first question runs all tests of this script that the session wants;
        a test that is asked for again runs again, alone.
        """
        if width not in self.reports:
            wanted = [i.test for i in self.session.items if i.parent is self and i.width == width]
            self.reports[width] = self._run(width, wanted)
        reports = self.reports[width]
        return reports.pop(test) if test in reports else self._run(width, [test])[test]

    def _run(self, width: str, tests: list[str]) -> dict[str, dict]:
        arguments = [str(self.path.parent), self.path.stem, *tests]
        python = interpreter(width)
        try:
            with tempfile.TemporaryDirectory() as cwd:
                done = run_micropython(
                    RUNNER, *arguments, interpreter=python, heap=self.heap, timeout_s=TIMEOUT_S, cwd=cwd
                )
            output, end = done.stdout, f"MicroPython ended with exit code {done.returncode}\n{done.stderr}"
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode(errors="replace")
            end = f"MicroPython did not end within {TIMEOUT_S} s"
        reports, printed = {}, []
        for line in output.split("\n"):  # splitlines() would split at the mark as well
            if line.startswith(MARK):
                report = json.loads(line[1:])
                reports[report["test"]] = report | {"printed": "\n".join(printed).strip("\n")}
                printed = []
            else:
                printed.append(line)
        missing = {"outcome": "failed", "text": "not reached: " + end, "printed": "\n".join(printed)}
        return {test: reports.get(test, missing) for test in tests}


class BoardTest(pytest.Item):
    """One function of a script on one interpreter."""

    def __init__(self, *, test: str, width: str, line: int, **keywords):
        super().__init__(**keywords)
        self.test, self.width, self.line = test, width, line

    def runtest(self):
        if not interpreter(self.width):
            pytest.skip(HOW_TO_GET[self.width])
        report = self.parent.report(self.width, self.test)
        if report["printed"]:
            self.add_report_section("call", "stdout", report["printed"])
        if report["outcome"] == "skipped":
            pytest.skip(report["text"])
        if report["outcome"] == "failed":
            raise BoardTestError(with_source_lines(report["text"]))

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, BoardTestError):
            text = str(excinfo.value)
            return f"{text.splitlines()[-1]}\n\n{text}"  # the summary shows the first line
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, self.line - 1, self.name


def with_source_lines(trace: str) -> str:
    """MicroPython's traceback with the source under each entry, as CPython shows it."""
    out = []
    for line in trace.rstrip().splitlines():
        out.append(line)
        if entry := re.match(r'  File "(.+)", line (\d+)', line):
            source = linecache.getline(entry[1], int(entry[2])).strip()
            out.extend([f"    {source}"] if source else [])
    return "\n".join(out)
