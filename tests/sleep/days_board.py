"""What a simulated board runs: the recorder, whose collector is a folder of the host, as slow as a real one.

World keys of its own: `collector` (the folder), `away_s` ([[from, to], ...]: seconds of the world in which nobody
listens there), `rtc` (also the true UTC when the world began).
"""

import asyncio
import errno
import json
import sys

from hardware import board

TLS_MS = 1000  # on an ESP32
BYTES_PER_MS = 75  # MicroPython's Wi-Fi
CHUNK = 2048


class Folder:
    """As transport.https.Https: puts each file into the folder `collector`, once."""

    on_the_way = ()
    stays = False
    resolve_ms = 0

    def __init__(self, spool, *, fixes=None, **_):
        self._spool = spool
        self._fixes = fixes
        self._open = False
        self.conflicts = {}
        self.refused = {}
        self.sent_bytes = self.connections = 0

    async def connect(self):
        from transport.errors import REFUSED, TransportError

        if self._open:
            return
        await asyncio.sleep_ms(TLS_MS)
        now = board.life.now() / 1000000
        if any([start <= now < end for start, end in board.world.get("away_s", ())]):
            raise TransportError(REFUSED, "nobody listens there")
        self._open = True
        self.connections += 1
        if self._fixes:
            t_us = self._fixes.now_us()
            utc_us = board.world["rtc"] * 1000000 + board.life.now()
            self._fixes.offer(t_us, utc_us, utc_us, t_us, 2000, "collector")

    async def close(self):
        self._open = False

    async def ship(self, take, answered):
        while True:
            name = take()
            if name is None:
                return
            for remote_name, size, _ in self._spool.parts(name):
                await self._put(remote_name, size)
            answered(name, True)

    async def _put(self, name, size):
        path = board.world["collector"] + "/" + name
        at = path.find("/", len(board.world["collector"]) + 1)
        while at > 0:
            _mkdir(path[:at])
            at = path.find("/", at + 1)
        buffer = bytearray(CHUNK)
        with self._spool.open(name) as source, board.host.open(path + ".part", "wb") as file:
            while True:
                n = source.readinto(buffer)
                if not n:
                    break
                file.write(buffer, n)
                await asyncio.sleep_ms(n // BYTES_PER_MS)
        assert board.host.stat(path + ".part")[6] == size
        with board.host.open(board.world["collector"] + "/arrived.txt", "a") as file:
            file.write(name + "\n")
        board.host.rename(path + ".part", path)
        board.life.counters["sent_bytes"] += size
        self.sent_bytes += size
        print("@" + json.dumps({"arrived": name, "world_us": board.life.now()}))


def _mkdir(path):
    try:
        board.host.mkdir(path)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


class Module:
    Https = Folder


def run():
    """app.main's, which says when a session really begins."""
    sys.modules["transport.https"] = Module
    from app import main

    begin_session = main.Board.begin_session

    def begun(recorder, *reason):
        begin_session(recorder, *reason)
        print("@" + json.dumps({"began": recorder.session.name, "world_us": board.life.now()}))

    main.Board.begin_session = begun
    return main.run()
