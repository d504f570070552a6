"""SMP's OS group (0) and our own (64): what waits, its acknowledgement, status and commands.

Ours, all maps (`R` read, `W` write):

    0 R list         {"from": n}                    -> {"names": [{"name", "files": [[remote name, bytes, SHA-256]]}],
                                                       "next": n of the next page, if there is one}
    1 W acknowledge  {"name", "len", "crc32"}       -> {"name"}; it waits no more
    2 R status       {}                             -> {"device", "state", "waiting", "free", "answer"}
    3 W command      {"do": a line of the console}  -> {"ok", "text"}

`len` and `crc32` are those of the name's files one behind the other, in the order of the list: only who has all of
them, byte by byte, can say that they may go.
"""

import asyncio
from binascii import unhexlify

from transport import cbor, smp
from transport.smp_files import checksum, is_name, parts

OS = 0
GROUP = 64
_ENTRY_BYTES = 80  # of a list's entry, besides names, at most
_CLOCK_ERROR_US = 2000000  # whole seconds, and what the radio and the other side's clock add


class Device:
    """Handlers of both groups. `do(line)` -> (whether it was done, text) obeys a command; `state()` -> a word;
    `fixes` has `now_us()` and `offer(t1, t2, t3, t4, error_us, source)` (app.fixes). None: not here.
    """

    def __init__(self, spool, *, answer_bytes, do=None, state=None, fixes=None):
        self._spool = spool
        self._answer_bytes = answer_bytes
        self._do = do
        self._state = state
        self._fixes = fixes
        self.acknowledged = 0  # names

    def handlers(self):
        return {
            (OS, 0): self._echo,
            (OS, 4): self._datetime,
            (OS, 5): self._reset,
            (OS, 6): self._parameters,
            (GROUP, 0): self._list,
            (GROUP, 1): self._acknowledge,
            (GROUP, 2): self._status,
            (GROUP, 3): self._command,
        }

    async def _echo(self, op, request, out):
        """{"d": text} -> {"r": text}"""
        out.value({"r": request["d"]})

    async def _parameters(self, op, request, out):
        """The longest request, and how many may be on their way."""
        out.value({"buf_size": smp.MAX_REQUEST_BYTES, "buf_count": 1})

    async def _datetime(self, op, request, out):
        """Write {"datetime": "2026-11-22T16:40:00+00:00"}: a clock fix. Our clock is never set; nor read, over SMP."""
        if op != smp.WRITE or self._fixes is None:
            raise smp.Error(smp.NOT_SUPPORTED)
        t_us, theirs = self._fixes.now_us(), utc_us(request["datetime"])
        self._fixes.offer(t_us, theirs, theirs, t_us, _CLOCK_ERROR_US, "ble")
        out.value({})

    async def _reset(self, op, request, out):
        ok, _ = self._obey("reboot")
        if not ok:
            raise smp.Error(smp.BAD_STATE)
        out.value({})

    async def _list(self, op, request, out):
        first = request.get("from", 0)
        if not isinstance(first, int):
            raise ValueError("no number")
        out.open(cbor.MAP)
        out.value("names")
        out.open(cbor.ARRAY)
        at = 0
        more = False
        for name, _ in self._spool.waiting():
            await asyncio.sleep_ms(0)
            if at >= first:
                files = parts(self._spool, name)
                size = len(name) + sum([len(remote) for remote, _, _ in files]) + _ENTRY_BYTES * (len(files) + 1)
                if size > out.room():
                    more = True
                    break
                if files:
                    out.value({"name": name, "files": [(r, n, unhexlify(sha256)) for r, n, sha256 in files]})
            at += 1
        out.close()
        if more:
            out.value("next")
            out.value(at)
        out.close()

    async def _acknowledge(self, op, request, out):
        if op != smp.WRITE:
            raise smp.Error(smp.NOT_SUPPORTED)
        name, size, crc = request["name"], request["len"], request["crc32"]
        if not is_name(name + ".x", self._spool.device):
            raise smp.Error(smp.INVALID)
        files = parts(self._spool, name)
        if not files:
            raise smp.Error(smp.NO_ENTRY)
        if size != sum([n for _, n, _ in files]):
            raise smp.Error(smp.CORRUPT)
        ours = 0
        scratch = memoryview(out.buffer)[smp.HEADER_BYTES :]
        for remote, n, _ in files:
            with self._spool.open(remote) as file:
                ours = await checksum(file, n, ours, scratch)
        if ours != crc:
            raise smp.Error(smp.CORRUPT)
        self._spool.acknowledge(name)
        self.acknowledged += 1
        out.value({"name": name})

    async def _status(self, op, request, out):
        spool = self._spool.status()
        out.value({
            "device": self._spool.device,
            "state": self._state() if self._state else "idle",
            "waiting": spool["pending_segments"],
            "free": spool["free_bytes"],
            "answer": self._answer_bytes,
        })

    async def _command(self, op, request, out):
        line = request["do"]
        if op != smp.WRITE or not isinstance(line, str) or "\n" in line:
            raise ValueError("no line")
        ok, text = self._obey(line)
        text = text or ""
        out.value({"ok": bool(ok), "text": text[: (out.room() - 32) // 4]})

    def _obey(self, line):
        if self._do is None:
            raise smp.Error(smp.NOT_SUPPORTED)
        return self._do(line)


def utc_us(text):
    """-> microseconds since 1970 of `2026-11-22T16:40:00`, with or without fractions of a second and an offset from UTC
    (`Z`, `+01:00`); without one it is taken for UTC. ValueError when it is no such text.
    """
    if len(text) < 19 or text[4] != "-" or text[7] != "-" or text[10] not in "T " or text[13] != ":" or text[16] != ":":
        raise ValueError("no time")
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    if not (2000 <= year < 2200 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise ValueError("no time")
    rest = text[19:]
    micros = 0
    if rest[:1] == ".":
        digits = 1
        while digits < len(rest) and rest[digits].isdigit():
            digits += 1
        micros = int((rest[1:digits] + "000000")[:6])
        rest = rest[digits:]
    if rest[:1] in ("+", "-") and len(rest) >= 5:
        minutes = int(rest[1:3]) * 60 + int(rest[-2:])
        minute -= minutes if rest[0] == "+" else -minutes
    elif rest not in ("", "Z", "z"):
        raise ValueError("no time")
    years = year - (month <= 2)  # from March to March: the leap day is the last
    days = 365 * years + years // 4 - years // 100 + years // 400
    days += (153 * (month - 3 + 12 * (month <= 2)) + 2) // 5 + day - 1 - 719468
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + micros
