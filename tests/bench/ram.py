"""The board's heap by purpose, on MicroPython: boots the recorder step by step and says what each step costs.

It is the program of a board in place of app.main (host/bench_ram.py starts it), with that board's configuration. It
prints one status line: {"heap": size, "table": [[purpose, bytes]], "boot": most that was in use while the configuration
was checked}.
"""

import gc
import json


class Table:
    """Bytes by purpose; ``enter`` takes what is new since the last time."""

    def __init__(self):
        self.rows = []
        self._before = 0

    def enter(self, purpose):
        gc.collect()
        now = gc.mem_alloc()
        for row in self.rows:
            if row[0] == purpose:
                break
        else:
            row = [purpose, 0]
            self.rows.append(row)
        row[1] += now - self._before
        self._before = gc.mem_alloc()

    def around(self, make, rest, purpose):
        """-> ``make``, entering what its call costs; what came before the call belongs to ``rest``."""

        def measured(*args, **kwargs):
            self.enter(rest)
            made = make(*args, **kwargs)
            self.enter(purpose)
            return made

        return measured


def run():
    table = Table()
    table.enter("firmware: interpreter, bare hardware")
    from app import build, main

    table.enter("code: app, spool, asyncio")
    configuration = build.configuration()
    gc.collect()
    boot = gc.mem_alloc()
    main.forget("config")
    table.enter("configuration")
    from app import network, parts, stream

    table.enter("code: segments, streams, boot")
    for spec in configuration[0]["streams"].values():
        __import__("drivers." + spec["driver"])
    table.enter("code: drivers")
    if configuration[0]["upload"]:
        for name in ("transport.backoff", "transport.https", "transport.shipper", "transport.puts"):
            __import__(name)
    table.enter("code: transport")

    parts.BlockRing = table.around(parts.BlockRing, "drivers", "rings")
    stream.Sampler = table.around(stream.Sampler, "drivers", "samplers")
    stream.SegmentWriter = table.around(stream.SegmentWriter, "session", "segment writers")
    build.Spool = table.around(build.Spool, "drivers", "spool")
    network.shipper = table.around(network.shipper, "spool", "upload")
    build.forget = table.around(main.forget, "session", "forgotten after boot")
    board = main.Board(*configuration, main.Boots(), 0)
    table.enter("session")
    configuration = network = parts = build = stream = None

    async def session():
        board.begin_session(False)
        table.enter("session")
        await board.session.end("stop")

    main.asyncio.run(session())
    print("@" + json.dumps({"heap": gc.mem_alloc() + gc.mem_free(), "table": table.rows, "boot": boot}))
    return 0
