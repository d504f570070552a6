"""A board whose heap holds nothing but the application, so that it can be measured: `run()`.

MicroPython's Unix port with LittleFS, a `machine` and a `network` that take next to nothing (tests/bench/bare/), and
the sensors in another process, which is a virtual board that serves its buses (tests/bench/sensors.py). Code,
configuration and packages are on its flash as `VirtualBoard.install` puts them on a virtual board's; its clock is real.
"""

import asyncio
import contextlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from host.board_files import ROOT
from host.push.plan import CODE, MAIN, beyond_rom, sha256, wanted_files
from host.romfs import image as rom_image
from host.virtual import VirtualBoard, image
from host.virtual.compiler import architecture, compile_files
from host.virtual.world import files_for, world_for

BENCH = ROOT / "tests" / "bench"
HEAP_KB = 700
FLASH_KB = 4096
_NAMES = re.compile(r"qstr pool: .*n_total_bytes=(\d+)")


@dataclass
class Said:
    """What it said: bytes in use `before` the program, those of interned `names` before it and at the end, `lines`
    that were JSON, and the others.
    """

    before: int = 0
    names: list[int] = field(default_factory=list)
    lines: list[dict] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


async def run(
    config: dict, micropython: Path, work: Path, *, main: str = "app.main", files: dict[str, bytes] | None = None,
    seconds: float | None = None, timeout_s: float = 60, romfs: bool = False,
) -> Said:
    """Boots a board with that configuration; `main`: the module whose `run()` is its program, told `exit` as soon as it
    has recorded for `seconds`; `romfs`: the code is in a read-only partition (which here is a part of the heap, in use
    before the program). RuntimeError: what it said, when it did not get so far.
    """
    pipes = {"requests": str(work / "requests"), "answers": str(work / "answers")}
    for path in pipes.values():
        os.mkfifo(path)
    hardware = VirtualBoard(world_for(config) | {"main": "sensors"}, work / "hardware")
    program = (BENCH / "sensors.py").read_bytes()
    hardware.install(files={"/sensors.py": program, "/pipes.json": json.dumps(pipes).encode()})
    secrets = json.dumps({"wifi": dict.fromkeys(config.get("network", {}).get("wifi", []))}).encode()
    content = wanted_files(config, secrets, architecture(micropython)) | files_for(config) | (files or {})
    content.pop(MAIN)
    board = work / "board"
    board.mkdir()
    if romfs:
        content = beyond_rom(content, sha256(content[CODE]))
        (board / "romfs.img").write_bytes(rom_image(architecture(micropython)))
    image.write_tree(board / "flash.bin", content, size_kb=FLASH_KB)
    await hardware.start()
    try:
        return await _run(micropython, board, pipes, main, seconds, timeout_s)
    finally:
        await hardware.kill()


async def _run(
    micropython: Path, board: Path, pipes: dict, main: str, seconds: float | None, timeout_s: float
) -> Said:
    port = board / "bare"
    port.mkdir(exist_ok=True)
    sources = {path.name: path for path in (BENCH / "bare").glob("*.py")}
    for name, data in compile_files(sources, micropython).items():
        (port / name).write_bytes(data)
    environment = os.environ | {
        "MICROPYPATH": f"{port}:.frozen", "MOTELOG_IMAGE": str(board / "flash.bin"), "MOTELOG_MAIN": main,
        "MOTELOG_REQUESTS": pipes["requests"], "MOTELOG_ANSWERS": pipes["answers"],
    }  # fmt: skip
    rom = board / "romfs.img"
    if rom.exists():
        environment["MOTELOG_ROMFS"] = str(rom)
    process = await asyncio.create_subprocess_exec(
        str(micropython), "-X", f"heapsize={HEAP_KB}K", "-c", "import start; start.run()",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        cwd=board, env=environment, limit=1 << 20, start_new_session=True,
    )  # fmt: skip
    said = Said()
    try:
        async with asyncio.timeout(timeout_s):
            async for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                _take(said, line)
                status = said.lines[-1] if line.startswith("@") else {}
                if seconds is not None and status.get("state") == "recording" and status["seconds"] >= seconds:
                    process.stdin.write(b"exit\n")
            code = await process.wait()
    except TimeoutError:
        code = None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if code or len(said.names) < 2:
        raise RuntimeError("\n".join(said.log[-20:]) or f"the board ended with {code}")
    return said


def _take(said: Said, line: str) -> None:
    if found := _NAMES.match(line):
        said.names.append(int(found[1]))
    elif line.startswith("@"):
        said.lines.append(json.loads(line[1:]))
        said.before = said.lines[-1].get("before", said.before)
    else:
        said.log.append(line)


class SlowServer:
    """Takes every PUT and answers 201 after `delay_s`, so that whoever uploads is seen in the middle of it."""

    def __init__(self, delay_s: float = 1.2):
        self._delay_s = delay_s
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """-> its port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(re.search(rb"Content-Length: (\d+)", head)[1])
                if b"100-continue" in head:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await reader.readexactly(size)
                await asyncio.sleep(self._delay_s)
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        writer.close()
