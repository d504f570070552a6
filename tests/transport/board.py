"""The board's side of the shipping tests: MicroPython runs the real transport as the scenario (a JSON file) says.

Prints one JSON object: what happened, in order, and what was measured.
"""

import asyncio
import gc
import json
import os
import sys
import time
from time import ticks_diff, ticks_us

from quiet import without_processor_us

from app.clock import Clock
from app.fixes import ClockFixes
from transport import link, portal
from transport.backoff import Backoff
from transport.errors import TransportError
from transport.shipper import Shipper


class Spool:
    """The spool's interface over a folder. `names`: [[name, [[remote name, size, sha256], ...]], ...], oldest first."""

    device = "wrist-01"

    def __init__(self, folder, names, events):
        self._folder = folder
        self._names = names
        self._events = events
        self.opened = []
        self.clock_fixes = []

    def pending(self, limit=32, skip=(), taken=()):
        return [name for name, _ in self._names if not any([name in known for known in skip + (taken,)])][:limit]

    def waiting(self):
        return iter(self._names)

    def is_pending(self, name):
        return name in [other for other, _ in self._names]

    async def add(self, sign, link, names):
        """More names, when all has been answered, that file is there, and the server has said something unasked (with
        its answer: then the connection is closed already).
        """
        while self._names or not exists(sign) or (link().is_open and link().is_quiet()):
            await asyncio.sleep_ms(1)
        self._names += names

    def parts(self, name):
        return [tuple(part) for other, parts in self._names if other == name for part in parts]

    def open(self, remote_name):
        self.opened.append(remote_name)
        return open(self._folder + "/" + remote_name.replace("/", "_"), "rb")

    def rest(self):
        pass

    def acknowledge(self, name):
        self._events.append(["ack", name])
        self._names = [entry for entry in self._names if entry[0] != name]


def watched(base, events):
    """A transport of class `base` that notes its failures in `events`."""

    class Watched(base):
        async def connect(self):
            try:
                await super().connect()
            except TransportError as error:
                events.append(["error", error.kind, error.message])
                raise

        async def ship(self, take, answered):
            try:
                await super().ship(take, answered)
            except TransportError as error:
                if events[-1:] != [["error", error.kind, error.message]]:
                    events.append(["error", error.kind, error.message])
                raise

    return Watched


def make_transport(scenario, spool, ca, events):
    """What the scenario asks for: MQTT with the options under "mqtt", else HTTPS."""
    if "mqtt" not in scenario:
        from transport.https import Https

        options = {key: scenario[key] for key in ("token", "timeout_s") if key in scenario}
        for name in ("cert", "key"):
            if name in scenario:
                with open(scenario[name], "rb") as file:
                    options[name] = file.read()
        portal.PORT = scenario.get("portal_port", 80)
        if "year" in scenario:
            link.gmtime = lambda: (scenario["year"], 1, 1, 0, 0, 0, 5, 1)
        fixes = ClockFixes(clock, spool, print)
        fixes._set_rtc = None  # a host's clock is set
        options["fixes"] = fixes
        return watched(Https, events)(spool, url=scenario["url"], ca=ca, **options)
    from transport.mqtt import Mqtt

    def do(line):
        events.append(["do", line])
        if line == "fail":
            raise OSError(28)
        return line != "refuse", "did " + line

    options = {"timeout_s": scenario["timeout_s"], "do": do}
    options.update(scenario["mqtt"])
    for name in ("cert", "key"):
        if name in options:
            with open(options[name], "rb") as file:
                options[name] = file.read()
    return watched(Mqtt, events)(spool, url=scenario["url"], ca=ca, **options)


clock = Clock()
PATIENCE_S = 150  # for what ought to come


