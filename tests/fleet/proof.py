"""The fleet proof: simulated devices, workers as processes, one Mosquitto, one object store, workers killed at random.

    python -m tests.fleet.proof --devices 1000 --workers 3 --kills 10

Every device ships whole sessions and waits for the acknowledgement of each name; afterwards the store is held, byte by
byte, against what was sent. CPU time is the workers' own, from /proc, from the moment they are ready (Linux).
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from host.collector.objects import PROBE
from host.store import DOCUMENTS
from tests.fleet.device import Device
from tests.host import synthetic
from tests.tools.micropython import ROOT
from tests.tools.mosquitto import Mosquitto
from tests.tools.s3 import S3

_TICKS = os.sysconf("SC_CLK_TCK")


class Worker:
    """`deploy.py collect` as a process, without HTTPS. `cpu_s`: of all its lives, from when each was ready."""

    def __init__(self, url: str, port: int, environment: dict[str, str]):
        self.cpu_s, self.kills = 0.0, 0
        self._command = [
            sys.executable, str(ROOT / "deploy.py"), "--system-python", "collect", "--no-https", "--json",
            "--store", url, "--mqtt", f"mqtt://127.0.0.1:{port}",
        ]  # fmt: skip
        self._environment = os.environ | environment

    def start(self) -> None:
        """Returns at once; `ready` waits."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self._environment
        )
        self._before_s = None

    def ready(self) -> None:
        if not self._process.stdout.readline():
            raise RuntimeError("a worker does not start")
        self._before_s = _cpu_s(self._process.pid)

    def kill(self) -> None:
        self._count()
        self._process.kill()
        self._wait()
        self.kills += 1

    def stop(self) -> dict:
        """-> its last status"""
        self._count()
        self._process.terminate()
        return json.loads(self._wait())

    def _count(self) -> None:
        self.cpu_s += _cpu_s(self._process.pid) - self._before_s

    def _wait(self) -> str:
        return self._process.communicate(timeout=120)[0]


def _cpu_s(pid: int) -> float:
    """User and system time (man proc_pid_stat, fields 14 and 15; the name in parentheses may hold spaces)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


SMALL = synthetic.session_files()  # nine names, 16 files, 30 kB


def large(data_kb: int) -> dict[str, bytes]:
    """Eight names of one data file each, to measure what a byte costs."""
    return {f"imu-{n:06d}.npy": random.Random(n).randbytes(data_kb << 10) for n in range(8)}


def session_of(files: dict[str, bytes], device: str, session: str) -> dict[str, bytes]:
    """A synthetic session under another name; its data files are the same for all."""
    files = dict(files)
    for file in files:
        if file.endswith(".json"):
            for old, new in ((synthetic.DEVICE, device), (synthetic.SESSION, session)):
                files[file] = files[file].replace(f'"{old}"'.encode(), f'"{new}"'.encode())
    return files


def names_of(files: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """The names of the spool: a segment is its data and its sidecar."""
    named: dict[str, dict[str, bytes]] = {}
    for file, content in files.items():
        named.setdefault(file if file in DOCUMENTS else file.rpartition(".")[0], {})[file] = content
    return named


async def prove(
    url: str, environment: dict, folder: Path, *, devices: int, sessions: int, workers: int, kills: int, data_kb=0,
    ack_s=5,
) -> dict:  # fmt: skip
    """-> what happened, as a dict; `lost`, `changed` and `strange` are lists of names that must be empty."""
    files = large(data_kb) if data_kb else SMALL
    with Mosquitto(folder) as broker:
        team = [Worker(url, broker.port, environment) for _ in range(workers)]
        for call in (Worker.start, Worker.ready):
            for worker in team:
                call(worker)
        fleet = [Device(f"device-{n:04d}", broker.port, ack_s=ack_s) for n in range(devices)]
        started = time.monotonic()
        over = asyncio.Event()
        killer = asyncio.create_task(_kill(team, kills, over))
        await asyncio.gather(*(_ship(device, files, sessions) for device in fleet))
        elapsed_s = time.monotonic() - started
        over.set()
        await killer
        for worker in team:
            worker.stop()
    sent = {
        f"{device.name}/{session}/{file}": content
        for device in fleet
        for session in _sessions(sessions)
        for file, content in session_of(files, device.name, session).items()
    }
    cpu_s = sum(worker.cpu_s for worker in team)
    return {
        "devices": devices, "workers": workers, "kills": sum(worker.kills for worker in team), "files": len(sent),
        "mb": round(sum(map(len, sent.values())) / 1e6, 1),
        "published": sum(device.published for device in fleet), "names": sum(len(d.acknowledged) for d in fleet),
        "seconds": round(elapsed_s, 1), "files_per_s_per_worker": round(len(sent) / elapsed_s / workers, 1),
        "worker_cpu_ms_per_file": round(1000 * cpu_s / len(sent), 2), **_compare(url, environment, sent),
        "unanswered": devices * sessions * len(names_of(files)) - sum(len(d.acknowledged) for d in fleet),
    }  # fmt: skip


def _sessions(number: int) -> list[str]:
    return [f"{n:05d}-00-0123abcd" for n in range(number)]


async def _ship(device: Device, files: dict[str, bytes], sessions: int) -> None:
    for session in _sessions(sessions):
        await device.ship(session, names_of(session_of(files, device.name, session)))


async def _kill(team: list[Worker], kills: int, over: asyncio.Event) -> None:
    """kill -9 of one worker after the other, at random, without regard to what it does."""
    chance = random.Random(1)
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0.2, 2))
        if over.is_set():
            return
        worker = chance.choice(team)
        worker.kill()
        worker.start()
        await asyncio.to_thread(worker.ready)


def _compare(url: str, environment: dict, sent: dict[str, bytes]) -> dict:
    """The store against what was sent; `strange`: objects that nobody sent."""
    there = stored(url, environment)
    return {
        "lost": sorted(set(sent) - set(there)),
        "changed": sorted(name for name in sent if there.get(name, sent[name]) != sent[name]),
        "strange": sorted(set(there) - set(sent) - {PROBE}),
    }


def stored(url: str, environment: dict[str, str]) -> dict[str, bytes]:
    """Every object by its name, by the store's own client."""
    import obstore

    options = {"config": {key.lower(): value for key, value in environment.items()}} if environment else {}
    store = obstore.store.from_url(url, **options, **({"client_options": {"allow_http": True}} if environment else {}))
    listed = [entry["path"] for batch in obstore.list(store) for entry in batch]
    return {name: bytes(obstore.get(store, name).bytes()) for name in listed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"devices": 1000, "sessions": 1, "workers": 3, "kills": 10, "data-kb": 0, "ack-s": 30}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"(default {default})")
    parser.add_argument("--s3", action="store_true", help="an S3 server (moto's) in place of a local folder")
    args = vars(parser.parse_args())
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection per device
    with_s3 = args.pop("s3")
    with tempfile.TemporaryDirectory() as folder:
        if with_s3:
            with S3() as server:
                result = asyncio.run(prove(server.url("fleet"), server.environment, Path(folder), **args))
        else:
            result = asyncio.run(prove((Path(folder) / "store").as_uri(), {}, Path(folder), **args))
    print(json.dumps(result, indent=2))
    return 1 if any(result[key] for key in ("lost", "changed", "strange", "unanswered")) else 0


if __name__ == "__main__":
    sys.exit(main())
