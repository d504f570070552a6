"""Upload by HTTPS: goodput against a bare TLS stream of the same files, near and at 50 ms; and its heap."""

import asyncio
import hashlib
import json
import random
import ssl
import subprocess
import tempfile
import threading
from pathlib import Path

from host import certs
from host.bench_rows import row
from host.bench_rows import show as show_rows
from host.board_files import ROOT
from host.virtual.compiler import find_micropython

ROUNDS = 7
RTT_S = 0.05
SEGMENT_BYTES = 1_000_000
SEGMENTS = 8
ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\nstored\n"


def measure() -> dict:
    """-> {"https": [{"what", "against", "ratio", "unit", "ours", "theirs", "goal"}]}. RuntimeError: what went wrong."""
    with tempfile.TemporaryDirectory(prefix="motelog-bench-") as work:
        folder = Path(work)
        identity = certs.make(folder / "certs", ["127.0.0.1"])
        job = {"folder": work, "ca": str(identity.ca_path), "names": segments(folder, SEGMENTS)}
        tls = identity.server_context()
        with Counting(tls) as near, Counting(tls, RTT_S) as far:
            pairs = [[_rate(job, way, near.port) for way in ("motelog", "bare")] for _ in range(ROUNDS)]
            ours, bare = (max(rates) for rates in zip(*pairs, strict=True))  # other work only ever slows one down
            pairs = [[_rate(job, way, far.port) for way in ("motelog", "bare")] for _ in range(2)]
            ours_50, bare_50 = (max(rates) for rates in zip(*pairs, strict=True))
            one = job | {"names": job["names"][:1]}
            heap, handshake = (_run(one, way, near.port)["heap"] for way in ("heap", "bare_heap"))
    return {"https": [
        row("HTTPS on loopback", ours, "bare TLS stream, same files", bare, "kB/s", ">= 0.8"),
        row("HTTPS at 50 ms round trip", ours_50, "bare TLS stream, same files", bare_50, "kB/s", ">= 0.8"),
        row("heap to ship a 1 MB segment, without TLS's", heap - handshake, "limit", 24 * 1024, "bytes", "<= 1"),
    ]}  # fmt: skip


def show(found: dict) -> None:
    """The rows for a person."""
    show_rows("Upload by HTTPS", found["https"])


def segments(folder: Path, count: int) -> list:
    """Random segments in `folder`: [[name, [[remote name, size, sha256], ...]], ...]."""
    rng = random.Random(5)
    names = []
    for number in range(count):
        parts = []
        for extension, size in (("npy", SEGMENT_BYTES), ("json", 812)):
            content = rng.randbytes(size)
            file = f"imu-{number:06d}.{extension}"
            (folder / file).write_bytes(content)
            parts.append([f"bench/00001-00-0badcafe/{file}", size, hashlib.sha256(content).hexdigest()])
        names.append([parts[0][0].removesuffix(".npy"), parts])
    return names


def _rate(job: dict, way: str, port: int) -> float:
    result = _run(job, way, port)
    return result["bytes"] / result["us"] * 1000  # kB/s


def _run(job: dict, way: str, port: int) -> dict:
    path = Path(job["folder"]) / "job.json"
    path.write_text(json.dumps(job | {"way": way, "port": port}))
    command = [str(find_micropython()), "-X", "heapsize=16M", str(ROOT / "tests" / "bench" / "https.py"), str(path)]
    done = subprocess.run(command, env={"MICROPYPATH": f"{ROOT}:.frozen"}, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"tests/bench/https.py failed: {(done.stdout + done.stderr).strip()[-1000:]}")
    return json.loads(done.stdout.splitlines()[-1])


class Counting(asyncio.Protocol):
    """`with Counting(tls, delay_s) as server:` takes PUTs at `port` and answers each when its last byte is there, after
    `delay_s`; in a thread. A bare stream that sends heads and bodies is none the wiser.
    """

    def __init__(self, tls: ssl.SSLContext, delay_s: float = 0):
        self._tls, self._delay_s = tls, delay_s

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
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._over.wait()
        server.close()

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                if b"100-continue" in head:
                    await asyncio.sleep(self._delay_s)
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                while left:
                    left -= len(await reader.read(min(left, 65536)))
                await asyncio.sleep(self._delay_s)
                writer.write(ANSWER)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
