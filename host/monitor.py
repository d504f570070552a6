"""`deploy.py monitor`: what a running board says, without stopping it; what is typed goes to it as a command."""

import argparse
import json
import sys
import threading
import time
from contextlib import nullcontext

from rich.console import Console
from rich.live import Live
from rich.table import Table

from host.push import ports
from host.push.wire import Wire, WireError

SILENT_S = 10  # a recorder prints a status every second


class Rates:
    """Frames per second of each stream, from one status to the next."""

    def __init__(self):
        self._before: dict[str, tuple[float, int]] = {}

    def update(self, status: dict) -> dict[str, float]:
        """-> {stream: Hz}; a stream is missing until two statuses of the same session tell."""
        rates = {}
        seconds = status.get("seconds")
        for name, stream in status.get("streams", {}).items():
            before = self._before.get(name)
            if before and seconds is not None and seconds > before[0] and stream["frames"] >= before[1]:
                rates[name] = (stream["frames"] - before[1]) / (seconds - before[0])
            self._before[name] = (seconds or 0.0, stream["frames"])
        return rates


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show a board's state and log while it runs. Lines typed on standard input go to the board: start, stop, "
        "label TEXT, status, reboot, safe-mode and the like. Ctrl-C ends the watching, not the recording."
    )
    ports.add_argument(parser, several=False)
    parser.add_argument("--seconds", type=float, metavar="S", help="end after this time (default: with Ctrl-C)")
    parser.add_argument("--json", action="store_true", help="one status object per line on stdout")


def run(args: argparse.Namespace) -> int:
    """0: watched until the end that was asked for; 1: no board, or it went away or says nothing."""
    try:
        wire = Wire(ports.chosen([args.port])[0])
    except WireError as error:
        return _failed(args, error)
    threading.Thread(target=_forward, args=(wire,), daemon=True).start()
    console = Console()
    table = Table(box=None)
    try:
        with nullcontext() if args.json else Live(table, console=console, auto_refresh=False) as live:
            heard = _watch(wire, args, live)
    except KeyboardInterrupt:
        return 0
    except WireError as error:
        return _failed(args, error)
    finally:
        wire.close()
    if not heard:
        return _failed(args, WireError(
            f"{wire.port}: no status came: the board sleeps until its next recording, or does not record (`deploy.py "
            "push` starts it), or this is another device"
        ))  # fmt: skip
    return 0


def _watch(wire: Wire, args: argparse.Namespace, live: Live | None) -> bool:
    """Show what comes. -> whether a status was among it; gives up after SILENT_S without one."""
    rates, heard, started = Rates(), False, time.monotonic()
    for line in wire.lines(args.seconds):
        if not heard and time.monotonic() - started > SILENT_S:
            return False
        status = _status(line)
        if status is None:
            if line.strip() and not line.startswith("@"):
                print(line, file=sys.stderr) if args.json else live.console.print(line, markup=False, highlight=False)
            continue
        heard = True
        if args.json:
            print(json.dumps(status), flush=True)
        else:
            live.update(table_of(status, rates.update(status)), refresh=True)
    return heard


def _status(line: str) -> dict | None:
    if not line.startswith("@"):
        return None
    try:
        return json.loads(line[1:])
    except ValueError:
        return None  # the beginning of a line that we came in the middle of


def table_of(status: dict, rates: dict[str, float]) -> Table:
    """One row per stream, the rest in the caption."""
    spool, upload = status.get("spool", {}), status.get("upload")
    facts = [status.get("state", "?"), status.get("session", "no session")]
    facts.append(f"{status.get('heap_used', 0) // 1024} KB of heap used")
    facts.append(f"{spool.get('pending_segments', 0)} segments waiting, {spool.get('free_bytes', 0) // 1024} KB free")
    facts += [f"{key}: {status[key]}" for key in ("why", "failure", "battery") if status.get(key) is not None]
    if upload:
        told = (f"{key} {value}" for key, value in upload.items() if value not in (None, {}))
        facts.append("upload: " + ", ".join(told))
    table = Table("stream", caption="\n".join(facts), caption_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("frames", "Hz", "ring", "lost", "segments", "note"):
        table.add_column(heading, justify="left" if heading == "note" else "right")
    for name, stream in status.get("streams", {}).items():
        lost = ", ".join(f"{cause} {n}" for cause, n in stream["lost"].items()) or "0"
        table.add_row(
            name, str(stream["frames"]), f"{rates[name]:.1f}" if name in rates else "",
            f"{stream['ring_high_water']}/{stream['ring_blocks']}",
            lost, str(stream["segments"]), stream.get("error", ""),
        )
    return table


def _forward(wire: Wire) -> None:
    """Standard input to the board, line by line, until it ends."""
    try:
        for line in sys.stdin:
            if line.strip():
                wire.serial.write(line.strip().encode() + b"\n")
    except (OSError, ValueError, TypeError):
        pass  # the port is gone, which the reader says; or there is no standard input


def _failed(args: argparse.Namespace, error: WireError) -> int:
    print(f"monitor: {error}", file=sys.stderr)
    if args.json:
        print(json.dumps({"ok": False, "error": str(error)}))
    return 1
