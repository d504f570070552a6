"""The wire to a board: mpremote's transport, with what a tool that must never hang or guess needs beyond it.

Counts the bytes in both directions, reads in pieces instead of byte by byte, asks a running program to end as often as
it takes, and says every failure in a sentence that names the port.
"""

import os
import secrets
import stat
import time
from collections.abc import Callable

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

INTERRUPT_S = 8  # so long a running program is asked to end (an app closes its files first)
GIVEN_UP_S = 120  # a board at its prompt that hears nothing for so long starts anew: the laptop has gone
QUIET_S = 10  # silence after which a board that should say something is given up
_RAW = b"raw REPL; CTRL-B to exit\r\n>"
_WATCH = f"""
class _t:
    def deinit(): pass
def _here(): pass
try:
    from machine import Timer, reset
    for n in (-1, 0, 1):
        try:
            _t = Timer(n)
            break
        except ValueError:
            pass
    else:
        raise ImportError
    def _here():
        _t.init(mode=Timer.ONE_SHOT, period={GIVEN_UP_S * 1000}, callback=lambda _: reset())
    _here()
except ImportError:
    pass
"""


class WireError(Exception):
    """The board cannot be talked to, or refused; the text is a sentence for the user, with the port in it."""


class BoardError(WireError):
    """A program on the board raised; `trace` is what it printed, `errno` the number of an OSError or None."""

    def __init__(self, port: str, trace: str):
        self.port = port
        self.trace = trace.strip()
        last = self.trace.splitlines()[-1] if self.trace else "unknown error"
        self.errno = _errno(last)
        super().__init__(f"{port}: the board says: {last}")


class Counted:
    """A serial port that counts: `sent`, `received` (bytes)."""

    def __init__(self, port: serial.Serial):
        self._port = port
        self.sent = self.received = 0

    def write(self, data: bytes) -> int:
        self.sent += len(data)
        return self._port.write(data)

    def read(self, size: int = 1) -> bytes:
        data = self._port.read(size)
        self.received += len(data)
        return data

    def __getattr__(self, name):
        return getattr(self._port, name)


