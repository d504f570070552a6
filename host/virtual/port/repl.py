"""The virtual board's REPL: friendly, paste, raw and raw-paste mode, as shared/runtime/pyexec.c has them.

The interrupt character is a plain byte while the REPL reads, and a KeyboardInterrupt while a program runs
(keyboard.py). All that a mode answers goes out in one write, so that an interrupt that comes late tears nothing.
"""

import builtins
import io
import select
import sys

import keyboard
from hardware import board

CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E = 1, 2, 3, 4, 5
WINDOW = 128  # bytes of a raw paste that may be under way: half of MICROPY_REPL_STDIN_BUFFER_MAX
_NOTHING = -1
_PS1 = ">>> "
_PS2 = "... "

_print = print
_in = sys.stdin.buffer
_out = sys.stdout.buffer
_poll = select.poll()
_poll.register(sys.stdin, select.POLLIN)
_one = bytearray(1)
names = {"__name__": "__main__"}  # the globals of everything that is run from here


def cooked_print(*what, sep=" ", end="\n", file=None):
    """`print` as on a board: lines end in CR LF on the console."""
    if file is not None:
        return _print(*what, sep=sep, end=end, file=file)
    text = io.StringIO()
    _print(*what, sep=sep, end=end, file=text)
    _out.write(text.getvalue().replace("\n", "\r\n"))


def install():
    """Make print() and micropython.kbd_intr() a board's."""
    builtins.print = cooked_print
    sys.modules["micropython"] = keyboard


def execute(run):
    """Call `run()` with Ctrl-C interrupting it. -> (trace as bytes or None, whether it asked for a soft reset)"""
    try:
        try:
            keyboard.kbd_intr(keyboard.INTERRUPT)
            run()
        finally:
            keyboard.kbd_intr(-1)
    except SystemExit:
        return None, True
    except BaseException as error:  # noqa: B036 - whatever the program raises is shown
        text = io.StringIO()
        sys.print_exception(error, text)
        lines = [line for line in text.getvalue().split("\n") if not line.startswith('  File "repl.py"')]
        return "\r\n".join(lines).encode(), False
    return None, False


def run_file(path):
    """Run a file as boot.py and main.py are run; none there is fine. -> whether it asked for a soft reset"""
    try:
        file = open(path)
    except OSError:
        return False

    def run():  # a damaged file raises what it raises, and the REPL follows
        with file:
            code = compile(file.read(), path, "exec")
        exec(code, names)

    trace, reset = execute(run)
    _out.write(trace or b"")
    return reset


def serve(raw):
    """Talk until a soft reset is asked for. -> whether the raw mode was on."""
    while True:
        try:
            if (_raw if raw else _friendly)():
                return raw
            raw = not raw
        except KeyboardInterrupt:
            pass  # it was meant for a program that had just ended


def _byte():
    """The next byte; timers and interrupts happen meanwhile."""
    if not _poll.poll(0):
        _poll.poll(-1)
    if not _in.readinto(_one):
        sys.exit(0)  # the launcher is gone
    return _one[0]


# --- raw


def _raw():
    """-> True: soft reset; False: on to the friendly mode."""
    _out.write(b"raw REPL; CTRL-B to exit\r\n>")
    line = bytearray()
    while True:
        c = _byte()
        if c == CTRL_A:
            if line == b"\x05A":
                if _raw_paste():
                    return True
                _out.write(b">")
            elif line[:1] == b"\x05":
                _out.write(b"R\x00>")
            else:
                _out.write(b"raw REPL; CTRL-B to exit\r\n>")
        elif c == CTRL_B:
            _out.write(b"\r\n")
            return False
        elif c == CTRL_D:
            if not line:
                _out.write(b"OK\r\n")
                return True
            _out.write(b"OK")
            if _run_source(line):
                return True
            _out.write(b">")
        elif c != CTRL_C:
            line.append(c)
            continue
        line = bytearray()


def _raw_paste():
    """Take a program in windows, then run it. -> whether it asked for a soft reset"""
    _out.write(b"R\x01" + bytes((WINDOW & 0xFF, WINDOW >> 8)) + b"\x01")
    source = bytearray()
    left = WINDOW
    while True:
        c = _byte()
        if c == CTRL_C:
            _out.write(b"\x04\x04\r\nKeyboardInterrupt: \r\n\x04")
            return False
        if c == CTRL_D:
            _out.write(b"\x04")
            return _run_source(source)
        source.append(c)
        left -= 1
        if left == 0:
            left = WINDOW
            _out.write(b"\x01")


