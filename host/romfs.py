"""`python -m host.romfs BOARD FILE`: the code of a kind of board as an image for its read-only partition (docs/ram.md).

Code in ROMFS (MicroPython 1.25) is run where it lies in flash, so that it takes heap for objects only. `mpremote romfs
deploy FILE` writes the image; `push` then leaves the code out.
"""

import argparse
import sys
from pathlib import Path

from mpremote.romfs import VfsRomWriter

from config import board_model
from host import mistakes
from host.board_code import board_code

CODE = "code.sha256"  # of what is in the image, at its top


def image(arch: str | None) -> bytes:
    """-> the image, for mpy-cross's `-march=arch`. Raises CompileError."""
    code = board_code(arch)
    writer = VfsRomWriter()
    writer.mkfile(CODE, code.sha256.encode())
    folders: dict[str, dict[str, bytes]] = {}
    for name, content in sorted(code.files.items()):
        folder, _, file = name.rpartition("/")
        folders.setdefault(folder, {})[file] = content
    for folder, files in folders.items():
        writer.opendir(folder)
        for name, content in files.items():
            writer.mkfile(name, content)
        writer.closedir()
    return bytes(writer.finalise())


def main(argv: list[str]) -> int:
    """0: the image is written; 2: the call is wrong, or the file cannot be written."""
    parser = argparse.ArgumentParser("python -m host.romfs", description="Motelog's code as an image for ROMFS.")
    parser.add_argument("board", metavar="BOARD", choices=board_model.names(), help=", ".join(board_model.names()))
    parser.add_argument("file", metavar="FILE", type=Path, help="where to put the image")
    args = parser.parse_args(argv)
    firmware = board_model.board(args.board).firmware
    content = image(firmware.mpy_arch)
    try:
        args.file.write_bytes(content)
    except OSError as error:
        return mistakes.report("romfs", error)
    room = f"{firmware.romfs_kb} KB" if firmware.romfs_kb else "none in the official firmware"
    print(f"{args.file}: {len(content) / 1024:.1f} KB; the board's partition: {room}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
