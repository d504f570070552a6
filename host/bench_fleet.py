"""`deploy.py bench fleet`: what a file costs the collector's workers as devices grow, what a megabyte costs, and that
nothing is lost when workers are killed.
"""

import json
import subprocess
import sys

from rich.console import Console
from rich.table import Table

from host.board_files import ROOT

SESSIONS = 1000  # in all, so that every fleet ships the same number of files
RUNS = [
    *({"devices": devices, "sessions": SESSIONS // devices, "kills": 0} for devices in (10, 100, 1000)),
    {"devices": 1000, "sessions": 3, "kills": 10, "ack-s": 10},
    {"devices": 10, "sessions": 4, "kills": 0, "data-kb": 1024},
]
COLUMNS = (
    "devices", "files", "mb", "kills", "seconds", "files_per_s_per_worker", "worker_cpu_ms_per_file", "published",
)  # fmt: skip


def measure() -> dict:
    """Runs tests/fleet/proof.py. -> {"fleet": one dict per run}; `RuntimeError` when a run loses or doubles a file."""
    return {"fleet": [_run(run) for run in RUNS]}


def _run(options: dict[str, int]) -> dict:
    words = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "tests.fleet.proof", "--workers=3", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {(done.stdout + done.stderr).strip()[-2000:]}")
    return json.loads(done.stdout)


def show(found: dict) -> None:
    table = Table(title="three workers, one Mosquitto, one folder as object store, all on this machine")
    for heading in COLUMNS:
        table.add_column(heading.replace("_", " "), justify="right")
    for row in found["fleet"]:
        table.add_row(*(str(row[column]) for column in COLUMNS))
    Console().print(table)
