"""Which MicroPython interpreters are here, and how to run a piece of board-side code on one.

Two are used: the 64-bit Unix port that the lock file installs beside this Python, and a 32-bit one (small ints end at
2^30-1 there, as on a board) when `tests/tools/micropython32.py` has put it into the user's cache directory.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.tools import micropython32

ROOT = Path(__file__).resolve().parents[2]
SEARCH_PATH = os.pathsep.join([str(ROOT), str(ROOT / "tests"), ".frozen"])
WIDTHS = ("64-bit", "32-bit")
HOW_TO_GET = {
    "64-bit": "no 64-bit MicroPython beside this Python: install requirements.lock (there is none for Windows)",
    "32-bit": "no 32-bit MicroPython: on amd64 Debian or Ubuntu, `python3 deploy.py test --with-32bit` gets it",
}


def interpreter(width: str) -> Path | None:
    """The executable of that width ("64-bit" or "32-bit"), or None; HOW_TO_GET says what to do then."""
    if width == "32-bit":
        return micropython32.find()
    beside = Path(sys.executable).with_name("micropython")  # not resolved: a venv's python is a symbolic link out of it
    found = beside if beside.exists() else shutil.which("micropython")
    return Path(found) if found else None


def run_micropython(
    code: str | Path, *args: str, interpreter: str | Path, heap: str = "2M", timeout_s: float = 300,
    env: dict[str, str] | None = None, cwd: str | Path | None = None, check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run source text (str) or a script (Path) with `args` in its sys.argv; stdout and stderr come back as text.

    The repository root and `tests/` are on its sys.path. `env` is added to the environment. With `check`, an exit code
    other than 0 raises AssertionError with everything that was printed. TimeoutExpired after `timeout_s`.
    """
    what = [str(code)] if isinstance(code, Path) else ["-c", code]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [str(interpreter), "-X", f"heapsize={heap}", *what, *args],
            env=os.environ | {"MICROPYPATH": SEARCH_PATH} | (env or {}), cwd=cwd or ROOT, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
        )
        give_up = time.monotonic() + timeout_s
        try:
            while process.poll() is None:  # its pipes would be open as long as anything lives that it has started
                if time.monotonic() > give_up:
                    raise subprocess.TimeoutExpired(process.args, timeout_s, _written(out).encode())
                time.sleep(0.005)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it has started, too
            process.wait()
        done = subprocess.CompletedProcess(process.args, process.returncode, _written(out), _written(err))
    if check and done.returncode:
        raise AssertionError(f"MicroPython ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def _written(file) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
