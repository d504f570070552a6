"""Our code as a board gets it, shrunk and compiled: made once, whoever asks (the planner, push, the ROMFS image)."""

import functools
from dataclasses import dataclass

from host.board_files import board_files, code_sha256
from host.shrink import shrink
from host.virtual.compiler import compile_shrunk

NATIVE = "_viper"  # modules of that name hold native code; their plain twin serves where there is no emitter


@dataclass(frozen=True)
class BoardCode:
    """`sha256`: of the sources (host.board_files.code_sha256); `files`: {"app/main.mpy": content}, read-only."""

    sha256: str
    files: dict[str, bytes]


def board_code(arch: str | None) -> BoardCode:
    """For mpy-cross's `-march=arch`; None: a port without native code. Takes seconds, once. Raises CompileError."""
    return _made(code_sha256(board_files()), arch)


@functools.lru_cache(8)
def _made(sha256: str, arch: str | None) -> BoardCode:
    files = compile_shrunk(_shrunk(sha256), arch)
    return BoardCode(sha256, {name: content for name, content in files.items() if arch or NATIVE not in name})


@functools.lru_cache(1)
def _shrunk(sha256: str) -> dict[str, str]:
    """The same text for every architecture: the modules name each other, so all of them are shrunk at once."""
    return shrink(board_files())
