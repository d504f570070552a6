"""What the tests of the collector share: one on loopback, and a client that can do what no client should."""

import asyncio
import base64
import hashlib
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from host import store
from host.collector import Collector
from tests.host import synthetic

DEVICE, SESSION = synthetic.DEVICE, synthetic.SESSION
FILES = synthetic.session_files()
DATA = FILES["imu-000000.npy"]
LIMIT_S = 60  # for what hangs
PATH = f"/{DEVICE}/{SESSION}/imu-000000.npy"


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


class Peer:
    """A collector on loopback and a client for it."""

    def __init__(self, collector: Collector, port: int, client: aiohttp.ClientSession):
        self.collector, self.port, self.client = collector, port, client

    async def put(self, path: str, content: bytes, **headers: str) -> int:
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"Content-Digest": digest(content), "If-None-Match": "*", **own}
        async with self.client.put(path, data=content, headers=headers) as answer:
            self.text = await answer.text()
            return answer.status

    async def raw(self, text: bytes, end: bool = False) -> bytes:
        """Sends bytes as they are; with `end` hangs up behind them. -> everything that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        await writer.drain()
        if end:
            writer.close()
        try:
            return await asyncio.wait_for(reader.read(), LIMIT_S)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def first_line(self, text: bytes) -> bytes:
        """Sends bytes as they are. -> the first line of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        try:
            return await asyncio.wait_for(reader.readline(), LIMIT_S)
        finally:
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0.01)  # the collector sees it, too: stopping would wait for the rest of the body

    async def status(self) -> dict:
        async with self.client.get("/") as answer:
            return await answer.json()


@asynccontextmanager
async def running(root: Path, **options):
    collector = Collector(root, **options)
    port = await collector.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        yield Peer(collector, port, client)
    await collector.stop()


def with_collector(root: Path, test, **options):
    async def body():
        async with running(root, **options) as peer:
            return await test(peer)

    return asyncio.run(asyncio.wait_for(body(), 2 * LIMIT_S))


def visible(root: Path) -> dict[str, bytes]:
    """Every file that a user sees, without the record of deliveries."""
    files = [path for path in root.glob("*/*/*") if path.is_file() and path.name != store.SUMS]
    return {path.name: path.read_bytes() for path in files if not path.name.startswith(".")}


def hidden(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.startswith(".")]


def head(path: str = PATH, length: int | None = len(DATA), content: bytes = DATA, extra: str = "") -> bytes:
    size = "" if length is None else f"Content-Length: {length}\r\n"
    return f"PUT {path} HTTP/1.1\r\nHost: x\r\n{size}Content-Digest: {digest(content)}\r\n{extra}\r\n".encode()
