"""`deploy.py push CONFIG`: install a configuration and the code on boards, start them, show that they run."""

import argparse
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from host import libs
from host.check import SECRETS, check_files, sentence
from host.push import ports
from host.push.install import Order, Steps, push
from host.push.onboard import Refused
from host.push.wire import WireError
from host.virtual.compiler import CompileError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check a configuration, compile the code for the board that is plugged in, copy what has changed, switch over "
        "at the end and start recording. Interrupted at any point, the board still boots its old version or the new "
        "one. Recordings on it are not touched."
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help=f"the configuration; goes with {SECRETS} beside it")
    ports.add_argument(parser, several=True)
    parser.add_argument("--secrets", type=Path, metavar="FILE", help=f"the secrets (default: {SECRETS} beside CONFIG)")
    parser.add_argument("--take-over", action="store_true", help="replace files of others, kept as NAME.before-motelog")
    parser.add_argument("--dry-run", action="store_true", help="say what would be copied, change nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """0: every board has it and runs; 1: a board is at fault; 2: the call or the configuration is."""
    _, errors = check_files(args.config, args.secrets)
    if errors:
        return _mistake(args, "; ".join(sentence(*error) for error in errors[:3]))
    try:
        chosen = ports.chosen(args.port)
    except WireError as error:
        return _mistake(args, str(error), code=1)
    config = json.loads(args.config.read_text(encoding="utf-8"))
    config.pop("$schema", None)
    secrets = args.secrets or args.config.parent / SECRETS
    content = secrets.read_bytes() if secrets.is_file() else None
    order = Order(config, content, args.config.parent, args.take_over, args.dry_run, several=len(chosen) > 1)
    rows = _push_all(chosen, order)
    ok = all("error" not in row for row in rows)
    if args.json:
        print(json.dumps({"ok": ok, "boards": rows}))
    else:
        for row in rows:
            _show(row)
    return 0 if ok else 1


def _push_all(chosen: list[str], order: Order) -> list[dict]:
    columns = (TextColumn("{task.fields[port]}"), TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, ThreadPoolExecutor(len(chosen)) as pool:
        return list(pool.map(lambda port: _push_one(port, order, progress), chosen))


def _push_one(port: str, order: Order, progress: Progress) -> dict:
    task = progress.add_task("", port=port, total=None)
    lock = threading.Lock()

    def say(text: str) -> None:
        with lock:
            progress.update(task, description=text)
            progress.console.print(f"{port}: {text}", highlight=False, markup=False, soft_wrap=True)

    def copying(done: int, total: int) -> None:
        progress.update(task, description="copying", completed=done, total=total)

    try:
        return push(port, order, Steps(say, copying))
    except (WireError, Refused, CompileError, libs.Failed) as error:
        return {"port": port, "error": str(error)}


def _show(row: dict) -> None:
    """The outcome for one board; failures on standard error."""
    if "error" in row:
        print(f"push: {row['error']}", file=sys.stderr)
        return
    files = len(row["copied"])
    verb = "would be copied" if row["dry_run"] else "copied"
    print(f"{row['port']}: {row['device']} on {row['board']}")
    print(f"  {files} file{'' if files == 1 else 's'} ({row['bytes'] / 1024:.1f} KB) {verb}, {row['unchanged']} "
          f"in place already, {len(row['removed'])} removed")
    for path in row["copied"] if row["dry_run"] else ():
        print(f"    {path}")
    for path in row["kept_aside"]:
        print(f"  {path} of somebody else is kept as {path}.before-motelog")
    if "status" in row:
        _show_status(row["status"])


def _show_status(status: dict) -> None:
    print(f"  state: {status['state']}")
    for name, stream in status.get("streams", {}).items():
        lost = ", ".join(f"{cause} {n}" for cause, n in stream["lost"].items()) or "0"
        error = f", {stream['error']}" if "error" in stream else ""
        print(f"  {name}: {stream['frames']} frames, lost {lost}{error}")
    free = status.get("spool", {}).get("free_bytes", 0)
    print(f"  memory: {status.get('heap_used', 0) // 1024} KB used; flash: {free // 1024} KB free")


def _mistake(args: argparse.Namespace, text: str, code: int = 2) -> int:
    print(f"push: {text}", file=sys.stderr)
    if args.json:
        print(json.dumps({"ok": False, "error": text}))
    return code
