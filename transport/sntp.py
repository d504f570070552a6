"""The time by SNTP (RFC 4330, RFC 5905): four time stamps, and how wrong they may be.

One exchange says: the server received at T2 and answered at T3 by its clock, between T1 and T4 by ours. Whatever the
two ways took, the server's clock lies ahead of ours by something between T3 - T4 and T2 - T1: the middle, give or take
half of the round trip. To that comes what the server itself says of its way to the true time. Nothing is set here: what
was found is offered to `fixes`.

Blocking: only `getaddrinfo`, once per server until it fails.
"""

import errno
import os
import socket
from asyncio import sleep_ms
from time import ticks_add, ticks_diff, ticks_ms

PORT = 123
SAMPLES = 4  # per server and round; the one with the shortest round trip counts
SPACING_MS = 2000  # between them: servers refuse who asks more often
ANSWER_MS = 1500
PERIOD_MS = 3600000
_POLL_MS = 1  # while an answer is awaited: coming late widens the uncertainty
_LINK_MS = 500
_REQUEST = b"\x23" + bytes(39)  # version 4, mode 3 (client), nothing about ourselves; the transmit time stamp follows
_UNIX = 2208988800  # s from 1900-01-01 to 1970-01-01
_FOR_GOOD = (b"DENY", b"RSTR")  # kisses after which a server must not be asked again (RFC 5905 section 7.4)


class SntpError(Exception):
    """Why an answer is no time; one sentence. `kiss`: the code of a server that wants to be left alone, or b""."""

    def __init__(self, text, kiss=b""):
        super().__init__(text)
        self.kiss = kiss


def parse(reply, nonce):
    """-> (T2, T3, how wrong the server may be), us and us since 1970; None when this answers another request.

    `nonce`: the 8 bytes sent as transmit time stamp, which nobody can guess who has not seen the request. `SntpError`
    for what is no time (RFC 4330 section 5).
    """
    if len(reply) < 48:
        raise SntpError("the answer is too short")
    if reply[24:32] != nonce:
        return None
    stratum = reply[1]
    if reply[0] & 7 != 4 or not 3 <= reply[0] >> 3 & 7 <= 4:
        raise SntpError("what answers is no time server")
    if stratum == 0:
        code = bytes(reply[12:16])
        text = "".join([chr(c) if 32 < c < 127 else "?" for c in code])
        raise SntpError("the server wants to be left alone (%s)" % text, code)
    if reply[0] >> 6 == 3 or stratum > 15:
        raise SntpError("the server does not know the time itself")
    precision = reply[3] - 256 if reply[3] > 127 else reply[3]
    if not -64 <= precision <= 0 or not any(reply[32:40]) or not any(reply[40:48]):
        raise SntpError("the answer makes no sense")
    delay, dispersion = _number(reply, 4), _number(reply, 8)  # in 1/65536 s
    error = (delay // 2 + dispersion) * 15625 // 1024 + (1000000 >> -precision) + 2
    return _utc_us(reply, 32), _utc_us(reply, 40), error


def _number(reply, at):
    return int.from_bytes(reply[at : at + 4], "big")


def _utc_us(reply, at):
    """An NTP time stamp as us since 1970: era 1 begins on 2036-02-07 (RFC 4330 section 3)."""
    seconds = _number(reply, at)
    if not seconds >> 31:
        seconds += 1 << 32
    return (seconds - _UNIX) * 1000000 + (_number(reply, at + 4) * 1000000 >> 32)


class Sntp:
    """Asks `servers` (host names) for the time, once an hour while `link` is up (None: always), and offers what they
    say to `fixes` (`now_us()`, `offer(t1, t2, t3, t4, error_us, source)`, see app/fixes.py).

    `error`: why the last server that did not help did not.
    """

    def __init__(self, servers, fixes, *, backoff, link=None):
        self._servers = list(servers)
        self._fixes = fixes
        self._backoff = backoff
        self._link = link
        self._addresses = {}
        self.error = None
        self.answers = 0
        self.resolve_ms = 0

    def status(self):
        """-> the state as a dict that fits into JSON."""
        return {"servers": len(self._servers), "answers": self.answers, "error": self.error}

    async def run(self):
        """Ask for ever; end by cancelling."""
        while self._servers:
            while self._link and not self._link.is_up():
                await sleep_ms(_LINK_MS)
            if await self.ask_all():
                self._backoff.reset()
                await sleep_ms(PERIOD_MS)
            else:
                await sleep_ms(self._backoff.next_ms())

    async def ask_all(self):
        """Ask each server once. -> whether any of them said the time."""
        found = False
        for host in list(self._servers):
            try:
                await self._ask(host)
                found = True
            except (SntpError, OSError) as error:
                self.error = "%s: %s" % (host, error)
                self._addresses.pop(host, None)
                if getattr(error, "kiss", b"") in _FOR_GOOD:
                    self._servers.remove(host)
        return found

    async def _ask(self, host):
        """Offer the best of some samples; raises when there was none."""
        sock = socket.socket(self._address(host)[0], socket.SOCK_DGRAM)
        best = None
        failure = SntpError("no answer within %d ms" % ANSWER_MS)
        try:
            sock.setblocking(False)
            sock.connect(self._address(host)[-1])  # from now on only this server's packets are received
            for number in range(SAMPLES):
                if number:
                    await sleep_ms(SPACING_MS)
                try:
                    sample = await self._exchange(sock)
                except SntpError as error:
                    failure = error
                    if error.kiss:
                        break
                    continue
                if sample and (best is None or _round_trip(sample) < _round_trip(best)):
                    best = sample
        finally:
            sock.close()
        if best is None:
            raise failure
        self.answers += 1
        self._fixes.offer(*best, "sntp:" + host)

    async def _exchange(self, sock):
        """-> (T1, T2, T3, T4, error), or None when no answer came."""
        nonce = os.urandom(8)
        sent_us = self._fixes.now_us()
        sock.send(_REQUEST + nonce)
        deadline = ticks_add(ticks_ms(), ANSWER_MS)
        while ticks_diff(deadline, ticks_ms()) > 0:
            try:
                reply = sock.recv(68)  # longer ones have a signature, which we do not know
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
                await sleep_ms(_POLL_MS)
                continue
            received_us = self._fixes.now_us()
            found = parse(reply, nonce)
            if found:
                return sent_us, found[0], found[1], received_us, found[2]
        return None

    def _address(self, host):
        if host not in self._addresses:
            start = ticks_ms()
            self._addresses[host] = socket.getaddrinfo(host, PORT, 0, socket.SOCK_DGRAM)[0]
            self.resolve_ms = ticks_diff(ticks_ms(), start)
        return self._addresses[host]


def _round_trip(sample):
    return sample[3] - sample[0] - (sample[2] - sample[1])
