"""A virtual board's console for tests: the board in a thread, mpremote's own transport as its client."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from mpremote.transport_serial import SerialTransport

from host.virtual import VirtualBoard
from host.virtual.console import Console

WORLD = {"clock": "real", "flash": {"size_kb": 1024}}


@contextlib.contextmanager
def powered(workdir: Path, micropython: Path | None = None, **world):
    """A Console that is being served; an empty board unless its image in `workdir` has something."""
    seen = bytearray()
    board = VirtualBoard(WORLD | world, workdir)
    board.micropython = micropython or board.micropython
    console = Console(board, echo=seen.extend)
    console.codes, console.seen = [], seen
    thread = threading.Thread(target=lambda: console.codes.append(console.run()))
    thread.start()
    try:
        yield console
    finally:
        console.end()
        thread.join(120)


@contextlib.contextmanager
def connected(console: Console, soft_reset: bool = True):
    """mpremote's transport, in the raw REPL."""
    transport = SerialTransport(console.port)
    try:
        transport.enter_raw_repl(soft_reset=soft_reset)
        yield transport
        transport.exit_raw_repl()
    finally:
        transport.close()


def mpremote(port: str, *words: str, cwd: Path) -> str:
    """What the unmodified program prints; a failure is an AssertionError with all of it."""
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *words],
        cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, env=os.environ,
    )
    assert done.returncode == 0, f"mpremote {json.dumps(words)}: {done.stdout}{done.stderr}"
    return done.stdout
