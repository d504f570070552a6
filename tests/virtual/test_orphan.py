"""A virtual board whose laptop process was killed ends, whatever its program does."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mpremote.transport_serial import SerialTransport

from tests.tools.micropython import HOW_TO_GET, interpreter

ROOT = Path(__file__).parent.parent.parent
LAUNCH = """
import signal, sys, threading
from pathlib import Path
from tests.virtual.console_client import WORLD
from host.virtual import VirtualBoard
from host.virtual.console import Console
board = VirtualBoard(WORLD, sys.argv[1])
board.micropython = Path(sys.argv[2])
console = Console(board)
threading.Thread(target=console.run, daemon=True).start()
print(console.port, flush=True)
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux makes a terminal that was opened the controlling one")
@pytest.mark.parametrize("width", ("64-bit", "32-bit"))
@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import time\nwhile True: time.sleep_ms(50)",
        "import asyncio, select, sys\np = select.poll()\np.register(sys.stdin, 1)\nwhile True: p.poll(100)",
    ],
    ids=("busy", "sleeping", "listening"),
)
def test_a_board_ends_with_its_launcher(tmp_path, width, program):
    micropython = interpreter(width)
    if not micropython:
        pytest.skip(HOW_TO_GET[width])
    words = [sys.executable, "-c", LAUNCH, str(tmp_path), str(micropython)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        try:
            transport = SerialTransport(launcher.stdout.readline().strip())
            transport.enter_raw_repl()
            transport.exec_raw_no_follow("print('here')\n" + program)
            transport.read_until(1, b"here")
            board = _child(launcher.pid)
        finally:
            launcher.send_signal(signal.SIGKILL)
    with contextlib.suppress(OSError):
        transport.close()
    give_up = time.monotonic() + 60
    while _alive(board):
        if time.monotonic() > give_up:
            os.kill(board, signal.SIGKILL)
            pytest.fail("the board outlives its launcher")
        time.sleep(0.02)


def _child(pid: int) -> int:
    """The process that this one has started last."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return max(int(word) for task in tasks for word in task.read_text().split())


def _alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
