"""A virtual board as seen from the laptop: a MicroPython process, its flash image, its console."""

import asyncio
import copy
import functools
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from host import libs
from host.board_files import PACKAGES, board_files, code_sha256
from host.virtual import image
from host.virtual.compiler import compile_files, find_micropython, started

HERE = Path(__file__).parent
HEAP_KB = 512  # 64-bit objects take twice the room of a board's; about 105 KB of it are the stand-in hardware's own
POWER_CUT = 77  # the world's flash.cut_at was reached
RESET = 70  # the program called machine.reset(), or the watchdog bit
DEEP_SLEEP = 71  # the program called machine.deepsleep(), and nothing will wake it
_STATUS = "@"


class VirtualBoard:
    """`world`: see docs/architecture.md; `workdir`: a folder for the image and compiled files.

    In `world`, `flash.image` defaults to flash.bin in `workdir`; a source's `file` is relative to the current folder.
    Call `install()`, then `start()`, read `lines()` to their end, `wait()`. It may be started again and again on the
    same flash. `status`: the last status line, parsed; `log`: the other lines of the last start. `lines()` goes on over
    deep sleep, power cuts that the world plans, and, when it has `reboots`, resets: the process is started again.
    """

    def __init__(self, world: dict, workdir: Path | str, heap_kb: int = HEAP_KB):
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
        self._again_us: int | None = None  # of the world's time until it starts by itself
        self._life = self.workdir / "life.json"
        self._environment: dict[str, str] = {}
        self._lifeline: Lifeline | None = None

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
        everything = sources | added
        content = dict(_compiled(tuple(everything.items()), code_sha256(everything), self.micropython))
        content["/code.sha256"] = code_sha256(sources).encode()
        for name, value in (("/config.json", config), ("/secrets.json", secrets)):
            if value is not None:
                content[name] = json.dumps(value).encode()
        content |= files or {}
        folders = tuple(f"/{package}" for package in PACKAGES)
        size_kb = self.world["flash"]["size_kb"]
        image.write_tree(self.image, content, size_kb=size_kb, block_size=self.block_size, folders=folders)

    async def start(self, off_s: float | None = None) -> None:
        """Power on: in a new world, whose time begins now, or (`off_s`) in the old one so much later."""
        if self._process and self._process.returncode is None:
            raise RuntimeError("the board is running")
        if off_s is None:
            self._life.unlink(missing_ok=True)
        else:
            self._let_pass(off_s)
        self.status, self.log, self._environment = {}, [], self.environment(outlives=True)
        await self._begin()

    async def _begin(self) -> None:
        """Start the process."""
        self._said_exit = self._again_us = None
        self._process = await asyncio.create_subprocess_exec(
            *self.command(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, cwd=self.workdir, env=self._environment, start_new_session=True,
            limit=1 << 20,
        )  # fmt: skip

    def _let_pass(self, off_s: float) -> None:
        """The world's time goes on, and so does the RTC, while nothing runs."""
        kept = json.loads(self._life.read_text())
        kept["t_us"] += round(off_s * 1e6)
        kept["chips"] = {}
        kept["us_and_pieces"]["off_s"] += round(off_s * 1e6)
        if kept["rtc_us"]:
            kept["rtc_us"] += round(off_s * (1e6 + self.world.get("rtc_ppm", 0)))
        self._life.write_text(json.dumps(kept))

    def command(self) -> list[str]:
        """What starts the board's process."""
        return [*started(self.micropython), "-X", f"heapsize={self.heap_kb}K", "-c", "import boot; boot.run()"]

    def environment(self, outlives: bool = False) -> dict[str, str]:
        """The environment of the board's process; its firmware is compiled and its world written. `outlives`: the
        world's time, the RTC and counters go on over resets and deep sleep.
        """
        port = self.workdir / "port"
        _compile_port(port, self.micropython)
        world = self.workdir / "world.json"
        world.write_text(json.dumps(self.world | ({"life": str(self._life)} if outlives else {})))
        if self._lifeline is None:
            self._lifeline = Lifeline()
        return os.environ | {
            "MICROPYPATH": f"{port}:.frozen", "MOTELOG_WORLD": str(world), "MOTELOG_LIFELINE": self._lifeline.name,
        }  # fmt: skip

    async def lines(self) -> AsyncIterator[str]:
        """What the board prints, line by line, until it ends for good."""
        while True:
            async for raw in self._process.stdout:
                line = raw.decode(errors="replace").rstrip("\r\n")
                if not self._take_status(line):
                    self.log.append(line)
                yield line
            await self._process.wait()
            if self._again_us and self.world.get("clock", "real") == "real":
                await asyncio.sleep(self._again_us / 1e6)
            if self._again_us is None:  # looked at behind the pause, in which it may have been killed
                return
            await self._begin()

    def _take_status(self, line: str) -> bool:
        if not line.startswith(_STATUS):
            return False
        try:
            status = json.loads(line[1:])
        except ValueError:
            return False  # cut off by the end of the process
        self._said_exit = status.get("exit", self._said_exit)
        self._again_us = status.get("again_us")
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
        self._again_us = None
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def counters(self) -> dict[str, float]:
        """What it has done since the world began (host/virtual/port/life.py), up to its last sleep, reset or end."""
        return json.loads(self._life.read_text())["counters"]

    def files(self) -> dict[str, bytes]:
        """{"/name": content} of all files on the flash."""
        return image.read_tree(self.image, self.block_size)


class Lifeline:
    """A pseudo terminal that the board's process takes for its controlling terminal (port/hardware.py). Linux closes
    our end when this process ends, however it ends, and then hangs up: the board ends, too, even in a busy loop.
    """

    def __init__(self):
        self._end, theirs = os.openpty()
        self.name = os.ttyname(theirs)
        os.close(theirs)

    def __del__(self):
        os.close(self._end)


@functools.lru_cache(1)
def _compiled(sources: tuple[tuple[str, Path], ...], sha256: str, micropython: Path) -> dict[str, bytes]:
    """What has this hash, as it lies on the flash; not compiled again as long as nobody changes it."""
    return {f"/{name}": data for name, data in compile_files(dict(sources), micropython).items()}


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