class Wire(SerialTransport):
    """An open port. `interrupt()` comes first; then `run(code)` as often as wanted; `close()` at the end."""

    def __init__(self, port: str):
        self.port = port
        try:
            super().__init__(port, timeout=QUIET_S)
        except (TransportError, serial.SerialException, OSError, ValueError):
            raise WireError(f"{port}: cannot be opened: {_why_closed(port)}") from None
        self.serial = Counted(self.serial)
        self.opened = time.monotonic()
        self._here = ""  # code that tells the board that the laptop is still there
        self.is_pty = False  # inWaiting() does work on a pseudo terminal; without it reading would block

    def interrupt(self) -> None:
        """End what runs on the board and enter the raw REPL, without a reset. Raises WireError when nothing answers."""
        give_up = time.monotonic() + INTERRUPT_S
        seen = b""
        while time.monotonic() < give_up:
            self._guard(lambda: self.serial.write(b"\r\x03"))
            seen = (seen + self._read_for(0.15))[-4096:]
            self._guard(lambda: self.serial.write(b"\r\x01"))
            seen = (seen + self._read_for(0.25, _RAW))[-4096:]
            if seen.endswith(_RAW) and self._in_step():
                self.in_raw_repl = True
                self._watch_over()
                return
        if seen.strip(b"\r\x01\x03\n "):
            raise WireError(
                f"{self.port}: the board's program does not give way to Ctrl-C: reset the board (button or cable) and "
                "try again, or put its firmware on anew"
            )
        raise WireError(f"{self.port}: nothing there answers as MicroPython does: is it another device, or asleep?")

    def _in_step(self) -> bool:
        """Whether the REPL answers to what was asked last: a slow board may still be answering to earlier attempts."""
        mark = secrets.token_hex(4).encode()
        self._guard(lambda: self.serial.write(b"print('" + mark + b"')\x04"))
        ending = mark + b"\r\n\x04\x04>"
        return self._read_for(3, ending).endswith(ending)

    def fresh(self) -> None:
        """A soft reset into the raw REPL: an empty heap, main.py has not run."""
        self._guard(lambda: self.serial.write(b"\x04"))
        seen = b""
        while b"soft reboot\r\n" not in seen:
            seen += self._read_for(QUIET_S, _RAW)
            if not seen.endswith(_RAW):
                raise WireError(f"{self.port}: the board does not come back from a soft reset")
        self._watch_over()

    def _watch_over(self) -> None:
        """From here on the board starts anew by itself when nothing is run on it for GIVEN_UP_S (ports without a timer
        stay at their prompt). A soft reset takes the timer away.
        """
        self._here = ""
        self.run(_WATCH)
        self._here = "_here()\n"

    def leave_at_prompt(self) -> None:
        """It stays there, however long nobody comes."""
        self.run("_t.deinit()")

    def run(self, code: str, consumer: Callable[[bytes], None] | None = None, quiet_s: float | None = None) -> str:
        """Run code, to its end. -> what it printed, or '' when `consumer` took that piece by piece. `quiet_s`: how long
        it may say nothing (default QUIET_S).
        """
        self._start(code)
        printed = bytearray()
        trace = self._follow(consumer or printed.extend, quiet_s or QUIET_S)
        if trace:
            raise BoardError(self.port, trace.decode(errors="replace"))
        return printed.decode(errors="replace").replace("\r\n", "\n")

    def _start(self, code: str) -> None:
        """Hand the code over; the prompt has been read already."""
        code = self._here + code
        try:
            self.read_until = self._prompt  # exec_raw_no_follow() waits for a prompt that is behind us
            self.exec_raw_no_follow(code)
        except (TransportError, TransportExecError, IndexError) as error:
            raise WireError(f"{self.port}: the board stopped following in the middle ({error})") from None
        except (serial.SerialException, OSError, ValueError):
            raise self._gone() from None
        except Exception as error:
            if type(error).__name__ != "error":  # struct.error: two bytes were awaited and did not come
                raise
            raise WireError(f"{self.port}: the board fell silent") from None

    def _prompt(self, min_num_bytes, ending, **_):
        if ending == b">":
            return ending
        seen, give_up = b"", time.monotonic() + QUIET_S
        while not seen.endswith(ending) and time.monotonic() < give_up:
            seen += self.serial.read(1)  # no further: what follows is the program's output
        return seen

    def _follow(self, consumer: Callable[[bytes], None], quiet_s: float) -> bytes:
        """Output to `consumer` as it comes. -> the trace, b'' if there is none"""
        part, trace, rest = 0, bytearray(), b""
        while part < 2:
            data = rest or self._some(quiet_s)
            piece, mark, rest = data.partition(b"\x04")
            if part == 0:
                consumer(piece) if piece else None
            else:
                trace += piece
            part += len(mark)
        if not rest.endswith(b">"):
            self._read_for(QUIET_S, b">")
        return bytes(trace)

    def _some(self, quiet_s: float) -> bytes:
        """What has come, waiting at most `quiet_s` for the first of it."""
        give_up = time.monotonic() + quiet_s
        while time.monotonic() < give_up:
            data = self._guard(self._waiting)
            if data:
                return data
            time.sleep(0.002)
        raise WireError(f"{self.port}: the board has said nothing for {quiet_s:.0f} s: unplugged, or crashed?")

    def _read_for(self, seconds: float, ending: bytes | None = None) -> bytes:
        """What comes within the time, or up to `ending`."""
        seen, give_up = b"", time.monotonic() + seconds
        while time.monotonic() < give_up and not (ending and seen.endswith(ending)):
            data = self._guard(self._waiting)
            seen += data
            if not data:
                time.sleep(0.002)
        return seen

    def _waiting(self) -> bytes:
        n = self.serial.inWaiting()
        return self.serial.read(n) if n else b""

    def _guard(self, call):
        try:
            return call()
        except (serial.SerialException, OSError, TypeError):
            raise self._gone() from None

    def _gone(self) -> WireError:
        return WireError(
            f"{self.port}: the board is gone: unplugged, or switched off; plug it in again and repeat the command"
        )

    def start_program(self) -> None:
        """Leave the raw REPL and soft-reset: boot.py and main.py run. The prompt in between is awaited: what comes
        after this call is the program's.
        """
        self._guard(lambda: self.serial.write(b"\r\x02"))
        self._read_for(QUIET_S, b">>> ")
        self._guard(lambda: self.serial.write(b"\x04"))

    def go_on(self) -> None:
        """Back to what it did before, as after a reset, whatever state it is in now."""
        try:
            self.interrupt()
            self.start_program()
            self._read_for(0.5)
        except WireError:
            pass  # a board that is gone starts by itself when it has power again

    def lines(self, seconds: float | None):
        """Yield lines that the board prints, for at most so long (None: for ever); '' when it prints nothing."""
        give_up, rest = time.monotonic() + (seconds or 1e9), b""
        while time.monotonic() < give_up:
            data = self._guard(self._waiting)
            if not data:
                time.sleep(0.02)
                if rest == b">>> ":  # the prompt is no line
                    yield rest.decode()
                    rest = b""
                yield ""
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")

    def close(self) -> None:
        """Let go of the port; a port that is gone is fine."""
        try:
            super().close()
        except (OSError, serial.SerialException):
            pass


def _why_closed(port: str) -> str:
    """Why a port does not open, as far as the system tells."""
    if os.name != "posix":
        return "it does not exist, or another program has it open (a terminal, an editor's serial monitor)"
    if not os.path.exists(port):
        return "there is no such port: is the board plugged in? `ls /dev/tty*` or `mpremote devs` lists what there is"
    if not os.access(port, os.R_OK | os.W_OK):
        return "this user may not use it: on Linux `sudo usermod -aG dialout $USER`, then log in anew"
    if not stat.S_ISCHR(os.stat(port).st_mode):
        return "that is a file, not a serial port"
    return "another program has it open (a terminal, an editor's serial monitor), or it is no serial port"


def _errno(line: str) -> int | None:
    """The number in `OSError: [Errno 28] ENOSPC` or `OSError: 28`."""
    if not line.startswith("OSError"):
        return None
    digits = [word.strip("[]:,") for word in line.split() if word.strip("[]:,").isdigit()]
    return int(digits[0]) if digits else None
