"""The composition root: reads like the board's parts list, in power-up order."""

import asyncio
import gc
import sys

from app import status
from app.clock import Clock
from app.session import Session
from storage.spool import Spool

CONFIG = "/config.json"
SECRETS = "/secrets.json"
LAST_GOOD = "/config.good.json"
FOR_BOOT = ("app.network", "app.parts", "storage.recovery")  # code that a Board is made with, and no more needed then
RETRY_S = 5
SHIP_AT_END_S = 120  # so long a finished recording waits for its collector; then it is left to the next start


class Board:
    """Everything that exists once on a board. ``shown``: the configuration as it may stand in session.json."""

    def __init__(self, config, secrets, shown):
        from app import network
        from app.parts import build_streams

        self.clock = Clock()
        self.streams, absent = build_streams(config, self.clock, status.log)
        storage = config["storage"]
        max_kb = storage["max_kb"]
        volume = None
        if storage["card"] is not None:
            from app.card import open_volume

            volume = open_volume(storage["card"], config["buses"], status.log)
        self.spool = Spool(
            storage["root"],
            config["device"],
            reserve_bytes=storage["reserve_kb"] * 1024,
            max_bytes=None if max_kb is None else max_kb * 1024,
            when_full=storage["when_full"],
            keep_acknowledged=storage["keep_acknowledged"],
            volume=volume,
        )
        for line in self.spool.recover():
            status.log("recovered " + line)
        facts = {
            "device": config["device"],
            "config": shown,
            "code": _first_line("/code.sha256"),
            "micropython": sys.version,
            "absent": absent,
        }
        self.session = Session(self.spool, self.streams, self.clock, facts)
        upload = config["upload"]
        self.wifi = network.wifi(config["network"]["wifi"], secrets, status.log) if upload else None
        self.shipper = network.shipper(upload, secrets, self.spool, self.wifi, status.log) if upload else None
        self.duration_s = config["schedule"]["duration_s"]

    def snapshot(self, state):
        """-> the status as a dict."""
        return status.snapshot(state, self.session, self.spool, self.shipper, self.wifi)


def _first_line(path):
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return None


async def _watch(board):
    """Print the status once a second, obey the console. -> why the session ends."""
    console = status.Console()
    session = board.session
    ticks = 0
    while True:
        await asyncio.sleep_ms(100)
        ticks += 1
        if ticks % 10 == 0:
            status.show(board.snapshot("recording"))
        if session.failure:
            return "error"
        if board.duration_s is not None and session.seconds() >= board.duration_s:
            return "duration"
        command = console.line()
        if command == "stop":
            return "stop"
        if command:
            status.log("unknown command %r; there is: stop" % command)


async def _begin(board):
    """Begin the session. While the flash has no room even for that, shipping may make some: it is tried again."""
    while True:
        try:
            board.session.begin()
            return
        except OSError as error:
            status.log("the flash takes no new session (%s): tried again in %d s" % (error, RETRY_S))
            status.show(board.snapshot("waiting"))
        await asyncio.sleep(RETRY_S)


async def _record(board):
    """One session from begin to the last upload."""
    tasks = _connect(board)
    await _begin(board)
    status.log("session %s: %s" % (board.session.name, ", ".join(stream.name for stream in board.streams)))
    reason = await _watch(board)
    await board.session.end(reason)
    await _ship_rest(board, tasks)


async def _ship_only(board):
    """Nothing can be recorded; what earlier sessions left is shipped all the same."""
    await _ship_rest(board, _connect(board))


def _connect(board):
    """-> the running tasks that join the Wi-Fi and ship, as far as the configuration has them."""
    return [asyncio.create_task(part.run()) for part in (board.shipper, board.wifi) if part]


async def _ship_rest(board, tasks):
    """Ship what is there, for a while; then end the tasks."""
    status.show(board.snapshot("shipping"))
    if board.shipper:
        await _cancel(tasks[0])
        await board.shipper.drain(SHIP_AT_END_S)
        await board.shipper.close()
    for task in tasks:
        await _cancel(task)
    status.show(board.snapshot("done"))


async def _cancel(task):
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


def _configuration():
    """-> (configuration, secrets, configuration without secrets), or None when there is no usable one; complaints are
    logged.
    """
    from config.loader import ConfigError, load, public

    try:
        loaded = load(CONFIG, LAST_GOOD, SECRETS)
    except ConfigError as error:
        _complain(error.errors)
        status.log("no usable configuration: nothing is recorded")
        return None
    _complain(loaded.errors)
    if loaded.fell_back:
        status.log("%s is refused: going on with the last good configuration" % CONFIG)
    return loaded.config, loaded.secrets, public(loaded.config)


def _complain(errors):
    for file, path, reason, remedy in errors:
        status.log("%s: %s %s (%s)" % (file, path or "the file", reason, remedy))


def _forget(name):
    """Let go of a package or module that is needed at boot only: the configuration's rules, for one, take 55 KB of
    heap on the 64-bit port.
    """
    for loaded in list(sys.modules):
        if loaded == name or loaded.startswith(name + "."):
            del sys.modules[loaded]
    package, _, module = name.rpartition(".")
    if package:
        delattr(sys.modules[package], module)
    gc.collect()


def _board():
    """-> the Board, or None when there is no usable configuration."""
    configuration = _configuration()
    _forget("config")
    if configuration is None:
        return None
    board = Board(*configuration)
    for name in FOR_BOOT:
        _forget(name)
    return board


def run():
    """Boot the recorder. -> exit code: 0 = recorded and closed, 1 = a sensor, the flash or the code failed, 2 = the
    configuration.
    """
    try:
        board = _board()
    except OSError as error:
        status.log("the flash does not work, or has no room: %s" % error)
        return 1
    if board is None:
        return 2
    try:
        if not board.streams:
            status.log("no sensor answers: nothing to record")
            asyncio.run(_ship_only(board))
            return 1
        asyncio.run(_record(board))
    except KeyboardInterrupt:
        if board.session.name:
            asyncio.run(board.session.end("stop"))
    return 1 if board.session.failure else 0
