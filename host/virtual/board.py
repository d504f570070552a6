"""A virtual board as seen from the laptop: a MicroPython process, its flash image, its console."""

import asyncio
import copy
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from host import libs
from host.board_files import PACKAGES, board_files, code_sha256
from host.virtual import image
from host.virtual.compiler import compile_files, find_micropython

HERE = Path(__file__).parent
POWER_CUT = 77  # the world's flash.cut_at was reached
RESET = 70  # the program called machine.reset()
_STATUS = "@"


class VirtualBoard:
    """`world`: see docs/architecture.md; `workdir`: a folder for the image and compiled files.

    In `world`, `flash.image` defaults to flash.bin in `workdir`; a source's `file` is relative to the current folder.
    Call `install()`, then `start()`, read `lines()` to their end, `wait()`. It may be started again and again on the
    same flash. `status`: the last status line, parsed; `log`: the other lines of the last start.
    """

    def __init__(self, world: dict, workdir: Path | str, heap_kb: int = 384):
        self.workdir = Path(workdir).resolve()
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.world = _absolute(world, self.workdir)
        self.heap_kb = heap_kb
        self.image = Path(self.world["flash"]["image"])
        self.block_size = self.world["flash"].get("block_size", 4096)
        self.micropython = find_micropython()
        self.status: dict = {}
        self.log: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._said_exit: int | None = None

    def install(
        self, *, config: dict | None = None, secrets: dict | None = None, files: dict[str, bytes] | None = None
    ) -> None:
        """Put the repository's board-side code, the configuration and `files` ({"/name": content}) on the flash.

        Packages that the configuration needs come with them, as far as they are in the cache of `deploy.py libs`. A
        flash image that exists is kept: code is replaced, recordings stay.
        """
        sources = board_files()
        packages = [package for package in libs.needed(config) if libs.is_present(package)]
        added = {f"lib/{target}": path for package in packages for target, path in libs.files_of(package)}
        content = {f"/{name}": data for name, data in compile_files(sources | added, self.micropython).items()}
        content["/code.sha256"] = code_sha256(sources).encode()
        for name, value in (("/config.json", config), ("/secrets.json", secrets)):
            if value is not None:
                content[name] = json.dumps(value).encode()
        content |= files or {}
        folders = tuple(f"/{package}" for package in PACKAGES)
        size_kb = self.world["flash"]["size_kb"]
        image.write_tree(self.image, content, size_kb=size_kb, block_size=self.block_size, folders=folders)

    async def start(self) -> None:
        """Power on."""
        if self._process and self._process.returncode is None:
            raise RuntimeError("the board is running")
        environment = self.environment()
        self.status, self.log, self._said_exit = {}, [], None
        self._process = await asyncio.create_subprocess_exec(
            *self.command(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, cwd=self.workdir, env=environment, start_new_session=True, limit=1 << 20,
        )

    def command(self) -> list[str]:
        """What starts the board's process."""
        return [str(self.micropython), "-X", f"heapsize={self.heap_kb}K", "-c", "import boot; boot.run()"]

    def environment(self) -> dict[str, str]:
        """The environment of the board's process; its firmware is compiled and its world written."""
        port = self.workdir / "port"
        _compile_port(port, self.micropython)
        world = self.workdir / "world.json"
        world.write_text(json.dumps(self.world))
        return os.environ | {"MICROPYPATH": f"{port}:.frozen", "MOTELOG_WORLD": str(world)}

    async def lines(self) -> AsyncIterator[str]:
        """What the board prints, line by line, until it ends."""
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip("\r\n")
            if not self._take_status(line):
                self.log.append(line)
            yield line

    def _take_status(self, line: str) -> bool:
        if not line.startswith(_STATUS):
            return False
        try:
            status = json.loads(line[1:])
        except ValueError:
            return False  # cut off by the end of the process
        self._said_exit = status.get("exit", self._said_exit)
        self.status = status
        return True

    async def wait(self) -> int:
        """The exit code, once it has ended: the program's own, POWER_CUT, RESET, or minus a signal's number."""
        async for _ in self.lines():
            pass
        code = await self._process.wait()
        return self._said_exit if code == -signal.SIGKILL and self._said_exit is not None else code

    async def stop(self) -> None:
        """Ask the program to end its recording; it then ships what it has and ends."""
        await self.type("exit")

    async def type(self, line: str) -> None:
        """Type a line on its console: see app/control.py for what it understands."""
        if self._process.returncode is None:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()

    async def kill(self) -> None:
        """Take the power away, now."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def files(self) -> dict[str, bytes]:
        """{"/name": content} of all files on the flash."""
        return image.read_tree(self.image, self.block_size)


def _absolute(world: dict, workdir: Path) -> dict:
    """The world with absolute paths; the board's process has a folder of its own."""
    world = copy.deepcopy(world)
    flash = world.setdefault("flash", {})
    flash["image"] = str(workdir / flash.get("image", "flash.bin"))
    flash.setdefault("size_kb", 1024)
    parts = [chip for bus in ("i2c", "spi") for chips in world.get(bus, {}).values() for chip in chips]
    for part in parts + list(world.get("i2s", {}).values()):
        if "file" in part["source"]:
            part["source"]["file"] = str(Path(part["source"]["file"]).resolve())
    return world


def _compile_port(folder: Path, micropython: Path) -> None:
    """The firmware: port/*.py and the package of chips, compiled unless that has been done."""
    sources = {path.name: path for path in (HERE / "port").glob("*.py")}
    sources |= {f"chips/{path.name}": path for path in (HERE / "chips").glob("*.py")}
    made_from = folder / "sha256"
    wanted = code_sha256(sources)
    if made_from.exists() and made_from.read_text() == wanted:
        return
    for name, content in compile_files(sources, micropython).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    made_from.write_text(wanted)
