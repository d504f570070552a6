"""The virtual board's console: what the real mpremote does on it, and the bytes of its protocol."""

import hashlib
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import serial
from mpremote.transport import TransportExecError

from host.virtual import VirtualBoard
from host.virtual.console import Console, _activity
from tests.virtual.console_client import WORLD, connected, mpremote, powered, until


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    with powered(tmp_path_factory.mktemp("board")) as made:
        yield made


def test_mpremote_copies_lists_hashes_and_removes(console, tmp_path):
    data = os.urandom(5000)
    (tmp_path / "data.bin").write_bytes(data)
    mpremote(console.port, "fs", "cp", "data.bin", ":copied.bin", cwd=tmp_path)
    assert "5000 copied.bin" in mpremote(console.port, "fs", "ls", cwd=tmp_path)
    assert hashlib.sha256(data).hexdigest() in mpremote(console.port, "fs", "sha256sum", ":copied.bin", cwd=tmp_path)
    mpremote(console.port, "fs", "cp", ":copied.bin", "back.bin", cwd=tmp_path)
    assert (tmp_path / "back.bin").read_bytes() == data
    mpremote(console.port, "fs", "rm", ":copied.bin", cwd=tmp_path)
    assert "copied" not in mpremote(console.port, "fs", "ls", cwd=tmp_path)


def test_mpremote_runs_mounts_and_installs(console, tmp_path):
    (tmp_path / "hello.py").write_text("print('hello', 6 * 7)\n")
    (tmp_path / "bytes.bin").write_bytes(bytes(range(256)))  # with 3, which must not interrupt
    (tmp_path / "package.json").write_text('{"urls": [["part/hello.py", "hello.py"]], "version": "1"}')
    assert mpremote(console.port, "run", "hello.py", cwd=tmp_path) == "hello 42\n"
    code = "print(open('/remote/bytes.bin', 'rb').read() == bytes(range(256))); import hello"
    assert mpremote(console.port, "mount", ".", "exec", code, cwd=tmp_path).endswith("True\nhello 42\n")
    mpremote(console.port, "mip", "install", f"{tmp_path}/package.json", cwd=tmp_path)
    assert "hello 42" in mpremote(console.port, "exec", "import part.hello", cwd=tmp_path)
    mpremote(console.port, "soft-reset", cwd=tmp_path)
    mpremote(console.port, "reset", cwd=tmp_path)
    assert mpremote(console.port, "eval", "2 + 3", cwd=tmp_path).strip() == "5"


def test_an_exception_is_shown_without_the_repl(console):
    with connected(console) as board, pytest.raises(TransportExecError) as raised:
        board.exec("1/0")
    trace = raised.value.error_output
    assert "ZeroDivisionError" in trace and '"<stdin>", line 1' in trace and "repl.py" not in trace


def test_a_soft_reset_forgets_and_keeps_the_files(console):
    with connected(console) as board:
        board.exec("x = 1")
        board.fs_writefile("/kept", b"here")
        assert board.eval("x") == 1
    with connected(console) as board:
        assert board.eval("open('/kept').read()") == "here"
        with pytest.raises(TransportExecError, match="NameError"):
            board.exec("x")


def test_the_clock_that_was_set_outlives_a_reset(console):
    with connected(console) as board:
        board.exec("import machine; machine.RTC().datetime((2031, 5, 6, 0, 7, 8, 9, 0))")
    with connected(console) as board:
        then = board.eval("__import__('time').gmtime()[:6]")
    assert (2031, 5, 6, 7, 8, 9) <= then < (2031, 5, 6, 8), "seconds later, minutes on a busy machine"


def test_a_busy_loop_is_interrupted(console):
    with connected(console) as board:
        board.exec_raw_no_follow("print('busy')\nwhile True:\n    pass")
        _until(board.serial, b"busy\r\n")
    with connected(console) as board:
        assert board.eval("1 + 1") == 2


