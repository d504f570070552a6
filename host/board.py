"""`deploy.py board`: a virtual board in the foreground, for anybody without hardware.

Without a configuration it is as new, with sensors wired to it: mpremote and `push` work on its port. With one it has
the repository's code and records at once.
"""

import argparse
import hashlib
import json
import secrets
import signal
import sys
import tempfile
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from host import mistakes
from host.demo_plan import FLASH_KB
from host.virtual import VirtualBoard
from host.virtual.board import POWER_CUT
from host.virtual.compiler import CompileError
from host.virtual.console import Console
from host.virtual.image import ImageError
from host.virtual.world import files_for, world_for

EXAMPLE = Path(__file__).parent.parent / "config" / "examples" / "virtual.json"


class UserError(Exception):
    """A mistake in the call, in one sentence."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run a virtual board: MicroPython with a small heap, modelled sensors, and a flash image as its only disk. Its "
        "first line says the port, on which mpremote, push, pull and monitor work. Without --config it is empty and "
        "runs until Ctrl-C. With --config it records at once and runs until the recording ends: Ctrl-C, or the line "
        "'exit' on its port, ends it."
    )
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="install this configuration and record (default: an empty board)")
    add("--sensors", type=Path, default=EXAMPLE, metavar="FILE",
        help="configuration whose sensors are wired to an empty board (default config/examples/virtual.json)")
    add("--secrets", type=Path, metavar="FILE", help="secrets file of the board")
    add("--imu", type=Path, metavar="FILE.npy", help="motion, int16 (n, 3) or (n, 6); default synthesised")
    add("--mic", type=Path, metavar="FILE.wav", help="sound, mono 16-bit; default a tone")
    add("--world", type=Path, metavar="FILE", help="world file (JSON) instead of what fits the configuration")
    add("--flash", type=Path, metavar="FILE", help="flash image, made if absent and kept (default: a temporary one)")
    add("--flash-kb", type=int, default=4096, metavar="KB", help="size of the flash (default 4096)")
    add("--clock", choices=("real", "virtual"), help="virtual: as fast as it goes (default real, or the world file's)")
    add("--seconds", type=float, metavar="S", help="length of the recording (default: what the configuration says)")
    add("--url", metavar="URL", help="collector to upload to; without it nothing is uploaded")
    add("--ca", type=Path, metavar="FILE", help="certificate (PEM or DER) that vouches for the collector")


def run(args: argparse.Namespace) -> int:
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup: the board's process is to hear its hang-up
        signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        if not FLASH_KB[0] <= args.flash_kb <= FLASH_KB[1]:
            raise UserError(f"--flash-kb {args.flash_kb}: from {FLASH_KB[0]} to {FLASH_KB[1]}")
        with tempfile.TemporaryDirectory(prefix="motelog-board-") as work:
            console = Console(_board(args, work), _print if args.config else None)
            return _serve(console, empty=not args.config)
    except (UserError, ImageError, CompileError, OSError) as error:
        return mistakes.report("board", error)


def _board(args: argparse.Namespace, work: str) -> VirtualBoard:
    """The board, off. A configured one has everything on its flash."""
    if not args.config:
        if args.url or args.secrets or args.seconds is not None:
            raise UserError("--url, --secrets and --seconds go with --config; an empty board gets them by `push`")
        world = _world(args, _json(args.sensors), args.sensors)
        world.pop("main", None)
        world.setdefault("unique_id", _unique_id(args.flash))
        return VirtualBoard(world, work)
    config, files = _configuration(args)
    world = {"main": "app.main"} | _world(args, config, args.config)
    passwords = _json(args.secrets) if args.secrets else {}
    board = VirtualBoard(world, work)
    board.install(config=config, secrets=passwords, files=files | files_for(config))
    return board


def _unique_id(flash: Path | None) -> str:
    """Two boards are never the same one; a board whose flash is kept stays who it is."""
    if flash is None:
        return secrets.token_hex(6)
    return hashlib.sha256(str(flash.resolve()).encode()).hexdigest()[:12]


def _serve(console: Console, empty: bool) -> int:
    """Until the board ends for good. Ctrl-C ends an empty one; a configured one is asked to stop first, and a second
    Ctrl-C takes the power away.
    """
    print(console.port, flush=True)
    print(f"board: on the port {console.port}; Ctrl-C ends it", file=sys.stderr)
    ended: list[int | OSError] = []
    done = threading.Event()  # a join that Ctrl-C interrupted takes the thread for ended (CPython 3.11)
    threading.Thread(target=_run, args=(console, ended, done)).start()
    try:
        done.wait()
    except KeyboardInterrupt:
        if not empty:
            print("board: stopping; Ctrl-C again switches it off", file=sys.stderr)
            console.type(b"exit\n")
            done.wait()
    finally:
        console.end()
        done.wait()
    if isinstance(ended[0], OSError):
        raise ended[0]
    if ended[0] == POWER_CUT:
        print("board: the power was cut, as the world file says", file=sys.stderr)
    return ended[0] if ended[0] in (0, 1, 2) else 1


def _run(console: Console, ended: list, done: threading.Event) -> None:
    try:
        ended.append(console.run())
    except OSError as error:
        ended.append(error)
    finally:
        done.set()


def _print(data: bytes) -> None:
    sys.stdout.write(data.decode(errors="replace").replace("\r\n", "\n"))
    sys.stdout.flush()


def _configuration(args: argparse.Namespace) -> tuple[dict, dict[str, bytes]]:
    """-> the configuration as it goes to the board, and further files for its flash."""
    config = _json(args.config)
    config.pop("$schema", None)
    if args.seconds is not None:
        config["schedule"] = {**config.get("schedule", {}), "duration_s": args.seconds}
    upload = config.pop("upload", {})
    if not args.url:
        return config, {}
    files = {}
    https = {"url": args.url}
    if args.ca:
        https["ca_file"] = "/ca.der"
        files["/ca.der"] = _der(args.ca)
    config["upload"] = {**upload, "https": https}
    return config, files


def _world(args: argparse.Namespace, config: dict, path: Path) -> dict:
    if args.world:
        world = _json(args.world)
        world.setdefault("flash", {})
        if args.flash:
            world["flash"]["image"] = str(args.flash.resolve())
        if args.clock:
            world["clock"] = args.clock
        return world
    for path in (args.imu, args.mic):
        if path and not path.is_file():
            raise UserError(f"{path}: there is no such file")
    how = {"imu": args.imu, "mic": args.mic, "clock": args.clock or "real"}
    try:
        return world_for(config, **how, flash_kb=args.flash_kb, flash_image=args.flash)
    except (KeyError, TypeError, AttributeError) as error:
        hint = f"`deploy.py check {path}` says what is wrong"
        raise UserError(f"{path}: no world fits it ({error!r}): {hint}") from None


def _json(path: Path) -> dict:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(mistakes.about(path, error, "cannot be read as JSON")) from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: holds a JSON {type(data).__name__}; an object is needed")
    return data


def _der(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        is_pem = data.startswith(b"-----")
        found = x509.load_pem_x509_certificate(data) if is_pem else x509.load_der_x509_certificate(data)
        return found.public_bytes(serialization.Encoding.DER)
    except (OSError, ValueError) as error:
        raise UserError(mistakes.about(path, error, "cannot be read as a certificate")) from None
