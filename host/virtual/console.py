"""A virtual board's console on a pseudo terminal, for mpremote and every other program that knows a serial port.

The board's process has two pipes of its own that outlive its resets: what a client types during one is not lost. The
bridge does what a port's UART interrupt and USB stack do: the interrupt character becomes a signal while a program
runs (the board says when, by the control pipe: host/virtual/port/keyboard.py), output that nobody reads is dropped, and
a process that ended for a reset is started again on the same flash; so is one that ended because the signal hit its
garbage collection, which the Unix port does not survive (its handler jumps out: ports/unix/unix_mphal.c). Control
lines: `intr 0|1`, `soft raw|friendly` (soft reset, with the REPL's mode), `exit N` (70: hard reset), `ended N` (the
world's `main` is through), `rtc US` (microseconds by which the RTC is ahead of the host's clock).
"""

import os
import select
import signal
import subprocess
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

from host.virtual.board import RESET, VirtualBoard

INTERRUPT = b"\x03"
QUEUE = 1 << 18  # bytes that wait for the board; what comes beyond that is lost, as in a UART
STUCK_S = 5  # so long a client may leave output unread before it is dropped
INTERRUPT_GAP_S = 0.1  # a second signal before the first was taken would end the process ...
TAKES_NS = 20_000_000  # ... which takes it once it has run on for a collection of its heap
LOOK_S = 0.02  # how often to see whether a client has come


