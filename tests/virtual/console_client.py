"""A virtual board's console for tests: the board in a thread, mpremote's own transport as its client."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mpremote.transport_serial import SerialTransport

from host.virtual import VirtualBoard
from host.virtual.board import HEAP_KB
from host.virtual.console import Console

WORLD = {"clock": "real", "flash": {"size_kb": 1024}}


def until(condition: Callable[[], object], what: object) -> None:
    """Wait for what another thread or process is about to do; `what` (text, or a function that makes it) is told when
    that never comes.
    """
    give_up = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up, what() if callable(what) else what
        time.sleep(0.01)


def be_patient(monkeypatch) -> None:
    """What the laptop's side takes for a board that is gone, or will not, may be one that waits for its turn."""
    monkeypatch.setattr("host.push.install.START_S", 120)
    monkeypatch.setattr("host.push.wire.INTERRUPT_S", 120)
    monkeypatch.setattr("host.push.wire.QUIET_S", 120)
    monkeypatch.setattr("host.monitor.SILENT_S", 120)


@contextlib.contextmanager
def powered(workdir: Path, micropython: Path | None = None, heap_kb: int = HEAP_KB, **world):
    """A Console that is being served, by a board that has said its first words; an empty one unless its image in
    `workdir` has something.
    """
    seen = bytearray()
    board = VirtualBoard(WORLD | world, workdir, heap_kb)
    board.micropython = micropython or board.micropython
    console = Console(board, echo=seen.extend)
    console.codes, console.seen = [], seen
    thread = threading.Thread(target=lambda: console.codes.append(console.run()))
    thread.start()
    try:
        until(lambda: seen or not thread.is_alive(), "the board says nothing")
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
