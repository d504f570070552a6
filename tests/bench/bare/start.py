"""Power-on of a board whose heap is measured: mounts its flash, says what is in use before the program, runs it, and
says how large the names are.

The interpreter's own `time`, `select`, `socket`, `tls` and `asyncio` are the firmware's, as on a board; `machine` and
`network` here are a few hundred bytes. So the heap holds the program and what it makes, and of the hardware next to
nothing.
"""

import gc
import json
import os
import sys

import machine
import micropython
import network  # noqa: F401
import vfs


class Disk:
    """An image on the host as a block device; allocates nothing."""

    def __init__(self, path, block_size=4096):
        self._file = open(path, "r+b")
        self._block_size = block_size
        self._blocks = self._file.seek(0, 2) // block_size
        self._erased = b"\xff" * 256

    def readblocks(self, block, buf, offset=0):
        self._file.seek(block * self._block_size + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=0):
        self._file.seek(block * self._block_size + offset)
        self._file.write(buf)

    def ioctl(self, op, block):
        if op == 4:
            return self._blocks
        if op == 5:
            return self._block_size
        if op == 6:
            self._file.seek(block * self._block_size)
            for _ in range(self._block_size // len(self._erased)):
                self._file.write(self._erased)
        return 0


def run():
    machine.requests = open(os.getenv("MOTELOG_REQUESTS"), "wb")
    machine.answers = open(os.getenv("MOTELOG_ANSWERS"), "rb")
    image = os.getenv("MOTELOG_ROMFS")
    rom = open(image, "rb").read() if image else None
    filesystem = vfs.VfsLfs2(Disk(os.getenv("MOTELOG_IMAGE")))
    vfs.umount("/")
    vfs.mount(filesystem, "/")
    sys.path[:] = ["", ".frozen", "/lib", "/rom"]
    if rom:
        vfs.mount(vfs.VfsRom(rom), "/rom")
    micropython.qstr_info()
    gc.collect()
    print("@" + json.dumps({"before": gc.mem_alloc(), "heap": gc.mem_alloc() + gc.mem_free()}))
    code = __import__(os.getenv("MOTELOG_MAIN"), None, None, ("run",)).run()
    micropython.qstr_info()
    sys.exit(code)
