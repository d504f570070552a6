"""What push asks of a board: facts, hashes, staged files, the switch. Each is one small program in its raw REPL."""

import ast
import base64
import json
from dataclasses import dataclass

from host.push.wire import BoardError, Wire, WireError

STAGE = "/.motelog"  # board_main.py has it, too
CHUNK = 1536  # bytes of a file in one program: its text and its base64 fit into any board's heap
ENOSPC, EROFS, EPERM, EACCES = 28, 30, 1, 13
DAMAGED = (5, 19, 84)  # EIO, ENODEV; EILSEQ: LittleFS's LFS_ERR_CORRUPT
OLDEST = (1, 24)
ARCHITECTURES = (  # py/persistentcode.h, MP_NATIVE_ARCH_...
    None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip


class Refused(Exception):
    """The board is not changed, or not further: why, and what would be right, in a sentence."""


@dataclass(frozen=True)
class Facts:
    """`mpy`: version and sub-version of .mpy files; `arch`: of native code, or None; sizes in bytes."""

    platform: str
    machine: str
    micropython: tuple[int, int, int]
    mpy: tuple[int, int]
    arch: str | None
    unique_id: str
    free: int
    block: int
    heap: int

    def __str__(self):
        version = ".".join(map(str, self.micropython))
        return f"{self.machine}, MicroPython {version}, native code {self.arch or 'none'}"


def facts(wire: Wire) -> Facts:
    """Who is there. Raises Refused when Motelog cannot run there."""
    told = ast.literal_eval(wire.run(_FACTS))
    platform, machine, version, mpy, unique_id, disk, heap = told
    if version[:2] < OLDEST:
        raise Refused(
            f"{wire.port}: MicroPython {version[0]}.{version[1]} is too old: put 1.24 or newer on the board "
            "(micropython.org/download)"
        )
    if disk is None:
        raise Refused(
            f"{wire.port}: the board has no working file system at /: it was never formatted or is damaged; put its "
            "firmware on anew after an erase (that deletes what is on it)"
        )
    number = mpy >> 10 & 0xF  # above that: flags of RISC-V extensions
    if number >= len(ARCHITECTURES):
        raise Refused(f"{wire.port}: native code of kind {number} is unknown to this Motelog")
    return Facts(
        platform, machine, tuple(version), (mpy & 0xFF, mpy >> 8 & 3), ARCHITECTURES[number], unique_id,
        disk[0] * disk[1], disk[0], heap,
    )


def hashes(wire: Wire, paths: list[str]) -> dict[str, str]:
    """{path: SHA-256 in hex} of those that are there, computed by the board."""
    found = {}
    for start in range(0, len(paths), 24):
        wire.run(_HASHES + f"h({paths[start : start + 24]!r})", quiet_s=60, consumer=(said := bytearray()).extend)
        for line in said.decode().split():
            path, _, digest = line.rpartition("=")
            found[path] = digest
    return found


def manifest(wire: Wire) -> dict[str, str] | None:
    """{path: SHA-256} of what the last push has put there; None: nothing ever was, or its record is damaged."""
    text = wire.run(_MANIFEST)
    try:
        told = json.loads(text)
        return dict(told["files"]) if told else None
    except (ValueError, KeyError, TypeError):
        return None


def stage(wire: Wire, path: str, content: bytes, progress) -> None:
    """Write a file in pieces."""
    wire.run(f"from binascii import a2b_base64 as a\nf=open({path!r},'wb')\nw=f.write")
    for start in range(0, len(content), CHUNK):
        piece = content[start : start + CHUNK]
        wire.run(f"n=w(a('{base64.b64encode(piece).decode()}'))\nif n!={len(piece)}: raise OSError(28)", quiet_s=30)
        progress(len(piece))
    wire.run("f.close()", quiet_s=30)


def begin(wire: Wire, paths: list[str]) -> None:
    """Folders for `paths`, and a note of what will be staged beside them; what an earlier push left behind, and had not
    committed, goes.
    """
    wire.run(_CLEAN, quiet_s=60)
    stage(wire, f"{STAGE}/staged", json.dumps(paths).encode(), lambda _: None)
    folders = sorted({path[:at] for path in paths for at in range(1, len(path)) if path[at] == "/"})
    for start in range(0, len(folders), 24):
        wire.run(f"for p in {folders[start : start + 24]!r}:\n try: os.stat(p)\n except OSError: os.mkdir(p)")


def commit(wire: Wire, journal: dict) -> None:
    """The switch: after this rename the board has the new version, whatever happens."""
    text = json.dumps(journal)
    stage(wire, f"{STAGE}/journal.new", text.encode(), lambda _: None)
    wire.run(f"import os\nos.rename('{STAGE}/journal.new','{STAGE}/journal')", quiet_s=30)


def complete(wire: Wire, stub: str) -> None:
    """What main.py does at boot with a journal."""
    wire.run(stub.replace('__name__ == "__main__"', "False") + "\ncomplete()", quiet_s=60)


def discard(wire: Wire) -> None:
    """Take back what was staged, as far as that works."""
    try:
        wire.run(_CLEAN, quiet_s=60)
    except WireError:
        pass


def set_clock(wire: Wire, utc: tuple) -> None:
    """`utc`: (year, month, day, weekday, hour, minute, second, 0)."""
    wire.run(f"import machine\nmachine.RTC().datetime({utc!r})")


def forget_bad_starts(wire: Wire) -> None:
    """What kept an older version from starting counts no more (app/guard.py): a new one does not begin in safe mode."""
    wire.run("import os\ntry: os.remove('/boots.json')\nexcept OSError: pass")


def told(error: BoardError, port: str) -> str:
    """What it means that the board raised, and what to do."""
    if error.errno == ENOSPC:
        return f"{port}: the board's flash is full: `deploy.py pull --delete` makes room"
    if error.errno in (EROFS, EACCES, EPERM):
        return f"{port}: the board's file system takes no files (read-only): is it shown as a USB drive, or protected?"
    if error.errno in DAMAGED:
        return (
            f"{port}: the board's file system is damaged ({error.trace.splitlines()[-1]}): `deploy.py pull` saves what "
            "can be read; then erase its flash, put the firmware on anew and push"
        )
    return str(error)


_FACTS = """
import sys, os, gc
def i():
    try:
        from machine import unique_id
        from binascii import hexlify
        return hexlify(unique_id()).decode()
    except Exception:
        return ''
def d():
    try:
        s = os.statvfs('/')
        os.listdir('/')
        return (s[0], s[3] if 0 <= s[3] <= s[2] else 0) if s[0] else None
    except OSError:
        return None
gc.collect()
v = sys.implementation
print((sys.platform, getattr(v, '_machine', sys.platform), tuple(v.version[:3]), getattr(v, '_mpy', 0), i(), d(),
    gc.mem_free() + gc.mem_alloc()))
"""
_MANIFEST = f"""
try:
    print(open('{STAGE}/manifest').read())
except (OSError, ValueError):
    print('null')
"""
_HASHES = """
import hashlib, binascii
def h(paths):
    b = memoryview(bytearray(512))
    for p in paths:
        try:
            f = open(p, 'rb')
        except OSError:
            continue
        s = hashlib.sha256()
        while True:
            n = f.readinto(b)
            if not n:
                break
            s.update(b[:n])
        f.close()
        print(p + '=' + binascii.hexlify(s.digest()).decode())
"""
_CLEAN = f"""
import os, json
try:
    os.mkdir('{STAGE}')
except OSError as e:
    if e.errno != 17:
        raise
try:
    with open('{STAGE}/staged') as f:
        old = json.load(f)
except (OSError, ValueError):
    old = []
for p in old + ['{STAGE}/journal']:
    try:
        os.remove(p + '.new')
    except OSError:
        pass
"""