class Ticker:
    """Another task of the board: notes its turns, how long the others made it wait for one at most, and the heap in
    use. What the machine made it wait is not counted: with two processors for many tests it is 0.4 s at times.
    """

    def __init__(self, collect):
        self.collect = collect
        self.gap_us = 0
        self.turns = 0
        self.heap = 0

    async def run(self):
        waited = without_processor_us()
        last = ticks_us()
        while True:
            await asyncio.sleep_ms(0)
            self.turns += 1
            now = ticks_us()
            self.gap_us = max(self.gap_us, ticks_diff(now, last) - (without_processor_us() - waited))
            if self.collect:
                gc.collect()
                self.heap = max(self.heap, gc.mem_alloc())
            waited = without_processor_us()
            last = ticks_us()


def descriptors():
    """-> (open files and sockets of this process, sockets alone)."""
    files = sockets = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            kind = os.stat("/proc/self/fd/" + number)[0] & 0xF000
        except OSError:  # the one of the listing itself
            continue
        files += 1
        sockets += kind == 0xC000
    return files, sockets


def exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def has_come(until, shipper, spool, transport, events):
    """-> whether all has come that the scenario waits for: {"failures": n, "refused": n, "left": n, "said": words in
    one of the failures, "sign": file}.
    """
    return (
        shipper.failures >= until.get("failures", 0)
        and len(transport.refused) >= until.get("refused", 0)
        and ("left" not in until or len(spool.pending()) <= until["left"])
        and ("said" not in until or any([until["said"] in event[2] for event in events if event[0] == "error"]))
        and ("sign" not in until or exists(until["sign"]))
    )


async def cancelled(task, is_time):
    """Cancels `task` when it is time, or when nothing has come of it for minutes. -> sockets open before and after"""
    for _ in range(PATIENCE_S * 200):
        if is_time() or task.done():
            break
        await asyncio.sleep_ms(5)
    before = descriptors()[1]
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    return [before, descriptors()[1]]


def both_clocks():
    """-> [the board's, the host's] of one moment, us: between the two looks nobody else has had the processor."""
    while True:
        start = clock.t_us()
        utc_us = time.time_ns() // 1000
        if clock.t_us() - start < 200:
            return [start, utc_us]


async def main(scenario):
    events = []
    spool = Spool(scenario["folder"], scenario["names"], events)
    ca = None
    if scenario.get("ca"):
        with open(scenario["ca"], "rb") as file:
            ca = file.read()
    __import__("transport.mqtt" if "mqtt" in scenario else "transport.puts")  # the latter is loaded by `connect`
    if "mqtt" not in scenario:
        sys.modules["transport.peer"].CONTINUE_MS = scenario["continue_ms"]
    gc.collect()
    heap = gc.mem_alloc()
    before = descriptors()
    transport = make_transport(scenario, spool, ca, events)
    shipper = Shipper(spool, transport, interval_s=0.05, backoff=Backoff(0.005, 0.02))
    if "report" in scenario:
        shipper.report(scenario["report"])
    ticker = Ticker(scenario.get("collect", False))
    ticking = asyncio.create_task(ticker.run()) if scenario.get("tick") else None
    start = ticks_us()
    if "late" in scenario:
        asyncio.create_task(spool.add(scenario["late_sign"], lambda: transport._puts._peer.link, scenario["late"]))
    sockets = None
    if "until" in scenario:
        task = asyncio.create_task(shipper.run() if scenario.get("runs") else shipper.drain(2 * PATIENCE_S))
        sockets = await cancelled(task, lambda: has_come(scenario["until"], shipper, spool, transport, events))
        left = len(spool.pending())
    else:
        left = await shipper.drain(scenario["drain_s"])
    await shipper.close()
    result = {
        "left": left,
        "events": events,
        "us": ticks_diff(ticks_us(), start),
        "gap_us": ticker.gap_us,
        "turns": ticker.turns,
        "heap": ticker.heap - heap,
        "sockets": sockets,
        "left_open": descriptors()[0] - before[0],
        "opened": spool.opened,
        "conflicts": transport.conflicts,
        "refused": transport.refused,
        "status": shipper.status(),
        "fixes": clock.fixes,
        "utc_us": both_clocks(),
    }
    if ticking:
        ticking.cancel()
    return result


with open(sys.argv[1]) as scenario_file:
    print(json.dumps(asyncio.run(main(json.load(scenario_file)))))
