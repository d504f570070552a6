"""Upload by MQTT: goodput against a bare stream, the window's bound at 50 ms, and umqtt's publish; and its heap."""

import asyncio
import hashlib
import json
import random
import subprocess
import tempfile
import threading
from pathlib import Path

from host.bench_rows import row
from host.bench_rows import show as show_rows
from host.board_files import ROOT
from host.libs import cache_folder, is_present, locked
from host.virtual.compiler import find_micropython

ROUNDS = 9
RTT_S = 0.05
WINDOW = 4
SEGMENT_BYTES = 98_432  # 8192 frames of six channels, the default
SIDECAR_BYTES = 812
PUBLISH, CONNECT, SUBSCRIBE = 0x30, 0x10, 0x80


def measure() -> dict:
    """-> {"mqtt": [{"what", "against", "ratio", "unit", "ours", "theirs", "goal"}]}. RuntimeError: what went wrong."""
    if not all(is_present(package) for package in locked() if package.name.startswith("umqtt")):
        raise RuntimeError("umqtt is not in the cache: run `python3 deploy.py libs --from DIR` (DIR: its clone)")
    with tempfile.TemporaryDirectory(prefix="motelog-bench-") as work, Loopback() as near, Loopback(RTT_S) as far:
        folder = Path(work)

        def run(way: str, port: int, names: list, heap: bool = False) -> dict:
            job = {"way": way, "port": port, "folder": work, "names": names, "window": WINDOW, "heap": heap}
            (folder / "job.json").write_text(json.dumps(job))
            return _run(folder / "job.json")

        many, some = segments(folder, 150), segments(folder, 60)
        small = segments(folder, 20, 32_896)  # of the size that Nagle and delayed acknowledgements like least
        # In turn, and the best of each: other work on the machine only ever slows one of them down.
        pairs = [(_rate(run("motelog", near.port, many)), _rate(run("bare", near.port, many))) for _ in range(ROUNDS)]
        ours, bare = (max(rates) for rates in zip(*pairs, strict=True))
        small_ours, stop_and_wait = (_rate(run(way, near.port, small)) for way in ("motelog", "umqtt"))
        over_50_ms = max(_rate(run("motelog", far.port, some)) for _ in range(2))
        bound = WINDOW * sum(part[1] for part in some[0][1]) / RTT_S / 1000
        held = run("silent", near.mute_port, [])["gap_ms"]
        heap = run("motelog", near.port, segments(folder, 1, 1_000_000), heap=True)["heap"]
    return {"mqtt": [
        row("QoS 1 on loopback", ours, "bare asyncio stream, same window", bare, "kB/s", ">= 0.8"),
        row("QoS 1 at 50 ms round trip", over_50_ms, "window / round trip", bound, "kB/s", ">= 0.9"),
        row("the same, 33 kB messages", small_ours, "umqtt.robust publish", stop_and_wait, "kB/s", ""),
        row("loop held by a silent broker", held["motelog"], "umqtt connect, 2 s allowed", held["umqtt"], "ms", ""),
        row("heap to ship a 1 MB segment", heap, "limit", 24 * 1024, "bytes", "<= 1"),
    ]}  # fmt: skip


def show(found: dict) -> None:
    """The rows for a person."""
    show_rows("Upload by MQTT", found["mqtt"])


def _run(job: Path) -> dict:
    """The script's result."""
    command = [str(find_micropython()), "-X", "heapsize=16M", str(ROOT / "tests" / "bench" / "mqtt.py"), str(job)]
    path = f"{ROOT}:{cache_folder()}:.frozen"
    done = subprocess.run(command, env={"MICROPYPATH": path}, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"tests/bench/mqtt.py failed: {(done.stdout + done.stderr).strip()[-1000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def segments(folder: Path, count: int, size: int = SEGMENT_BYTES) -> list:
    """Random segments in `folder` as the board's script wants them."""
    rng = random.Random(size)
    names = []
    for number in range(count):
        stem = f"imu{size}-{number:06d}"
        parts = []
        for extension, n_bytes in (("npy", size), ("json", SIDECAR_BYTES)):
            content = rng.randbytes(n_bytes)
            (folder / f"{stem}.{extension}").write_bytes(content)
            remote = f"bench/00001-00-0badcafe/{stem}.{extension}"
            parts.append([remote, n_bytes, hashlib.sha256(content).hexdigest()])
        names.append([f"bench/00001-00-0badcafe/{stem}", parts])
    return names


def _rate(result: dict) -> float:
    return result["bytes"] / result["us"] * 1000  # kB/s


class Counting(asyncio.Protocol):
    """Takes MQTT packets and answers each at once; a bare stream that sends PUBLISH packets is none the wiser."""

    def __init__(self, delay_s: float):
        self._delay_s = delay_s
        self._head = bytearray()
        self._left = 0
        self._answer = None

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        if self._delay_s:  # the whole round trip on the way here
            asyncio.get_running_loop().call_later(self._delay_s, self._take, data)
        else:
            self._take(data)

    def _take(self, data):
        at = 0
        while at < len(data):
            if self._answer is None:
                self._head.append(data[at])
                at += 1
                self._begin()
            else:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
            if self._answer is not None and not self._left:
                self._transport.write(self._answer)
                self._answer = None
                self._head.clear()

    def _begin(self):
        """The head is complete when everything is there that the answer depends on."""
        head = self._head
        end = next((i for i in range(1, len(head)) if head[i] < 128), None)
        if end is None:
            return
        length = sum((head[i] & 127) << 7 * (i - 1) for i in range(1, end + 1))
        kind, body = head[0] & 0xF0, head[end + 1 :]
        need = 0 if kind not in (PUBLISH, SUBSCRIBE) else 2
        if kind == PUBLISH:
            need = 2 + int.from_bytes(body[:2], "big") + 2 if len(body) >= 2 else 2
            if len(body) < 2:
                return
        if len(body) < min(need, length):
            return
        answers = {
            CONNECT: b"\x20\x02\0\0", PUBLISH: b"\x40\x02" + body[need - 2 : need],
            SUBSCRIBE: b"\x90\x03" + body[:2] + b"\1",
        }  # fmt: skip
        self._answer = bytes(answers.get(kind, b""))
        self._left = length - len(body)


class Loopback:
    """`with Loopback(delay_s) as server:` a broker for one kind of test in a thread; `mute_port` says nothing."""

    def __init__(self, delay_s: float = 0):
        self._delay_s = delay_s

    def __enter__(self):
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self, ready):
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        server = await self._loop.create_server(lambda: Counting(self._delay_s), "127.0.0.1", 0)
        mute = await self._loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        self.port, self.mute_port = (one.sockets[0].getsockname()[1] for one in (server, mute))
        ready.set()
        await self._over.wait()
        server.close()
        mute.close()
