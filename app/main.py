"""The composition root: reads like the board's parts list, in power-up order."""

import asyncio
import gc
import sys

from app import status
from app.clock import Clock
from app.control import Control
from app.loop import Loop
from app.session import Session
from storage.spool import Spool

CONFIG = "/config.json"
SECRETS = "/secrets.json"
LAST_GOOD = "/config.good.json"
# Code that a Board is made with, and no more needed then.
FOR_BOOT = ("app.network", "app.parts", "transport.endpoint")


class Board:
    """Everything that exists once on a board. ``shown``: the configuration as it may stand in session.json.

    ``session``: the latest one, or None. ``state``: see app.loop; ``why``: what led to it, where that is not plain.
    """

    def __init__(self, config, secrets, shown):
        from app.parts import build_streams

        self.clock = Clock()
        self.streams, absent = build_streams(config, self.clock, status.log)
        gc.collect()  # here and below: or what lives long comes to lie among garbage, with no large hole left
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
        forget("storage.recovery")
        self._facts = {
            "device": config["device"],
            "config": shown,
            "code": _first_line("/code.sha256"),
            "micropython": sys.version,
            "absent": absent,
        }
        self.session = None
        self.state = "idle"
        self.why = None
        self.control = Control(self)
        gc.collect()
        from app import network

        upload = config["upload"]
        self.wifi = network.wifi(config["network"], secrets, status.log) if upload else None
        self.shipper = self.sntp = self.ble = None
        if upload:
            fixes = network.fixes(self.clock, self.spool, status.log)
            self.shipper = network.shipper(upload, secrets, self.spool, self.wifi, self._obey_mqtt, status.log, fixes)
            self.sntp = network.sntp(config["network"]["ntp"], self.wifi, fixes)
            self.ble = network.ble(upload, self.spool, self._obey_ble, self._say_state, status.log, fixes)
        self.duration_s = config["schedule"]["duration_s"]

    def begin_session(self):
        """Begin another recording. OSError: the flash does not take it."""
        session = Session(self.spool, self.streams, self.clock, self._facts)
        session.begin()
        self.session = session

    def snapshot(self):
        """-> the status as a dict."""
        snapshot = status.snapshot(self.state, self.session, self.spool, self.shipper, self.wifi)
        if self.ble:
            snapshot["ble"] = self.ble.status()
        if self.why:
            snapshot["why"] = self.why
        if self.sntp:
            snapshot["sntp"] = self.sntp.status()
        if self.shipper:
            self.shipper.report(snapshot)
        return snapshot

    def _obey_mqtt(self, line):
        return self.control.do(line, "mqtt")

    def _obey_ble(self, line):
        return self.control.do(line, "ble")

    def _say_state(self):
        return self.state

    def reset(self):
        """Start the board anew; does not return."""
        import machine

        status.log("reset")
        machine.reset()


def _first_line(path):
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return None


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


def forget(name):
    """Let go of a package or module that is needed at boot only: the configuration's rules, for one, take 55 KB of
    heap on the 64-bit port.
    """
    for loaded in list(sys.modules):
        if loaded == name or loaded.startswith(name + "."):
            del sys.modules[loaded]
    package, _, module = name.rpartition(".")
    if hasattr(sys.modules.get(package), module):
        delattr(sys.modules[package], module)
    gc.collect()


def _board():
    """-> the Board, or None when there is no usable configuration."""
    configuration = _configuration()
    forget("config")
    if configuration is None:
        return None
    board = Board(*configuration)
    for name in FOR_BOOT:
        forget(name)
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
    loop = Loop(board)
    try:
        if not board.streams:
            status.log("no sensor answers: nothing to record")
            asyncio.run(loop.ship_only())
            return 1
        asyncio.run(loop.run())
    except KeyboardInterrupt:
        if board.state == "recording":
            asyncio.run(board.session.end("stop"))
    return 1 if board.session and board.session.failure else 0
