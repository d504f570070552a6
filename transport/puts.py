"""Puts the files of a spool to their places by HTTP, with bounded RAM and every wait under a deadline."""

from binascii import b2a_base64, unhexlify

from .errors import CERTIFICATE, COLLECTOR_DOWN, LINK, REFUSED, TransportError
from .link import Link
from .peer import BUFFER_BYTES, Peer

_UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"
_STORED = (200, 201, 204, 412)  # safe there; 412: there already, with the same content


class Puts:
    """The connection of `to` (transport.https.Https, which says what its members mean) and what goes over it."""

    def __init__(self, to):
        _, host, port = to.place
        self._to = to
        link = Link(host, port, to.context, to.timeout_ms, to.has_certificate, to.addresses)
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._peer = Peer(link, self._buffer, to.fixes and to.fixes.now_us)
        self._host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._redirect = None  # made when the server redirects us for the first time

    @property
    def sent_bytes(self):
        return self._peer.sent_bytes + (self._redirect.sent_bytes if self._redirect else 0)

    @property
    def connections(self):
        return self._peer.link.opened + (self._redirect.connections if self._redirect else 0)

    async def connect(self):
        """See `Https`, as for the next two."""
        try:
            await self._peer.connect()
        except TransportError as error:
            await self._look_closer(error)
            raise
        finally:
            self._to.resolve_ms = self._peer.link.resolve_ms

    def close(self):
        self._peer.link.close()
        if self._redirect:
            self._redirect.close()

    async def ship(self, take, answered):
        try:
            while True:
                name = take()
                if name is None:
                    return
                answered(name, await self._ship_name(name))
        except TransportError as error:
            await self._look_closer(error)
            raise

    async def _ship_name(self, name):
        """True: acknowledged. False: this name was not taken, and the reason is noted."""
        try:
            for remote_name, size, sha256 in self._to.spool.parts(name):
                response, by_us = await self._put(remote_name, size, sha256, name in self._to.refused)
                if by_us and response.status in _STORED or not by_us and self._redirect.is_stored(response, sha256):
                    continue
                from . import answers

                if by_us:
                    text, cause = answers.explain(response)
                else:
                    text, cause = self._redirect.explain(response)
                reason = f"{remote_name}: {text}"
                if by_us and answers.is_conflict(response):
                    self._to.conflicts[name] = reason
                elif by_us and answers.concerns_all(response) or response.status >= 500:
                    raise TransportError(REFUSED, reason, cause)
                else:
                    self._to.refused[name] = reason
                return False
        except (OSError, EOFError) as error:  # of the spool: those of the connection are TransportErrors
            self._to.refused[name] = f"{name} cannot be read on the board ({error})"
            return False
        return True

    async def _put(self, remote_name, size, sha256, refused_before):
        """Sends one file. -> (the final `Response`, whether it is that of the configured server)."""
        doubtful = refused_before or self._to.doubtful in (None, remote_name)
        expect = doubtful and size > BUFFER_BYTES or self._to.redirects
        if self._to.doubtful is not None or expect:
            self._to.doubtful = remote_name
        path = self._to.path + _quoted(remote_name)
        digest = b2a_base64(unhexlify(sha256)).strip().decode()
        fields = f"Content-Length: {size}\r\nContent-Digest: sha-256=:{digest}:\r\nIf-None-Match: *\r\n"

        def open_file():
            return self._to.spool.open(remote_name)

        head = f"PUT {path} HTTP/1.1\r\nHost: {self._host}\r\n{self._to.token}{fields}"
        response = await self._peer.put(head, open_file, size, expect)
        if response.status == 417 and expect:  # it does not know Expect: RFC 9110 section 15.5.18
            response = await self._peer.put(head, open_file, size, False)
        self._to.answered = True
        self._offer_fix(response)
        here = response.status not in (307, 308)
        if not here:
            if not self._redirect:
                from .redirect import Redirect

                self._to.redirects = True
                self._redirect = Redirect(self._to.place, self._to.context, self._to.timeout_ms, self._buffer)
            response = await self._redirect.put(response, path, fields, open_file, size)
        if self._to.doubtful is not None:
            self._to.doubtful = ""
        return response, here

    def _offer_fix(self, response):
        """The collector says when it heard us and when it answered, by its clock, in us (docs/transport.md, Clocks)."""
        said = response.fields.get(b"motelog-clock", b"").split()
        if self._to.fixes and len(said) == 3 and all([part.isdigit() and len(part) < 18 for part in said]):
            received, sent, error = [int(part) for part in said]
            peer = self._peer
            source = "collector:" + self._to.place[1]
            self._to.fixes.offer(peer.asked_us, received, sent, peer.answered_us, error, source)

    async def _look_closer(self, error):
        """A server that never spoke to us may be behind a page to log in at: then `error` says so."""
        if self._to.context and not self._to.answered and error.cause in (CERTIFICATE, COLLECTOR_DOWN, LINK):
            from . import portal

            await portal.look(self._to.place[1], error)


def _quoted(path):
    """Percent-encodes what may not stand in a request target (RFC 3986 section 2.1)."""
    return "".join(chr(c) if chr(c) in _UNRESERVED else f"%{c:02X}" for c in path.encode())
