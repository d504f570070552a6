"""One MicroPython process that answers many questions: for property tests, where a start per case costs too much."""

import json
import os
import subprocess
from pathlib import Path

from tests.tools.micropython import ROOT, SEARCH_PATH

SCRIPT = Path(__file__).with_name("board_worker.py")


class BoardWorker:
    """Asks `handle(value)` of a board-side module; values and answers are JSON. A context manager."""

    def __init__(self, module: Path, interpreter: str | Path, *, heap: str = "2M", path: tuple[Path, ...] = ()):
        """`path`: folders put in front of MicroPython's search path."""
        self._command = [str(interpreter), "-X", f"heapsize={heap}", str(SCRIPT), str(module.parent), module.stem]
        self._search = os.pathsep.join([*map(str, path), SEARCH_PATH])
        self._process = None

    def ask(self, value):
        """The answer; AssertionError with what MicroPython printed if it failed (the next question starts it again)."""
        if not self._process:
            self._process = subprocess.Popen(
                self._command, env=os.environ | {"MICROPYPATH": self._search}, cwd=ROOT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            )
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        try:
            return json.loads(line)
        except ValueError:
            raise AssertionError("MicroPython failed:\n" + line + self._end()) from None

    def _end(self) -> str:
        """End the process; what it had still to say."""
        said, _ = self._process.communicate(timeout=60)
        self._process = None
        return said

    def __enter__(self):
        return self

    def __exit__(self, *args):
        if self._process:
            self._end()