def _run_source(source):
    """Run it and frame what it printed: output, 4, trace, 4."""

    def run():
        exec(compile(str(source, "utf-8"), "<stdin>", "exec"), names)

    trace, reset = execute(run)
    _out.write(b"\x04" + (trace or b"") + b"\x04")
    return reset


# --- friendly


def _friendly():
    """-> True: soft reset; False: on to the raw mode."""
    _banner()
    source = ""
    while True:
        line, key = _line(_PS2 if source else _PS1, not source)
        if key == CTRL_C:
            source = ""
            continue
        if key == CTRL_A:
            return False
        if key == CTRL_B:
            _banner()
        elif key == CTRL_D and not source:
            return True
        elif key == CTRL_E:
            if _paste_mode():
                return True
        else:
            source = source + "\n" + line if source else line
            if key != CTRL_D and wants_more(source):
                continue
            if source and _run_shown(source, "single"):
                return True
            source = ""


def _banner():
    version = sys.version.split("; ")[-1]
    _out.write(f'\r\n{version}; virtual board\r\nType "help()" for more information.\r\n')


def _line(prompt, controls):
    """Read and echo one line. -> (text, the control character that ended it or -1)"""
    _out.write(prompt)
    line = bytearray()
    escape = False
    while True:
        c = _byte()
        if c == CTRL_C or c == CTRL_D and not line or c in (CTRL_A, CTRL_B, CTRL_E) and controls and not line:
            _out.write(b"\r\n")
            return "", c
        if c in (10, 13):
            _out.write(b"\r\n")
            return str(line, "utf-8"), _NOTHING
        if c in (8, 127):
            if line:
                line = line[:-1]
                _out.write(b"\x08 \x08")
        elif c == 27 or escape:  # arrows and the like are not for us
            escape = c == 27 or c == 91 or c < 64
        elif c >= 32 or c == 9:
            line.append(c)
            _out.write(bytes((c,)))


def wants_more(source):
    """Whether the line that was typed is the beginning of something: an open bracket, string or block."""
    last = source[source.rfind("\n") + 1 :]
    if last.endswith("\\") or source.count('"""') % 2 or source.count("'''") % 2:
        return True
    depth = 0
    for letter in source:
        depth += (letter in "([{") - (letter in ")]}")
    if depth > 0:
        return True
    first = source[: source.find("\n")] if "\n" in source else source
    block = first.startswith("@") or first.rstrip().endswith(":")
    return block and bool(last.strip()) or last.rstrip().endswith(":")


def _paste_mode():
    """Ctrl-E: lines as they come, until Ctrl-D. -> whether they asked for a soft reset"""
    _out.write(b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
    text = bytearray()
    while True:
        c = _byte()
        if c == CTRL_C:
            _out.write(b"\r\n")
            return False
        if c == CTRL_D:
            _out.write(b"\r\n")
            return _run_shown(str(text, "utf-8").replace("\r", "\n"), "exec")
        text.append(c)
        _out.write(b"\r\n=== " if c == 13 else bytes((c,)))


def _run_shown(source, kind):
    """Run what was typed, show its value or its trace. -> whether it asked for a soft reset"""

    def run():
        try:
            code = compile(source, "<stdin>", "eval")
        except SyntaxError:
            exec(compile(source, "<stdin>", kind), names)
            return
        value = eval(code, names)
        if value is not None:
            cooked_print(repr(value))

    trace, reset = execute(run)
    _out.write(trace or b"")
    return reset


def boot(raw, program=None):
    """As a port's main(): boot.py, unless in the raw mode main.py (or `program`, whose result the launcher is told),
    then the REPL. Ends the process.
    """
    reset = run_file("/boot.py")
    if not reset and not raw:
        reset = _run_program(program) if program else run_file("/main.py")
    if not reset:
        raw = serve(raw)
    _out.write(b"MPY: soft reboot\r\n")
    board.tell("soft raw" if raw else "soft friendly")
    sys.exit(0)


def _run_program(program):
    trace, reset = execute(lambda: board.tell(f"ended {program()}"))
    if trace:
        _out.write(trace)
        board.tell("ended 1")
    return reset
