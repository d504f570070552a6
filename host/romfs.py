"""`python -m host.romfs BOARD FILE`: the code of a kind of board as an image for its read-only partition (docs/ram.md).

Code in ROMFS (MicroPython 1.25) is run where it lies in flash, so that it takes heap for objects only. `mpremote romfs
deploy FILE` writes the image; `push` then leaves the code out.
"""

import sys
from pathlib import Path

from mpremote.romfs import VfsRomWriter

from config.board_model import board
from host.board_files import board_files, code_sha256
from host.virtual.compiler import compile_shrunk

CODE = "code.sha256"  # of what is in the image, at its top


def image(arch: str | None) -> bytes:
    """-> the image, for mpy-cross's `-march=arch`. Raises CompileError."""
    sources = board_files()
    writer = VfsRomWriter()
    writer.mkfile(CODE, code_sha256(sources).encode())
    folders: dict[str, dict[str, bytes]] = {}
    for name, content in sorted(compile_shrunk(sources, arch).items()):
        folder, _, file = name.rpartition("/")
        folders.setdefault(folder, {})[file] = content
    for folder, files in folders.items():
        writer.opendir(folder)
        for name, content in files.items():
            writer.mkfile(name, content)
        writer.closedir()
    return bytes(writer.finalise())


if __name__ == "__main__":
    firmware = board(sys.argv[1]).firmware
    content = image(firmware.mpy_arch)
    Path(sys.argv[2]).write_bytes(content)
    room = f"{firmware.romfs_kb} KB" if firmware.romfs_kb else "none in the official firmware"
    print(f"{sys.argv[2]}: {len(content) / 1024:.1f} KB; the board's partition: {room}")
