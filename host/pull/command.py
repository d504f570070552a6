"""`deploy.py pull`: bring a board's recordings to the laptop over its serial port, each file proved by its hash."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from host import mistakes
from host.pull.files import Damaged, Refused, fetch, has
from host.pull.link import Entry, Link, Unreadable
from host.push import ports
from host.push.onboard import told
from host.push.wire import BoardError, Wire, WireError
from host.store import Store

STOP_S = 60  # a recording has so long to close its files
HEAR_S = 3  # and so long to say that it will


@dataclass
class Outcome:
    """What a pull did; `refused`: what could not be taken over, and why."""

    files: int = 0
    bytes: int = 0
    known: int = 0
    deleted: int = 0
    refused: list[str] = field(default_factory=list)
    wire_bytes: int = 0
    seconds: float = 0.0
    restarted: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Copy a board's recordings into a data set, the same as the collector makes. What is here already is not "
        "copied again, what was cut off goes on where it was. A running recording is ended first, with its files "
        "closed, and a new one is begun afterwards."
    )
    ports.add_argument(parser, several=False)
    parser.add_argument("--out", type=Path, default=Path("out/pulled"), metavar="DIR", help="(default out/pulled)")
    parser.add_argument("--delete", action="store_true", help="delete on the board what is verified on this disk")
    parser.add_argument("--no-restart", action="store_true", help="leave the board at its prompt, not recording")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """0: everything of the board is here; 1: the board, the wire or a file is at fault; 2: the call is."""
    outcome = Outcome()
    try:
        store = Store(args.out)
        store.prepare()
    except OSError as error:
        return mistakes.report("pull", error, args.json)
    started, error = time.monotonic(), None
    try:
        _pull(ports.chosen([args.port])[0], store, args, outcome)
    except BoardError as reason:
        error = told(reason, reason.port)
        if not reason.errno:  # not the flash's word: code that does not load, or does what it should not
            error += (
                ". Motelog on the board seems damaged: `deploy.py push` puts it right; if it cannot, "
                "`mpremote cp -r :/data .` copies what can be read"
            )
    except (WireError, Unreadable) as reason:
        error = str(reason)
    except OSError as reason:
        error = mistakes.told(reason)
    outcome.seconds = round(time.monotonic() - started, 2)
    if outcome.refused and not error:
        more = len(outcome.refused) - 1
        error = outcome.refused[0] + (f" (and {more} more; the rest is here)" if more else "")
    if args.json:
        result = {"ok": error is None, "out": str(args.out), **vars(outcome)}
        print(json.dumps(result | ({"error": error} if error else {})))
    elif not error:
        print(f"{outcome.files} files ({outcome.bytes / 1e6:.2f} MB) in {outcome.seconds:.1f} s, {outcome.known} were "
              f"here, {outcome.deleted} deleted on the board; in {args.out}")
    if error:
        print(f"pull: {error}", file=sys.stderr)
    return 1 if error else 0


def _pull(port: str, store: Store, args: argparse.Namespace, outcome: Outcome) -> None:
    """Stop the recording, copy, start it again. What goes wrong in between still starts it."""
    wire = Wire(port)
    try:
        _end_recording(wire)
        wire.interrupt()
        wire.fresh()
        before = wire.serial.received + wire.serial.sent
        try:
            link = Link(wire)
            entries = link.listing()
            _copy(store, link, entries, args.delete, outcome)
            link.bye()
        finally:
            outcome.wire_bytes = wire.serial.received + wire.serial.sent - before
            if args.no_restart:
                _leave(wire)
            else:
                wire.go_on()
                outcome.restarted = True
    finally:
        wire.close()


def _end_recording(wire: Wire) -> None:
    """Ask a running recorder to close its files; anything else that runs is left to the interrupt."""
    wire._guard(lambda: wire.serial.write(b"\rpause\n"))
    heard = False
    for line in wire.lines(STOP_S):
        if "the recording ends" in line:
            heard = True
        if "ended: " in line and heard or ">>>" in line or not heard and line.startswith("motelog: "):
            return
        if not heard and time.monotonic() > wire.opened + HEAR_S:
            return


def _copy(store: Store, link: Link, entries: list[Entry], delete: bool, outcome: Outcome) -> None:
    total = sum(part.size for entry in entries for part in entry.parts)
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("pulling", total=total)
        for entry in entries:
            safe = _take(store, link, entry, outcome, lambda n: progress.advance(task, n))
            if delete and safe:
                link.acknowledge(entry.name)
                outcome.deleted += 1


def _take(store: Store, link: Link, entry: Entry, outcome: Outcome, arrived: Callable[[int], None]) -> bool:
    """-> whether all of the entry is here now; else `outcome.refused` says why, and the others have their turn."""
    if not entry.parts:
        outcome.refused.append(f"{entry.name} cannot be read: the board's flash is damaged")
        return False
    for part in entry.parts:
        if has(store, part):
            outcome.known += 1
            arrived(part.size)
            continue
        try:
            fetch(store, link, part, arrived)
        except (Unreadable, Damaged) as error:
            outcome.refused.append(f"{part.remote}: {error}")
            return False
        except Refused as error:
            if part.remote.endswith("/ledger.json"):
                outcome.known += 1  # the board has dropped, to make room, what is here: ours was true then
                continue
            outcome.refused.append(f"{part.remote}: {error}")
            return False
        outcome.files += 1
        outcome.bytes += part.size
    return True


def _leave(wire: Wire) -> None:
    """The board stays at its prompt."""
    try:
        wire.interrupt()
        wire.leave_at_prompt()
    except WireError:
        pass  # it is gone