class Console:
    """`port`: the path that clients open. `run()` serves it until the board ends for good, `end()` is called, or the
    world's `main` has ended without having been interrupted from the port; `echo(bytes)` sees all output.
    """

    def __init__(self, board: VirtualBoard, echo: Callable[[bytes], None] | None = None):
        self.board = board
        self._echo = echo
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)  # while no client has it open, the master says so: POLLHUP
        os.set_blocking(self._master, False)
        self._input = os.pipe()  # (read by the board, written here)
        os.set_blocking(self._input[1], False)
        self._wake = os.pipe()
        self._closing = threading.Lock()
        self._ended = self._closed = False
        self._rtc: str | None = None
        self._mode = "friendly"
        self._interrupted = False
        self._outgoing = b""
        self._incoming = b""
        self._stuck_since = 0.0
        self._discarding = False

    def run(self) -> int:
        """Power on. -> exit code: the world's `main`'s own, POWER_CUT, or 0 after `end()`."""
        try:
            while not self._ended:
                code = self._one_start()
                if code is not None:
                    return code
            return 0
        finally:  # a client sees the port go, as when a cable is pulled
            with self._closing:
                self._closed = True
                for number in (self._master, *self._input, *self._wake):
                    os.close(number)

    def end(self) -> None:
        """Switch the board off; from any thread."""
        with self._closing:
            self._ended = True
            if not self._closed:
                os.write(self._wake[1], b"x")

    def type(self, text: bytes) -> None:
        """Input from elsewhere than the port; from any thread."""
        with self._closing:
            if not self._closed:
                os.write(self._input[1], text)

    def _one_start(self) -> int | None:
        """From one start of the process to its end. -> exit code, or None: it starts again."""
        control, board_control = os.pipe()
        output, board_output = os.pipe()
        environment = {"MOTELOG_CONSOLE": self._mode, "MOTELOG_CONTROL": f"/dev/fd/{board_control}"}
        if self._rtc is not None:
            environment["MOTELOG_RTC"] = self._rtc
        process = subprocess.Popen(
            self.board.command(), stdin=self._input[0], stdout=board_output, stderr=subprocess.STDOUT,
            pass_fds=(board_control,), cwd=self.board.workdir, env=self.board.environment() | environment,
            start_new_session=True,
        )
        os.close(board_control)
        os.close(board_output)
        self._mode, self._exit, self._interrupted = "friendly", None, False
        self._catching, self._interrupt_due, self._last_interrupt, self._said = False, None, 0.0, b""
        self._ran_ns = -TAKES_NS  # when it was last interrupted, by its own time
        try:
            self._bridge(process, output, control)
        finally:
            process.kill()
            code = process.wait()
            os.close(control)
            os.close(output)
        if self._ended:
            return 0
        if self._exit is None:
            if code == 1 and self._last_interrupt:
                return None  # it was in a collection: the Unix port's heap is locked then for ever, and it gives up
            raise ChildProcessError(f"the virtual board's MicroPython ended by itself (exit code {code})")
        return None if self._exit == RESET else self._exit

    def _bridge(self, process: subprocess.Popen, output: int, control: int) -> None:
        """Carry bytes until the process has closed its output, `end()` was called or `main` has ended."""
        while not self._ended:
            ready = self._wait(output, control)
            if control in ready:
                self._listen(control)
            if self._exit not in (None, RESET):
                break
            if output in ready:
                data = os.read(output, 4096)
                if not data:
                    break
                self._say(data)
            if self._master in ready:
                self._take(process, control)
            self._signal_if_due(process)
            self._write_out(client=not self._no_client)
            self._write_in()
        self._listen(control)
        while self._exit is not None and select.select([output], [], [], 0)[0]:
            data = os.read(output, 4096)
            if not data:
                break
            self._say(data)

    def _wait(self, output: int, control: int) -> set[int]:
        """The file numbers that something can be done with; `_no_client` is found out, too."""
        poll = select.poll()
        poll.register(control, select.POLLIN)
        poll.register(self._wake[0], select.POLLIN)
        if len(self._outgoing) < QUEUE:
            poll.register(output, select.POLLIN)
        look = select.poll()
        look.register(self._master, select.POLLIN)
        self._no_client = any(event & select.POLLHUP for _, event in look.poll(0))
        timeout = LOOK_S
        if not self._no_client:
            poll.register(self._master, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
            timeout = 1.0
        if self._incoming:
            poll.register(self._input[1], select.POLLOUT)
        if self._interrupt_due is not None:
            timeout = min(timeout, max(0.0, self._interrupt_due - time.monotonic()))
        return {number for number, _ in poll.poll(timeout * 1000)}

    def _listen(self, control: int) -> None:
        """Act on what the board has said by the control pipe."""
        while select.select([control], [], [], 0)[0]:
            data = os.read(control, 4096)
            if not data:
                return
            *lines, self._said = (self._said + data).split(b"\n")
            for line in lines:
                word, value = line.decode().split()
                self._obey(word, value)

    def _obey(self, word: str, value: str) -> None:
        if word == "intr":
            self._catching = value == "1"
            if not self._catching:
                self._interrupt_due = None
        elif word == "soft":
            self._mode, self._exit = value, RESET
        elif word == "exit":
            self._exit = int(value)
        elif word == "ended" and not self._interrupted:
            self._exit = int(value)
        elif word == "rtc":
            self._rtc = value

    def _say(self, data: bytes) -> None:
        if self._echo:
            self._echo(data)
        if not self._no_client:
            self._outgoing += data

    def _take(self, process: subprocess.Popen, control: int) -> None:
        """What a client has sent goes to the board, but for the interrupt character while that interrupts."""
        try:
            data = os.read(self._master, 4096)
        except OSError:  # no client any more, or nothing there after all
            return
        self._listen(control)  # what the board has said before it asked for this
        if self._catching and INTERRUPT in data:
            data = data.replace(INTERRUPT, b"")
            self._interrupted = True
            self._interrupt_due = max(time.monotonic(), self._last_interrupt + INTERRUPT_GAP_S)
        self._incoming = (self._incoming + data)[:QUEUE]

    def _signal_if_due(self, process: subprocess.Popen) -> None:
        now = time.monotonic()
        if self._interrupt_due is None or now < self._interrupt_due:
            return
        ran_ns, waits = _activity(process.pid)
        if waits or ran_ns is None or ran_ns - self._ran_ns >= TAKES_NS:
            self._ran_ns = ran_ns or 0
            process.send_signal(signal.SIGINT)
            self._last_interrupt, self._interrupt_due = now, None
        else:  # on a busy machine it has not had its turn since the last one
            self._interrupt_due = now + LOOK_S

    def _write_out(self, client: bool) -> None:
        """As much as the client takes. Without one, or when it has not read for long, the rest is dropped."""
        if not client:
            self._outgoing = b""
        if not self._outgoing:
            return
        try:
            sent = os.write(self._master, self._outgoing[:4096])
            self._outgoing, self._stuck_since, self._discarding = self._outgoing[sent:], 0.0, False
        except BlockingIOError:
            now = time.monotonic()
            self._stuck_since = self._stuck_since or now
            if self._discarding or now - self._stuck_since > STUCK_S:
                self._outgoing, self._discarding = b"", True
        except OSError:
            self._outgoing = b""

    def _write_in(self) -> None:
        if self._incoming:
            try:
                self._incoming = self._incoming[os.write(self._input[1], self._incoming) :]
            except BlockingIOError:
                pass


def _activity(pid: int) -> tuple[int | None, bool]:
    """(ns for which a process has run, whether it waits for something now); (None, False) where nobody tells."""
    try:
        ran_ns = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return None, False
    return ran_ns, state == "S"
