"""`deploy.py bench`: how fast it is, as ratios against a peer or a limit measured in the same run."""

import argparse
import importlib
import json
import subprocess
import sys

from rich.console import Console
from rich.table import Table

from host import bench_kernels, bench_ram, bench_storage, bench_time
from host.board_files import ROOT
from host.libs import cache_folder
from host.virtual.compiler import find_micropython

SCRIPTS = ROOT / "tests"
PARTS = {
    "ble": "a segment over Bluetooth, against the modelled link's limit",
    "fleet": "simulated devices and three workers over MQTT (minutes, needs Mosquitto)",
    "https": "upload by HTTPS against a bare TLS stream",
    "pull": "wire bytes of pull beside mpremote's cp",
    "ram": "the heap that each example configuration takes on a board",
    "mqtt": "the board's upload by MQTT against a bare stream and umqtt's publish",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run the benchmarks on MicroPython's Unix port on this machine. Ratios are what counts: they are taken within "
        "one run, and say nothing of any microcontroller's absolute speed."
    )
    parser.add_argument(
        "part", nargs="?", choices=PARTS, metavar="PART", help="in place of the recording path: "
        + "; ".join(f"{name}, {what}" for name, what in PARTS.items()),
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    if args.part:
        return _run_part(args)
    try:
        results = _pipeline() + bench_storage.speed(_measure)
        wear = bench_storage.wear(_measure)
        kernels = bench_kernels.speed(_measure)
        time = bench_time.accuracy(_measure)
        heap = bench_ram.heaps()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if args.json:
        found = {"results": results, "wear": wear, "kernels": kernels, "time": time, "heap": heap}
        print(json.dumps({"ok": True, **found}, indent=2))
    else:
        _show(results)
        Console().print(bench_storage.wear_table(wear))
        Console().print(bench_kernels.table(kernels))
        Console().print(bench_time.table(time))
        Console().print(bench_ram.table(heap))
    return 0


def _run_part(args: argparse.Namespace) -> int:
    """A part's file has `measure() -> dict`, which raises `RuntimeError`, and `show(dict)`."""
    part = importlib.import_module(f"host.bench_{args.part}")
    try:
        found = part.measure()
    except RuntimeError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"ok": True, **found}, indent=2))
    else:
        part.show(found)
    return 0


class BenchError(Exception):
    """A benchmark did not run; one sentence."""


def _pipeline() -> list[dict]:
    """FIFO bytes to a file on LittleFS: frames per second, against writing alone and against the usual way."""
    libs = cache_folder()
    has_npyfile = (libs / "npyfile.py").exists()
    speed = _measure("bench/pipeline.py", *([str(libs)] if has_npyfile else []))
    subject = "driver + ring + segment writer"
    results = [_ratio(subject, speed["motelog"], "raw write of the same bytes", speed["raw"])]
    if has_npyfile:
        results.append(_ratio(subject, speed["motelog"], "struct.unpack_from + npyfile", speed["unpack_and_npyfile"]))
    else:
        results.append({
            "what": subject, "against": "struct.unpack_from + npyfile", "ratio": None,
            "why": "npyfile is not in the cache: python3 deploy.py libs --from DIR",
        })  # fmt: skip
    return results


def _ratio(what: str, ours: float, against: str, theirs: float) -> dict:
    return {
        "what": what,
        "against": against,
        "ratio": round(ours / theirs, 3),
        "frames_per_s": round(ours),
        "frames_per_s_against": round(theirs),
    }


def _measure(script: str, *arguments: str) -> dict:
    """Run a script of tests/ on MicroPython. -> the JSON object that it prints."""
    command = [str(find_micropython()), "-X", "heapsize=16M", str(SCRIPTS / script), *arguments]
    done = subprocess.run(command, env={"MICROPYPATH": f"{ROOT}:.frozen"}, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise BenchError(f"{script} failed: {(done.stdout + done.stderr).strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _show(results: list[dict]) -> None:
    table = Table()
    for heading in ("what", "against", "ratio", "frames/s", "frames/s of the other"):
        table.add_column(heading, justify="left" if heading in ("what", "against") else "right")
    for row in results:
        ratio = f"{row['ratio']:g}" if row["ratio"] else row["why"]
        table.add_row(
            row["what"],
            row["against"],
            ratio,
            str(row.get("frames_per_s", "")),
            str(row.get("frames_per_s_against", "")),
        )
    Console().print(table)
    for flash, meaning in bench_storage.FLASHES.items():
        print(f"{flash}: {meaning}")
