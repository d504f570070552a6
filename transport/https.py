"""Ships the files of a spool by HTTP PUT over TLS, with bounded RAM and every wait under a deadline."""

from binascii import b2a_base64, unhexlify

from . import answers
from .errors import CERTIFICATE, COLLECTOR_DOWN, CONFIG, LINK, REFUSED, TransportError
from .link import Link
from .peer import BUFFER_BYTES, Peer

_UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"


class Https:
    """Ships names of `spool` to `<url>/<remote name>` (docs/architecture.md, Transport; docs/transport.md).

    `url`: `https://host[:port][/path]`, or `http://` to this very machine only. `ca`: the certificates (PEM, or one as
    DER) that may have signed the server's; it is always verified, and the server's name, too. `token`: sent as a bearer
    token, to this server only. `cert`, `key`: our own certificate and its private key (PEM or DER bytes).
    `timeout_s`: the deadline of each single wait: to connect, the TLS handshake, each piece of a file, the whole
    answer. `fixes`: where the collector's clock is reported to (`now_us()`, `offer(...)`: see app/fixes.py).

    A name is acknowledged when each of its parts, in order, was answered with 200, 201, 204 (stored durably) or 412
    (there already). Public, for the shipper and the status: `conflicts` and `refused` (name -> reason) hold the names
    that the server did not take (in conflict: other bytes are there under this name, which no repetition heals),
    `sent_bytes` (of files), `connections` made, `resolve_ms` (how long the last name look-up blocked); `on_the_way`
    (names sent and not answered yet: none between two calls of `take`), `stays` (there is nothing to be connected for
    but shipping).

    A large file that may be there already (it was sent and not answered, or refused, or it is the first large one after
    a start) is announced with `Expect: 100-continue`, so that its bytes need not travel again.

    Raises `TransportError(CONFIG)` when the arguments cannot work.
    """

    on_the_way = ()
    stays = False

    def __init__(self, spool, *, url, ca=None, token=None, cert=None, key=None, timeout_s=10, fixes=None):
        from .endpoint import parse_url, tls_context  # not needed any more when the board runs

        tls, host, port, self._path = parse_url(url)
        if token is not None and not (0 < len(token) <= 1024 and all("!" <= c <= "~" for c in token)):
            raise TransportError(CONFIG, "the token must be 1 to 1024 visible ASCII characters, without spaces")
        self._spool = spool
        self._timeout_ms = int(timeout_s * 1000)
        self._context = tls_context(ca, cert, key) if tls else None
        self._place = (tls, host, port)
        self._fixes = fixes
        link = Link(host, port, self._context, self._timeout_ms, cert is not None)
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._peer = Peer(link, self._buffer, fixes and fixes.now_us)
        self._host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._token = f"Authorization: Bearer {token}\r\n" if token else ""
        self._doubtful = None  # the remote name that may be there already; None: any, because we were just started
        self._redirect = None  # made when the server redirects us for the first time
        self._answered = False  # the server has spoken to us
        self.conflicts = {}
        self.refused = {}

    @property
    def sent_bytes(self):
        return self._peer.sent_bytes + (self._redirect.sent_bytes if self._redirect else 0)

    @property
    def connections(self):
        return self._peer.link.opened + (self._redirect.connections if self._redirect else 0)

    @property
    def resolve_ms(self):
        return self._peer.link.resolve_ms

    async def connect(self):
        """Opens the connection unless it is open and alive. With TLS, the handshake comes with the first file."""
        try:
            await self._peer.connect()
        except TransportError as error:
            await self._look_closer(error)
            raise

    async def close(self):
        """Closes the connections, if there are any."""
        self._peer.link.close()
        if self._redirect:
            self._redirect.close()

    async def ship(self, take, answered):
        """Sends all parts of each name that `take()` gives, in order, until it gives None.

        `answered(name, stored)` is called for each as soon as it has its answer; why one was not stored is in
        `conflicts` or `refused`. When nothing more can be shipped now, raises `TransportError`. Cancelling closes the
        connection.
        """
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
            for remote_name, size, sha256 in self._spool.parts(name):
                response, by_us = await self._put(remote_name, size, sha256, name in self.refused)
                if by_us and answers.is_stored(response) or not by_us and self._redirect.is_stored(response, sha256):
                    continue
                if by_us:
                    text, cause = answers.explain(response)
                else:
                    text, cause = self._redirect.explain(response)
                reason = f"{remote_name}: {text}"
                if by_us and answers.is_conflict(response):
                    self.conflicts[name] = reason
                elif by_us and answers.concerns_all(response) or response.status >= 500:
                    raise TransportError(REFUSED, reason, cause)
                else:
                    self.refused[name] = reason
                return False
        except (OSError, EOFError) as error:  # of the spool: those of the connection are TransportErrors
            self.refused[name] = f"{name} cannot be read on the board ({error})"
            return False
        return True

    async def _put(self, remote_name, size, sha256, refused_before):
        """Sends one file. -> (the final `Response`, whether it is that of the configured server)."""
        doubtful = refused_before or self._doubtful in (None, remote_name)
        expect = doubtful and size > BUFFER_BYTES or self._redirect is not None
        if self._doubtful is not None or expect:
            self._doubtful = remote_name
        path = self._path + _quoted(remote_name)
        digest = b2a_base64(unhexlify(sha256)).strip().decode()
        fields = f"Content-Length: {size}\r\nContent-Digest: sha-256=:{digest}:\r\nIf-None-Match: *\r\n"

        def open_file():
            return self._spool.open(remote_name)

        head = f"PUT {path} HTTP/1.1\r\nHost: {self._host}\r\n{self._token}{fields}"
        response = await self._peer.put(head, open_file, size, expect)
        if response.status == 417 and expect:  # it does not know Expect: RFC 9110 section 15.5.18
            response = await self._peer.put(head, open_file, size, False)
        self._answered = True
        self._offer_fix(response)
        here = response.status not in (307, 308)
        if not here:
            if not self._redirect:
                from .redirect import Redirect

                self._redirect = Redirect(self._place, self._context, self._timeout_ms, self._buffer)
            response = await self._redirect.put(response, path, fields, open_file, size)
        if self._doubtful is not None:
            self._doubtful = ""
        return response, here

    def _offer_fix(self, response):
        """The collector says when it heard us and when it answered, by its clock, in us (docs/transport.md, Clocks)."""
        said = response.fields.get(b"motelog-clock", b"").split()
        if self._fixes and len(said) == 3 and all([part.isdigit() and len(part) < 18 for part in said]):
            received, sent, error = [int(part) for part in said]
            peer = self._peer
            source = "collector:" + self._place[1]
            self._fixes.offer(peer.asked_us, received, sent, peer.answered_us, error, source)

    async def _look_closer(self, error):
        """A server that never spoke to us may be behind a page to log in at: then `error` says so."""
        if self._context and not self._answered and error.cause in (CERTIFICATE, COLLECTOR_DOWN, LINK):
            from . import portal

            await portal.look(self._place[1], error)


def _quoted(path):
    """Percent-encodes what may not stand in a request target (RFC 3986 section 2.1)."""
    return "".join(chr(c) if chr(c) in _UNRESERVED else f"%{c:02X}" for c in path.encode())