def test_bug_an_interrupt_in_a_collection_was_the_end_of_the_board(console):
    """The Unix port's heap is locked from then on; as a real board has none of that, a reset is the least evil."""
    with connected(console) as board:
        board.exec_raw_no_follow("import gc\nprint('busy')\nwhile True:\n    gc.collect()")
        _until(board.serial, b"busy\r\n")
    with connected(console) as board:
        assert board.eval("1 + 1") == 2


def test_a_board_that_has_not_had_its_turn_since_an_interrupt_gets_no_second_one(tmp_path, monkeypatch):
    """On a busy laptop that is long: MicroPython ends when a second one comes before it has taken the first."""
    sent = []
    board = SimpleNamespace(pid=1, send_signal=sent.append)
    made = Console(VirtualBoard(WORLD, tmp_path))
    made._last_interrupt, made._ran_ns = time.monotonic(), 5_000_000

    def due(ran_ns, waits):
        monkeypatch.setattr("host.virtual.console._activity", lambda pid: (ran_ns, waits))
        made._interrupt_due = time.monotonic()
        made._signal_if_due(board)
        return len(sent), made._interrupt_due is None

    assert due(6_000_000, False) == (0, False), "it is put off"
    assert due(26_000_000, False) == (1, True)
    assert due(27_000_000, False) == (1, False)
    assert due(27_000_000, True) == (2, True), "it waits for something, so it has taken the first"
    assert due(None, False) == (3, True), "not Linux"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_whether_a_process_runs_or_waits():
    busy = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(["sleep", "60"]) as waits, subprocess.Popen(busy) as runs:
        try:
            until(lambda: _activity(waits.pid)[1] and (_activity(runs.pid)[0] or 0) > 10**8, "no turn")
            assert not _activity(runs.pid)[1] and _activity(waits.pid)[0] < 10**8
        finally:
            waits.kill()
            runs.kill()
    assert _activity(runs.pid) == (None, False)


def test_main_runs_at_the_start_and_not_in_raw_mode(tmp_path):
    with powered(tmp_path) as console:
        with connected(console) as board:
            board.fs_writefile("/boot.py", b"print('boot')")
            board.fs_writefile("/main.py", b"print('main')\nwhile True:\n    pass")
        with serial.Serial(console.port, timeout=0.2) as port:
            port.write(b"\x04")
            assert _until(port, b"main\r\n").endswith(b"MPY: soft reboot\r\nboot\r\nmain\r\n")
            port.write(b"\x03")
            assert b"KeyboardInterrupt" in _until(port, b">>> ")
            port.write(b"\x01\x04")
            seen = _until(port, b"soft reboot\r\n") + _until(port, b">")
            assert b"boot\r\nraw REPL; CTRL-B to exit\r\n>" in seen and b"main" not in seen


def test_the_friendly_mode(console):
    with serial.Serial(console.port, timeout=0.2) as port:
        port.write(b"\r\x02'ready'\r")
        _until(port, b"\n'ready'\r\n>>> ")
        port.write(b"1 + 2\r")
        assert _until(port, b"\r\n>>> ") == b"1 + 2\r\n3\r\n>>> "
        port.write(b"for i in range(2):\r    print(i)\r\r")
        assert b"0\r\n1\r\n>>> " in _until(port, b"\n1\r\n>>> ")
        port.write(b"\x05a = 5\rprint(a)\x04")
        assert _until(port, b"5\r\n>>> ").endswith(b"\r\n5\r\n>>> ")
        port.write(b"'x' * 3x\x7f\r")
        assert b"'xxx'" in _until(port, b"\r\n>>> ")


def test_output_of_a_client_that_went_away_blocks_nobody(console):
    with connected(console) as board:
        board.exec_raw_no_follow("for i in range(5000):\n    print('x' * 50)\nprint('through', i)")
    until(lambda: b"through 4999" in console.seen, "it is held up")
    with connected(console, soft_reset=False) as board:
        assert board.eval("1 + 1") == 2


def _until(port, ending: bytes) -> bytes:
    """Everything up to `ending`, at most two minutes long."""
    seen = b""
    give_up = time.monotonic() + 120
    while not seen.endswith(ending):
        assert time.monotonic() < give_up, seen
        seen += port.read(1)
    return seen
