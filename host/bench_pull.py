"""Bytes on the wire for each byte of data: `deploy.py pull` beside mpremote's `cp`, on a virtual board's console."""

import os
import tempfile
import threading
import time

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from rich.console import Console as Screen
from rich.table import Table

from host.pull.link import Link, Part
from host.push.wire import Counted, Wire, WireError
from host.virtual import VirtualBoard
from host.virtual.console import Console

SIZE = 1 << 18
PATH = "/recording.npy"
CONFIG = b'{"device": "bench"}'


def measure() -> dict:
    """-> {"size", "rows": [{"what", "wire_bytes", "per_byte", "seconds"}]}. Raises RuntimeError."""
    with tempfile.TemporaryDirectory(prefix="motelog-bench-") as work:
        board = VirtualBoard({"clock": "real", "flash": {"size_kb": 2048}}, work)
        content = os.urandom(SIZE)
        board.install(files={PATH: content, "/config.json": CONFIG})
        console = Console(board)
        thread = threading.Thread(target=console.run)
        thread.start()
        try:
            rows = [_row("motelog pull", *_by_pull(console.port, content))]
            rows.append(_row("mpremote cp", *_by_mpremote(console.port, content)))
        except (WireError, TransportError) as error:
            raise RuntimeError(str(error)) from None
        finally:
            console.end()
            thread.join()
    return {"size": SIZE, "rows": rows}


def show(found: dict) -> None:
    table = Table("way", title=f"a file of {found['size'] // 1024} KB from the board", box=None)
    for heading in ("wire bytes", "per byte of data", "s here"):
        table.add_column(heading, justify="right")
    for row in found["rows"]:
        table.add_row(row["what"], str(row["wire_bytes"]), f"{row['per_byte']:.3f}", f"{row['seconds']:.2f}")
    Screen().print(table)


def _row(what: str, wire_bytes: int, seconds: float) -> dict:
    return {"what": what, "wire_bytes": wire_bytes, "per_byte": wire_bytes / SIZE, "seconds": round(seconds, 2)}


def _by_pull(port: str, content: bytes) -> tuple[int, float]:
    """Everything from the connection on, the program that sends included."""
    started = time.monotonic()
    wire = Wire(port)
    try:
        wire.interrupt()
        wire.fresh()
        link = Link(wire)
        got = b"".join(link.read(Part("", PATH, SIZE, ""), 0))
        link.bye()
        if got != content:
            raise RuntimeError("pull: the file came over damaged")
        return wire.serial.sent + wire.serial.received, time.monotonic() - started
    finally:
        wire.close()


def _by_mpremote(port: str, content: bytes) -> tuple[int, float]:
    started = time.monotonic()
    transport = SerialTransport(port)
    try:
        transport.serial = Counted(transport.serial)
        transport.enter_raw_repl()
        if transport.fs_readfile(PATH) != content:
            raise RuntimeError("mpremote: the file came over damaged")
        return transport.serial.sent + transport.serial.received, time.monotonic() - started
    finally:
        transport.close()
