"""Runs on the board, in the raw REPL, as long as a pull lasts: lists the spool, sends files, takes acknowledgements.

Lines in: `list`, `get OFFSET PATH`, `ack NAME`, `bye`; an empty one says that the laptop is still there. Lines out:
JSON (`list`), base64 (`get`), then `.`, or `! why`. A laptop that says nothing for SILENCE_MS is gone: the board starts
anew and records.
"""

import binascii
import gc
import json
import select
import sys
import time

SILENCE_MS = 20000
CHUNK = 1536


class Listener:
    """Lines of the console, as they come."""

    def __init__(self):
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._line = ""
        self._heard = time.ticks_ms()

    def look(self, wait_ms=0):
        """-> a line that is complete, or None."""
        while self._poll.poll(wait_ms):
            self._heard = time.ticks_ms()
            wait_ms = 0
            c = sys.stdin.read(1)
            if c == "\n":
                line = self._line
                self._line = ""
                if line:
                    return line
            else:
                self._line += c
        if time.ticks_diff(time.ticks_ms(), self._heard) > SILENCE_MS:
            import machine

            machine.reset()
        return None


def open_spool():
    from storage.spool import Spool

    with open("/config.json") as file:
        config = json.load(file)
    storage = config.get("storage", {})
    volume = None
    if storage.get("card") is not None:
        from app.card import open_volume

        volume = open_volume(storage["card"], config["buses"], print)
    keep = storage.get("keep_acknowledged", False)
    spool = Spool(storage.get("root", "/data"), config["device"], keep_acknowledged=keep, volume=volume)
    try:
        spool.recover()
    except OSError:
        pass  # the flash is damaged: what can be read is read
    return spool


def files_of(spool):
    """Yield [name, [[remote name, path, bytes, SHA-256], ...]] of all that is there, a session's ledger last; what
    cannot be read, a file or all below a folder, has no list.
    """
    from storage.layout import folders, sessions, stems

    for session in sessions(spool.path):
        at = spool.path + "/" + session
        prefix = spool.device + "/" + session + "/"
        yield from document(at, prefix, "session.json")
        try:
            for folder in folders(at):
                for stem in stems(folder, ".json"):
                    yield from segment(folder, prefix, stem)
        except OSError:
            yield [prefix + "*", []]
        yield from document(at, prefix, "labels.jsonl")
        yield from document(at, prefix, "ledger.json")


def document(at, prefix, name):
    from storage import files

    path = at + "/" + name
    try:
        if files.size_of(path) and (name == "session.json" or files.exists(at + "/ledger.json")):
            yield [prefix + name, [measured(prefix + name, path)]]
    except OSError:
        yield [prefix + name, []]


def segment(folder, prefix, stem):
    from storage import files

    path = folder + "/" + stem + ".json"
    try:
        sidecar = files.read_json(path)
        if sidecar and files.exists(folder + "/" + sidecar["file"]):
            file = sidecar["file"]
            data = [prefix + file, folder + "/" + file, sidecar["bytes"], sidecar["sha256"]]
            yield [prefix + stem, [data, measured(prefix + stem + ".json", path)]]
    except (OSError, KeyError):
        yield [prefix + stem, []]


def measured(remote, path):
    from storage import files

    return [remote, path] + list(files.measured(path))


def send(listener, offset, path):
    with open(path, "rb") as file:
        file.seek(offset)
        buf = bytearray(CHUNK)
        view = memoryview(buf)
        while True:
            n = file.readinto(buf)
            if not n:
                return
            print(binascii.b2a_base64(view[:n]).decode(), end="")
            listener.look()


def serve():
    _t.deinit()  # noqa: F821 - of host/push/wire.py, for a laptop that goes; the Listener hears that sooner
    listener = Listener()
    spool = open_spool()
    gc.collect()
    print(".")
    while True:
        line = listener.look(1000)
        if line is None:
            continue
        word, _, rest = line.partition(" ")
        try:
            if word == "bye":
                _here()  # noqa: F821
                return
            if word == "list":
                for entry in files_of(spool):
                    print(json.dumps(entry))
            elif word == "get":
                offset, _, path = rest.partition(" ")
                send(listener, int(offset), path)
            elif word == "ack":
                spool.acknowledge(rest)
            print(".")
        except OSError as error:
            print("! " + str(error))


serve()
