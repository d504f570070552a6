"""The composition root: reads like the board's parts list, in power-up order."""

import asyncio
import gc
import json
import sys
import time

from app import status
from app.guard import Boots
from app.loop import Loop
from app.session import Session
from storage.files import measured, read_json

CONFIG = "/config.json"
SECRETS = "/secrets.json"
LAST_GOOD = "/config.good.json"
SHOWN = "/config.shown.json"  # it, as it may stand in session.json
MOST_BOOTS = 10  # starts that ended in a bug, where not even the configuration could say how many


class Board:
    """Everything that exists once on a board. ``shown``: what SHOWN has to be (length, SHA-256), and its text if the
    flash did not take it.

    ``session``: the latest one, or None. ``state``: see app.loop; ``why``: what led to it, where that is not plain.
    ``wanted``: False after `stop`: until `start` the board neither records nor sleeps.
    """

    def __init__(self, config, secrets, shown, boots, boot_ms):
        from app.build import build

        build(self, config, secrets, shown, boots, boot_ms)
        del build
        forget("app.build")

    def has_room(self):
        """-> whether the flash takes a segment of every stream, or can make room for it."""
        n_bytes = sum([stream.info.segment_bytes() for stream in self.streams])
        return self.spool.drop_oldest or self.spool.space.fits(n_bytes)

    def begin_session(self, by_hand):
        """Begin another recording. OSError: the flash does not take it."""
        reason = "by hand" if by_hand else self.motion.why if self.motion else "schedule"
        facts = dict(self.facts)
        facts["config"] = self._configuration()
        facts["planned"] = self.agenda.describe(reason) if self.agenda else {"reason": reason}
        gate = None
        if self.motion and not by_hand:
            gate = self.motion.begin()
        elif self.trigger:
            from app.trigger import Gate

            gate = Gate(self.trigger, self.streams)
        session = Session(self.spool, self.streams, self.clock, self.power and self.power.fix, gate)
        session.begin(facts)
        forget("storage.retention")
        self.session = session

    def _configuration(self):
        """-> the configuration for session.json; None when its copy on the flash is not what it was."""
        expected, text = self.shown
        if text:
            return json.loads(text)
        try:
            if measured(SHOWN) == expected:
                return read_json(SHOWN)
        except OSError:
            pass
        status.log("%s is damaged: this session does not say its configuration" % SHOWN)
        return None

    def doze(self):
        """-> what has the board sleep while this session records (app.doze.Doze), None: it stays awake."""
        if self.sleep == "none" or self.trigger:  # behind a trigger's gate the rings are never empty
            return None
        from app.doze import Doze

        doze = Doze(self.power, self.streams, self.stall_ms)
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
        if self.cached_control is None:
            from app.control import Control

            self.cached_control = Control(self)
        return self.cached_control

    def do(self, line, who="console"):
        """Obey a command line. -> (ok, text). See app/control.py."""
        try:
            return self.control.do(line, who)
        except MemoryError:
            return False, "there is not enough memory for that now"

    def obey_mqtt(self, line):
        return self.do(line, "mqtt")

    def obey_ble(self, line):
        return self.do(line, "ble")

    def say_state(self):
        return self.state

    def reset(self):
        """Start the board anew; does not return."""
        reset()


def reset():
    """Start the board anew; does not return."""
    import machine

    status.log("reset")
    machine.reset()


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
    from app.build import configuration

    found = configuration()
    del configuration
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
    forget("app.cause")
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
            from app import ends

            status.log("no sensor answers: nothing to record")
            asyncio.run(ends.ship_only(loop))
            if board.sleep != "none":  # it starts anew: whatever is wrong may have gone by then
                asyncio.run(ends.stopped(loop, "no sensor answers"))
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
