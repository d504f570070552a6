"""Makes the parts of a board from its configuration, in power-up order; forgotten once that is done."""

import gc
import hashlib
import json
import sys
from binascii import hexlify

from app import status
from app.clock import Clock
from app.guard import Guard
from app.main import CONFIG, LAST_GOOD, SECRETS, SHOWN, forget
from storage.spool import Spool


def build(board, config, secrets, shown, boots, boot_ms):
    """Give an `app.main.Board` all that it has."""
    # What is needed only to make a part is let go before the next one is made: the heap is small.
    from app.parts import build_streams

    board.clock = Clock()
    board.streams, absent = build_streams(config, board.clock, status.log)
    del build_streams
    forget("app.parts")
    schedule = config["schedule"]
    board.sleep = schedule["sleep"]
    watchdog_s = config["power"]["watchdog_s"]
    board.power = kept = None
    if board.sleep != "none" or watchdog_s is not None:
        from app.power import Power

        board.power = Power(config, board.clock, status.log)
        kept = board.power.left("spool")
    storage = config["storage"]
    max_kb = storage["max_kb"]
    volume = None
    if storage["card"] is not None:
        from app.card import open_volume

        volume = open_volume(storage["card"], config["buses"], status.log)
    board.spool = Spool(
        storage["root"],
        config["device"],
        reserve_bytes=storage["reserve_kb"] * 1024,
        max_bytes=None if max_kb is None else max_kb * 1024,
        when_full=storage["when_full"],
        keep_acknowledged=storage["keep_acknowledged"],
        volume=volume,
        kept=kept,
    )
    for line in board.spool.recover():
        status.log("recovered " + line)
    for name in ("recovery", "journal_reader", "npy", "wavfmt", "repair"):
        forget("storage." + name)
    board.shown = shown
    board.facts = {
        "device": config["device"],
        "code": _first_line("/code.sha256"),
        "micropython": sys.version,
        "absent": absent,
        "reset_cause": boots.cause,
    }
    board.session = None
    board.state = "idle"
    board.wanted = True
    board.why = boots.why
    board.orders = []  # for the loop to carry out
    board.cached_control = None
    board.boots = boots
    board.boot_ms = boot_ms
    board.stops = config["stops"]
    board.guard = Guard(board.stops, board.streams)
    board.charge = (None, None)  # of the battery: percent, and whether it is being charged
    board.battery = None
    if config["power"]["battery"]:
        from app.battery import battery

        board.battery = battery(config["power"]["battery"], status.log)
    board.stall_ms = storage["stall_ms"]
    board.duration_s = schedule["duration_s"]
    names = [stream.name for stream in board.streams]
    trigger = schedule["trigger"] if schedule["trigger"] and schedule["trigger"]["stream"] in names else None
    if watchdog_s is not None:
        board.power.watch(int(watchdog_s * 1000))
    board.motion = None
    if trigger and trigger["kind"] == "motion":
        from app.motion import Motion

        watched = board.streams[names.index(trigger["stream"])]
        state = board.power.state().setdefault("motion", {})
        board.motion = Motion(config, watched, state, board.power.reason() == "motion", status.log)
        trigger = None
    board.trigger = trigger
    gc.collect()
    from app import network

    upload = config["upload"]
    board.wifi = network.wifi(config["network"], secrets, status.log) if upload else None
    board.shipper = board.sntp = board.ble = None
    if upload:
        fixes = network.fixes(board.clock, board.spool, status.log)
        if board.power:
            fixes.heard = board.power.heard
        board.shipper = network.shipper(upload, secrets, board.spool, board.wifi, board.obey_mqtt, status.log, fixes)
        board.sntp = network.sntp(config["network"]["ntp"], board.wifi, fixes)
        board.ble = network.ble(upload, board.spool, board.obey_ble, board.say_state, status.log, fixes)
    del network
    forget("app.network")
    forget("transport.endpoint")
    from app.timetable import timetable

    board.agenda, board.uploads = timetable(config, board)
    del timetable
    forget("app.timetable")
    forget("config.pauses")


def _first_line(path):
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return None


def configuration():
    """-> (configuration, secrets, what a Board knows as `shown`), or None when there is no usable one; complaints are
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
    return loaded.config, loaded.secrets, _aside(public(loaded.config))


def _aside(shown):
    """Put the configuration without secrets into its file, written only when it is another one. -> Board.shown."""
    from config.loader import MAX_BYTES, store

    text = json.dumps(shown).encode()
    expected = len(text), hexlify(hashlib.sha256(text).digest()).decode()
    try:
        if len(text) <= MAX_BYTES:
            store(SHOWN, text)
            text = None
    except OSError:
        pass  # the flash is full: it stays in RAM
    return expected, text


def _complain(errors):
    for file, path, reason, remedy in errors:
        status.log("%s: %s %s (%s)" % (file, path or "the file", reason, remedy))
