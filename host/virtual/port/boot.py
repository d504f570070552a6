"""The virtual board's firmware: wires the hardware, mounts the flash at `/`, and runs the program on it.

Started as `micropython -X heapsize=384K -c "import boot; boot.run()"` with this folder first in MICROPYPATH and the
world file's path in MOTELOG_WORLD. The program is `app.main`'s `run()`, or the module that the world's `main` names.
Its result is the exit code. All port modules are imported here, because the host's files are out of reach once the
flash is mounted.
"""

import gc
import os
import select
import socket
import sys
import time

import machine
import network
import vfs
import wiring
from hardware import board

FIRMWARE = (machine, network, select, socket, time)  # in memory from here on
if "bluetooth" in board.world:
    import bluetooth  # noqa: F401
if board.port == "esp32":
    import esp32  # noqa: F401


def _mount():
    device, new = wiring.flash()
    if new:
        vfs.VfsLfs2.mkfs(device)
    try:
        fs = vfs.VfsLfs2(device)
    except OSError as error:
        reason = f"no file system on the flash image ({error}); it is not formatted, its data might be wanted"
        raise ValueError(reason) from None
    vfs.umount("/")
    vfs.mount(fs, "/", readonly=board.world["flash"].get("read_only", False))
    sys.path[:] = ["", ".frozen", "/lib"]
    return device


def run():
    """Power on. Ends the process."""
    console = os.getenv("MOTELOG_CONSOLE")
    if console:
        import repl

        repl.install()
    try:
        wiring.connect()
        board.flash = _mount()
    except (OSError, ValueError, KeyError) as error:
        print(f"virtual board: {error}")
        if not console:
            sys.exit(2)
        vfs.umount("/")  # the host's: a board whose flash cannot be mounted has a REPL and nothing else
    gc.collect()
    if console:
        repl.boot(console == "raw", _run_main if "main" in board.world else None)
    sys.exit(_run_main())


def _run_main():
    print(f"virtual board: {gc.mem_alloc()} of {gc.mem_alloc() + gc.mem_free()} heap bytes in use before the program")
    name = board.world.get("main", "app.main")
    try:
        return __import__(name, None, None, ("run",)).run() or 0
    finally:
        board.life.save(board)
