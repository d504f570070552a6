"""The board's side of the chaos suite: the real transport, shipper and spool on MicroPython.

`board.py record ROOT SEGMENTS FRAMES` records a session. `board.py SCENARIO` ships what is in the spool as the file
says, and prints, at each acknowledgement, *before* the spool lets go, whether the receiver's folder has the files,
durable and complete, at this moment:

    ack NAME HEAP       the files are there, and this is the heap in use after a collection
    early NAME WHY      they are not
    error KIND CAUSE HEAP MESSAGE
    {...}               the end: what is left, the status
"""

import array
import asyncio
import gc
import hashlib
import json
import sys
from binascii import hexlify

from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool
from transport.backoff import Backoff
from transport.errors import TransportError
from transport.shipper import Shipper

DEVICE = "wrist-01"


def record(root, segments, frames):
    """One session of one stream; the frames are random, but the same in every run."""
    spool = Spool(root, DEVICE, reserve_bytes=0)
    spool.recover()
    info = StreamInfo("imu", "npy", ["ax", "ay", "az"], ["g"] * 3, [0.001] * 3, 104, frames)
    spool.begin({"started_t_us": 0, "clock_fixes": [], "streams": {"imu": info.as_dict()}})
    writer = SegmentWriter(spool, info)
    block = array.array("h", bytes(2 * 3 * frames))
    seed = 1
    for k in range(segments):
        for i in range(len(block)):
            seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
            block[i] = (seed >> 14) - 0x8000
        writer.open(k * frames)
        writer.write(memoryview(block), 0, frames)
        writer.close("full")
    done = segments * frames
    account = {"expected": done, "stored": done, "lost": {}, "unknown": 0, "segments": segments, "end_frame": done,
               "tail": [], "lost_exact": True}  # fmt: skip
    spool.end({"reason": "stop", "ended_t_us": 1000000, "streams": {"imu": account}})


def heap():
    gc.collect()
    return gc.mem_alloc()


class Watched(Spool):
    """Looks, at each acknowledgement, into the receiver's folder `out`."""

    out = ""

    def acknowledge(self, name):
        why = ""
        for remote, size, sha256 in self.parts(name):
            why = why or self._missing(remote, size, sha256)
        print("early", name, why) if why else print("ack", name, heap())
        super().acknowledge(name)

    def _missing(self, remote, size, sha256):
        """-> what is not as it should be at the receiver, "" when all is well."""
        folder, _, file = remote.rpartition("/")
        try:
            with open(self.out + "/" + remote, "rb") as there:
                content = there.read()
            with open(self.out + "/" + folder + "/SHA256SUMS", "rb") as sums:
                recorded = (sha256 + "  " + file + "\n").encode() in sums.read()
        except OSError as error:
            return f"{remote} is not there ({error})"
        if len(content) != size or hexlify(hashlib.sha256(content).digest()).decode() != sha256:
            return remote + " has other bytes"
        return "" if recorded else remote + " is not in SHA256SUMS"


def watched(base):
    """A transport of class `base` that tells its failures."""

    class Told(base):
        async def connect(self):
            await self._watch(super().connect())

        async def ship(self, take, answered):
            await self._watch(super().ship(take, answered))

        async def _watch(self, doing):
            try:
                await doing
            except TransportError as error:
                if error is not self._last_error:
                    print("error", error.kind.replace(" ", "-"), error.cause, heap(), error.message)
                self._last_error = error
                raise

        _last_error = None

    return Told


def make_transport(scenario, spool):
    options = dict(scenario["options"])
    if options.get("ca"):
        with open(options["ca"], "rb") as file:
            options["ca"] = file.read()
    if scenario["url"].startswith("http"):
        from transport.https import Https as base
    else:
        from transport.mqtt import Mqtt as base
    return watched(base)(spool, url=scenario["url"], **options)


async def main(scenario):
    spool = Watched(scenario["root"], DEVICE, reserve_bytes=0)
    spool.out = scenario["out"]
    spool.recover()
    transport = make_transport(scenario, spool)
    shipper = Shipper(spool, transport, interval_s=0.05, backoff=Backoff(0.005, 0.02))
    seconds = scenario["drain_s"]
    left = await shipper.drain(seconds)
    while left and not shipper.status()["cause"] and seconds < 60:  # a busy machine: nothing has come of it yet
        seconds *= 2
        left = await shipper.drain(seconds)
    status = shipper.status()
    await shipper.close()
    print(json.dumps({"left": left, "status": status, "conflicts": transport.conflicts, "refused": transport.refused}))


if sys.argv[1] == "record":
    record(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    with open(sys.argv[1]) as scenario_file:
        asyncio.run(main(json.load(scenario_file)))
