"""The composition root: reads like the board's parts list, in power-up order."""

import asyncio
import gc
import sys
import time

from app import status
from app.clock import Clock
from app.guard import Boots, Guard
from app.loop import Loop
from app.session import Session
from storage.spool import Spool

CONFIG = "/config.json"
SECRETS = "/secrets.json"
LAST_GOOD = "/config.good.json"
MOST_BOOTS = 10  # starts that ended in a bug, where not even the configuration could say how many


class Board:
    """Everything that exists once on a board. ``shown``: the configuration as it may stand in session.json.

    ``session``: the latest one, or None. ``state``: see app.loop; ``why``: what led to it, where that is not plain.
    """

    def __init__(self, config, secrets, shown, boots, boot_ms):
        # What is needed only to make a part is let go before the next one is made: the heap is small.
        from app.parts import build_streams

        self.clock = Clock()
        self.streams, absent = build_streams(config, self.clock, status.log)
        del build_streams
        forget("app.parts")
        schedule = config["schedule"]
        self.sleep = schedule["sleep"]
        watchdog_s = config["power"]["watchdog_s"]
        self.power = kept = None
        if self.sleep != "none" or watchdog_s is not None:
            from app.power import Power

            self.power = Power(config, self.clock, status.log)
            kept = self.power.left("spool")
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
            kept=kept,
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
            "reset_cause": boots.cause,
        }
        self.session = None
        self.state = "idle"
        self.why = boots.why
        self.orders = []  # for the loop to carry out
        self._control = None
        self.boots = boots
        self.boot_ms = boot_ms
        self.stops = config["stops"]
        self.guard = Guard(self.stops, self.streams)
        self.charge = (None, None)  # of the battery: percent, and whether it is being charged
        self.battery = None
        if config["power"]["battery"]:
            from app.battery import battery

            self.battery = battery(config["power"]["battery"], status.log)
        self._stall_ms = storage["stall_ms"]
        self.duration_s = schedule["duration_s"]
        names = [stream.name for stream in self.streams]
        trigger = schedule["trigger"] if schedule["trigger"] and schedule["trigger"]["stream"] in names else None
        if watchdog_s is not None:
            self.power.watch(int(watchdog_s * 1000))
        self.motion = None
        if trigger and trigger["kind"] == "motion":
            from app.motion import Motion

            watched = self.streams[names.index(trigger["stream"])]
            state = self.power.state().setdefault("motion", {})
            self.motion = Motion(config, watched, state, self.power.reason() == "motion", status.log)
            trigger = None
        self._trigger = trigger
        gc.collect()
        from app import network

        upload = config["upload"]
        self.wifi = network.wifi(config["network"], secrets, status.log) if upload else None
        self.shipper = self.sntp = self.ble = None
        if upload:
            fixes = network.fixes(self.clock, self.spool, status.log)
            if self.power:
                fixes.heard = self.power.heard
            self.shipper = network.shipper(upload, secrets, self.spool, self.wifi, self._obey_mqtt, status.log, fixes)
            self.sntp = network.sntp(config["network"]["ntp"], self.wifi, fixes)
            self.ble = network.ble(upload, self.spool, self._obey_ble, self._say_state, status.log, fixes)
        del network
        forget("app.network")
        forget("transport.endpoint")
        from app.timetable import timetable

        self.agenda, self.uploads = timetable(config, self)
        del timetable
        forget("app.timetable")

    def has_room(self):
        """-> whether the flash takes a segment of every stream, or can make room for it."""
        n_bytes = sum([stream.info.segment_bytes() for stream in self.streams])
        return self.spool.drop_oldest or self.spool.space.fits(n_bytes)

    def begin_session(self, by_hand):
        """Begin another recording. OSError: the flash does not take it."""
        reason = "by hand" if by_hand else self.motion.why if self.motion else "schedule"
        facts = dict(self._facts)
        facts["planned"] = self.agenda.describe(reason) if self.agenda else {"reason": reason}
        gate = None
        if self.motion and not by_hand:
            gate = self.motion.begin()
        elif self._trigger:
            from app.trigger import Gate

            gate = Gate(self._trigger, self.streams)
        session = Session(self.spool, self.streams, self.clock, facts, self.power and self.power.fix, gate)
        session.begin()
        self.session = session

    def doze(self):
        """-> what has the board sleep while this session records (app.doze.Doze), None: it stays awake."""
        if self.sleep == "none" or self._trigger:  # behind a trigger's gate the rings are never empty
            return None
        from app.doze import Doze

        doze = Doze(self.power, self.streams, self._stall_ms)
        return doze if doze.longest_ms else None

    def snapshot(self):
        """-> the status as a dict."""
        snapshot = status.snapshot(self.state, self.session, self.spool, self.shipper, self.wifi)
        if self.ble:
            snapshot["ble"] = self.ble.status()
        if self.why:
            snapshot["why"] = self.why
        if self.battery:
            snapshot["battery_pct"] = self.charge[0]
        if self.sntp:
            snapshot["sntp"] = self.sntp.status()
        if self.shipper:
            self.shipper.report(snapshot)
        return snapshot

    @property
    def control(self):
        """app.control.Control, loaded when the first command comes."""
        if self._control is None:
            from app.control import Control

            self._control = Control(self)
        return self._control

    def do(self, line, who="console"):
        """Obey a command line. -> (ok, text). See app/control.py."""
        try:
            return self.control.do(line, who)
        except MemoryError:
            return False, "there is not enough memory for that now"

    def _obey_mqtt(self, line):
        return self.do(line, "mqtt")

    def _obey_ble(self, line):
        return self.do(line, "ble")

    def _say_state(self):
        return self.state

    def reset(self):
        """Start the board anew; does not return."""
        reset()


def reset():
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


def configuration():
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


def _board(boots, boot_ms):
    """-> the Board, None without a usable configuration, or "safe" after too many starts that came to nothing."""
    found = configuration()
    forget("config")
    if found is None:
        return None
    limit = found[0]["stops"]["boots"]
    if limit is not None and boots.count > limit:
        return "safe"
    return Board(*found, boots, boot_ms)


def run():
    """Boot the recorder. -> exit code: 0 = recorded and closed, 1 = a sensor, the flash or the code failed, 2 = the
    configuration.
    """
    boot_ms = time.ticks_ms()
    boots = Boots()
    boots.begin()
    try:
        board = _board(boots, boot_ms)
        if board == "safe":
            return _safe(boots)
        return 2 if board is None else _run(board)
    except KeyboardInterrupt:
        boots.good()  # somebody is there: ten pushes in a row are no boot loop, and a push ends safe mode
        return 1
    except OSError as error:
        status.log("the flash does not work, or has no room: %s" % error)
        return 1
    except Exception as error:  # a bug of ours: a board in the field has nobody who would switch it off and on
        sys.print_exception(error)
        boots.stopped("%s: %s" % (type(error).__name__, error))
        if boots.count > MOST_BOOTS:
            return _safe(boots)
        reset()


def _run(board):
    """The program. -> exit code."""
    loop = Loop(board)
    try:
        if not board.streams:
            status.log("no sensor answers: nothing to record")
            asyncio.run(loop.ship_only())
            if board.sleep != "none":
                asyncio.run(loop.try_again("no sensor answers"))
            return 1
        asyncio.run(loop.run())
    except KeyboardInterrupt:
        board.boots.good()
        if board.state == "recording":
            asyncio.run(board.session.end("stop"))
    return 1 if board.session and board.session.failure else 0


def _safe(boots):
    from app.safe import run_safe

    return run_safe(boots)
