"""`deploy.py demo`: the main job without hardware. A virtual board records motion and sound and ships them to a
collector.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from host import certs, demo_plan, mistakes, plot, verify
from host.collector import Collector
from host.dataset import Dataset, DatasetError
from host.store import Store
from host.virtual import VirtualBoard

GRACE_S = 150  # beyond the recording itself: boot, last upload, close


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Record motion and sound on a virtual board, ship them over HTTPS to a collector started beside it, verify and "
        "plot the data set. Without --imu or --mic the sensors are fed with synthesised signals. A recording that is "
        "longer than the run is cut off at its end; one that is shorter starts again from the top (the JSON says "
        "which, under 'source')."
    )
    add = parser.add_argument
    add("--seconds", type=float, default=10, help="length of the recording on the board's clock (default 10)")
    add("--imu", type=Path, metavar="REC.npy", help="int16 (n, 3): accelerometer, or (n, 6): and gyroscope")
    add("--imu-rate", type=float, default=104, metavar="HZ", help="rate set in the sensor (default 104)")
    add("--mic", type=Path, metavar="REC.wav", help="mono, 16-bit PCM")
    add(
        "--mic-rate",
        type=int,
        metavar="HZ",
        help="rate set in the microphone (default: the file's, or 16000); with another one the file is resampled",
    )
    add("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="the data set's folder (default out/demo)")
    add("--flash-kb", type=int, default=4096, metavar="KB", help="size of the board's flash (default 4096)")
    add("--clock", choices=("real", "virtual"), default="real", help="virtual: as fast as it goes (default real)")
    add("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="motelog-demo-") as work:
        try:
            plan = demo_plan.make(args, Path(work))
            Store(args.out).prepare()
        except (demo_plan.PlanError, OSError) as error:
            return mistakes.report("demo", error, args.json)
        summary = asyncio.run(_record(args, plan, Path(work), console))
    _examine(args, plan, summary)
    if args.json:
        print(json.dumps(summary, indent=2))
    else:
        _show(summary)
    return 0 if summary["ok"] else 1


async def _record(args, plan, work: Path, console: Console) -> dict:
    """Run collector and board to the end. -> what happened, as far as the board and the collector know."""
    identity = certs.make(work / "certs", ["localhost", "127.0.0.1"])
    collector = Collector(args.out, token=plan.token)
    port = await collector.start("127.0.0.1", 0, identity.server_context())
    plan.config["upload"]["https"]["url"] = f"https://127.0.0.1:{port}"
    board = VirtualBoard(plan.world, work / "board")
    board.install(config=plan.config, secrets={"https_token": plan.token}, files={"/ca.der": identity.ca_der()})
    summary = {"session": None, "log": [], "board": {}}
    started = time.monotonic()
    try:
        await board.start()
        await asyncio.wait_for(_follow(board, args, summary, console), args.seconds + GRACE_S)
        summary["exit_code"] = await board.wait()
    except TimeoutError:
        summary["log"].append(f"the board was still busy {GRACE_S} s after the recording: stopped")
        summary["exit_code"] = None
    finally:
        await board.kill()
        await collector.stop()
    summary["wall_s"] = round(time.monotonic() - started, 1)
    return summary


async def _follow(board, args, summary: dict, console: Console) -> None:
    """Show what the board prints until it ends."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("recording", total=args.seconds, state="booting")
        async for line in board.lines():
            if not line.startswith("@"):
                summary["log"].append(line)
                console.print(line, style="dim", highlight=False, markup=False)
                continue
            status = json.loads(line[1:])
            summary["board"] = status
            summary["session"] = status.get("session", summary["session"])
            progress.update(
                bar, description=status["state"], completed=status.get("seconds", 0), state=_one_line(status)
            )


def _one_line(status: dict) -> str:
    parts = [f"{name} {stream['frames']} frames" for name, stream in status.get("streams", {}).items()]
    parts += [f"{name} lost {sum(s['lost'].values())}" for name, s in status.get("streams", {}).items() if s["lost"]]
    return ", ".join(parts)


def _examine(args, plan, summary: dict) -> None:
    """Verify and plot the data set, compare it with what the sensors were fed with, and say whether all of it is
    right.
    """
    summary.update(out=str(args.out), ok=False, streams={}, lost=0)
    try:
        report = verify.verify(args.out)
    except DatasetError as error:
        summary["verify"] = {"ok": False, "findings": [], "text": str(error)}
        return
    summary["verify"] = report.as_dict()
    session = Dataset(args.out).find(plan.config["device"], summary["session"])
    if session is not None:
        summary["streams"] = {stream.name: _stream(stream, plan) for stream in session.streams.values()}
        summary["plot"] = str(plot.session_png(session, args.out / f"{summary['session']}.png"))
    summary["lost"] = sum(sum(stream["lost"].values()) for stream in summary["streams"].values())
    same = all(stream["source"].get("identical") is not False for stream in summary["streams"].values())
    complete = set(summary["streams"]) == set(plan.config["streams"])
    summary["ok"] = summary["exit_code"] == 0 and report.ok and same and complete and not summary["lost"]


def _stream(stream, plan) -> dict:
    ledger = stream.ledger
    return {
        "frames": ledger["stored"],
        "expected": ledger["expected"],
        "lost": ledger["lost"],
        "segments": len(stream.segments),
        "rate_hz": stream.rate_hz,
        "rate_measured_hz": stream.rate_measured_hz,
        "source": plan.sources[stream.name].compare(stream),
    }


def _show(summary: dict) -> None:
    """The summary on standard output, for 80 columns."""
    if summary["streams"]:
        _show_streams(summary)
    for finding in summary["verify"]["findings"]:
        print(f"{finding['level']}: {finding['file']}: {finding['what']}")
    print(f"Data set: {summary['out']}   verified: {'yes' if summary['verify']['ok'] else 'NO'}")
    if "plot" in summary:
        print(f"Picture:  {summary['plot']}")
    if summary["ok"]:
        return
    print("The demo did not end as it should.")
    if summary["lost"]:
        print(f"Frames lost, all of them in the ledger: {summary['lost']}")
    if trouble := summary["board"].get("upload", {}).get("last_error"):
        print(f"The last trouble of the upload: {trouble}")
    print("The board's last words:", *summary["log"][-5:], sep="\n  ")


def _show_streams(summary: dict) -> None:
    table = Table("stream", title=f"Session {summary['session']}", title_justify="left")
    for heading in ("expected", "stored", "lost", "files", "Hz set", "Hz measured"):
        table.add_column(heading, justify="right")
    for name, stream in summary["streams"].items():
        counts = stream["expected"], stream["frames"], sum(stream["lost"].values()), stream["segments"]
        measured = stream["rate_measured_hz"]
        table.add_row(name, *map(str, counts), f"{stream['rate_hz']:g}", f"{measured:.3f}" if measured else "-")
    Console().print(table)
    for name, stream in summary["streams"].items():
        print(f"{name} is {stream['source']['text']}")
