"""The laptop's end of a pull's conversation with board_server.py, over an open wire."""

import ast
import json
import re
import time
import zlib
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path

from host.push.wire import BoardError, Wire, WireError

WINDOW_BITS = 11  # of the compressed program: 2 KB on the board while it unpacks
SERVER = Path(__file__).with_name("board_server.py")
HEARTBEAT_S = 2  # a tenth of the server's patience
PATIENCE_S = 120  # recovery after a power cut, or a long directory, takes time without a word


def small(source: str) -> str:
    """The program without comments, docstrings and wide indents: all of it goes over the wire, for every pull."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
    text = ast.unparse(tree)
    return re.sub("^( {4})+", lambda indent: " " * (len(indent[0]) // 4), text, flags=re.MULTILINE)


def packed(source: str) -> str:
    """A program that unpacks this one and runs it: half the bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -WINDOW_BITS)
    text = b2a_base64(packer.compress(source.encode()) + packer.flush(), newline=False).decode()
    return (
        "from binascii import a2b_base64 as a\nfrom io import BytesIO as b\nfrom deflate import DeflateIO as d\n"
        f"exec(d(b(a('{text}')),1,{WINDOW_BITS}).read())"
    )


@dataclass(frozen=True)
class Part:
    """One file: its name in the data set (`device/session/file`), its path on the board."""

    remote: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """What is acknowledged at once: a segment (data, sidecar) or a document; no parts: the board cannot read it."""

    name: str
    parts: tuple[Part, ...]


class Unreadable(Exception):
    """A file that the board has and cannot read; others may be in order."""


class Link:
    """`listing()`, then `read()` and `acknowledge()`, then `bye()`."""

    def __init__(self, wire: Wire):
        self._wire = wire
        self._rest = b""
        self._beat = time.monotonic()
        source = small(SERVER.read_text())
        try:
            try:
                self._serve(packed(source))
            except BoardError as error:
                if "no module named 'deflate'" not in error.trace:
                    raise
                self._rest = b""
                self._serve(source)
        except BoardError as error:
            if error.errno == ENOENT or "ImportError" in error.trace:
                raise WireError(
                    f"{wire.port}: there is no Motelog on the board, so there are no recordings: `deploy.py push` "
                    "installs it"
                ) from None
            raise

    def _serve(self, program: str) -> None:
        self._wire._start(program)
        for _ in self._answer():
            pass

    def listing(self) -> list[Entry]:
        """All that the board has, sessions oldest first."""
        self._send("list")
        entries = []
        for line in self._answer():
            name, parts = json.loads(line)
            entries.append(Entry(name, tuple(Part(*part) for part in parts)))
        return entries

    def read(self, part: Part, offset: int) -> Iterator[bytes]:
        """The content of a file from `offset` on. What the wire has damaged is found by the hash, not here. Raises
        Unreadable.
        """
        self._send(f"get {offset} {part.path}")
        for line in self._answer():
            try:
                yield a2b_base64(line)
            except Error:
                yield b""

    def acknowledge(self, name: str) -> None:
        """It is safe here: the board may delete it."""
        self._send(f"ack {name}")
        for _ in self._answer():
            pass

    def bye(self) -> None:
        """Back to the raw REPL."""
        self._send("bye")
        self._wire._read_for(5, b"\x04\x04>")

    def _send(self, line: str) -> None:
        self._wire._guard(lambda: self._wire.serial.write(line.encode() + b"\n"))

    def _answer(self) -> Iterator[bytes]:
        """Lines up to the `.` that ends an answer. Raises Unreadable for a `!`, WireError for silence or the program's
        end.
        """
        while True:
            line = self._line()
            if line == b".":
                return
            if line.startswith(b"! "):
                raise Unreadable(f"the board's flash fails ({line[2:].decode(errors='replace')})")
            yield line

    def _line(self) -> bytes:
        give_up = time.monotonic() + PATIENCE_S
        while b"\n" not in self._rest:
            now = time.monotonic()
            if now - self._beat > HEARTBEAT_S:
                self._send("")
                self._beat = now
            data = self._wire._guard(self._wire._waiting)
            self._rest += data
            if data:
                continue
            if b"\x04" in self._rest:
                trace = self._rest.replace(b"\x04", b"").decode(errors="replace")
                raise BoardError(self._wire.port, trace.removesuffix(">"))
            if now > give_up:
                raise WireError(f"{self._wire.port}: the board has said nothing for {PATIENCE_S} s: unplugged?")
            time.sleep(0.002)
        line, _, self._rest = self._rest.partition(b"\n")
        if b"\x04" in line:  # the program has ended with a trace
            trace = line + b"\n" + self._rest + self._wire._read_for(1, b"\x04>")
            raise BoardError(self._wire.port, trace.replace(b"\x04", b"").decode(errors="replace").removesuffix(">"))
        return line.rstrip(b"\r")
