"""The virtual environment `.venv`, made from requirements.lock on first use. Standard library only.

It is complete when its stamp says from which lock, for which Python and in which folder it was made; the stamp is
written last, so an interrupted creation is done again. `python3 -m host.environment` makes it and prints its Python.
"""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / "motelog-stamp"
POLL_S = 0.2


class Failed(Exception):
    """Why .venv could not be made: one sentence, then what the failing program said."""


def is_active() -> bool:
    """Is this process's Python the one of .venv?"""
    return Path(sys.prefix).resolve() == VENV.resolve()


def ensure() -> Path:
    """The Python of a complete .venv; makes it first if need be, with progress on standard error. Raises Failed."""
    try:
        if not _is_complete():
            with _only_one_process():
                if not _is_complete():
                    _make()
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        raise Failed(f"could not make {VENV}: {reason}; --system-python does without") from error
    return _python()


def run_again(python: Path, argv: list[str]) -> int:
    """Start deploy.py with that Python instead of this one; does not return where the system can replace a process."""
    command = [str(python), str(ROOT / "deploy.py"), *argv]
    if os.name == "nt":
        return subprocess.call(command)
    sys.stdout.flush()
    os.execv(command[0], command)


def _python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _expected_stamp() -> str:
    made_of = [LOCK.read_text(), f"{sys.version_info.major}.{sys.version_info.minor}", sys.base_prefix, str(VENV)]
    return hashlib.sha256("\0".join(made_of).encode()).hexdigest()


def _is_complete() -> bool:
    return _python().exists() and STAMP.exists() and STAMP.read_text() == _expected_stamp()


@contextlib.contextmanager
def _only_one_process():
    """Wait until no other process makes .venv."""
    with open(ROOT / ".venv.lock", "w") as lock:
        if os.name == "nt":
            import msvcrt

            while True:
                with contextlib.suppress(OSError):
                    msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"Waiting for another deploy.py, which makes {VENV}", file=sys.stderr, flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make() -> None:
    """Create the environment from nothing; the stamp comes last."""
    started = time.monotonic()
    packages = len(re.findall(r"^[\w.-]+==", LOCK.read_text(), re.M))
    show = Progress(packages)
    show("creating it", 0)
    STAMP.unlink(missing_ok=True)
    log = VENV.with_name(".venv.log")
    with log.open("w+") as output:
        _wait(output, [sys.executable, "-m", "venv", "--clear", str(VENV)], lambda: None)
        install = [str(_python()), "-m", "pip", "install", "--require-hashes", "--progress-bar", "off", "-r", str(LOCK)]
        _wait(output, install, lambda: show(*_pip_state(log.read_text(), packages)))
    STAMP.write_text(_expected_stamp())
    log.unlink()
    show.end(f"made in {time.monotonic() - started:.0f} s")


def _pip_state(log: str, packages: int) -> tuple[str, float]:
    """What pip does, and how much of it is done (0..1): half for collecting, half for installing."""
    collected = re.findall(r"^Collecting ([\w.-]+)", log, re.M)
    installed = len(list(VENV.glob("[Ll]ib/**/site-packages/*.dist-info")))
    if "Installing collected packages" in log:
        return "installing", min(1.0, 0.5 + installed / packages / 2)
    return f"collecting {collected[-1]}" if collected else "collecting", len(collected) / packages / 2


def _wait(output, command: list[str], poll) -> None:
    """Run a command with its output in a file; call `poll` meanwhile. Raises Failed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT,
        start_new_session=True,
    ) as process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
                    break
                poll()
        except BaseException:  # Ctrl-C: what goes on writing would spoil the next creation
            _end(process)
            raise
    if process.returncode:
        output.seek(0)
        told = "\n".join(output.read().strip().splitlines()[-12:])
        raise Failed(f"could not make {VENV}: `{' '.join(command[1:4])}` ended with {process.returncode}\n{told}")


def _end(process: subprocess.Popen) -> None:
    """At once, with all that it has started."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Progress:
    """One live line on a terminal, a line per quarter elsewhere; always on standard error."""

    def __init__(self, packages: int):
        self.live = sys.stderr.isatty()
        self.told = -1
        print(f"First use: making {VENV} with {packages} packages from requirements.lock", file=sys.stderr, flush=True)

    def __call__(self, text: str, part: float) -> None:
        if self.live:
            print(f"\r\033[K{part:4.0%} {text}", end="", file=sys.stderr, flush=True)
        elif int(part * 4) > self.told:
            self.told = int(part * 4)
            print(f"{part:4.0%} {text}", file=sys.stderr, flush=True)

    def end(self, text: str) -> None:
        print(f"\r\033[K100% {text}" if self.live else f"100% {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(ensure())
    except Failed as reason:
        sys.exit(str(reason))
