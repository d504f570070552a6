"""Ships the files of a spool by HTTP PUT over TLS, with bounded RAM and every wait under a deadline."""

from binascii import b2a_base64, unhexlify

from .endpoint import parse_url, quote, tls_context
from .errors import CONFIG, LOST, REFUSED, TransportError
from .link import Link
from .response import Response

_BUFFER_BYTES = 4096  # one TLS record on the ports whose mbedTLS sends records of 4 KiB
_STORED = (200, 201, 204, 412)  # 412: there already, with the same content
# Answers that concern every file, so that it is no use to go on with the next one.
_EVERY_FILE = {
    401: "the server wants another token",
    403: "the server forbids it: wrong token",
    404: "no collector at this url",
    405: "no collector at this url",
    407: "a proxy in between wants a password",
    408: "the server waited too long for us",
    411: "something between us and the server removes the length",
    421: "wrong server for this url",
    426: "the server wants another protocol",
    429: "the server is busy",
    507: "the server's disk is full",
}
_REASONS = {
    400: "the server says that length or digest are wrong",
    409: "other bytes are on the server under this name",
    413: "too large for the server",
}
_CLASSES = {
    2: "accepted, but not stored durably",
    3: "the server redirects: put the final address into url",
    5: "the server is in trouble",
}


class Https:
    """Ships names of `spool` to `<url>/<remote name>` (docs/architecture.md, Transport).

    `url`: `https://host[:port][/path]`, or `http://` to this very machine only. `ca`: the certificate (PEM or DER
    bytes) that signed the server's; it is always verified, and the server's name, too. `token`: sent as a bearer token.
    `timeout_s`: the deadline of each single wait: to connect, the TLS handshake, each piece of a file, the whole
    answer.

    A name is acknowledged when each of its parts, in order, was answered with 200, 201, 204 (stored durably) or 412
    (there already). Public, for the shipper and the status: `conflicts` and `refused` (name -> reason) hold the names
    that the server did not take (in conflict: other bytes are there under this name, which no repetition heals),
    `sent_bytes` (of files), `connections` made, `resolve_ms` (how long the last name look-up blocked).

    Raises `TransportError(CONFIG)` when the arguments cannot work.
    """

    def __init__(self, spool, *, url, ca=None, token=None, timeout_s=10):
        tls, host, port, self._path = parse_url(url)
        if token is not None and not (0 < len(token) <= 1024 and all("!" <= c <= "~" for c in token)):
            raise TransportError(CONFIG, "the token must be 1 to 1024 visible ASCII characters, without spaces")
        self._spool = spool
        self._link = Link(host, port, tls_context(ca) if tls else None, int(timeout_s * 1000))
        if ":" in host:
            host = f"[{host}]"
        self._headers = f"Host: {host}:{port}\r\nIf-None-Match: *\r\n"
        if token:
            self._headers += f"Authorization: Bearer {token}\r\n"
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._kept = False  # the open connection has carried a complete exchange before
        self.conflicts = {}
        self.refused = {}
        self.sent_bytes = 0

    @property
    def connections(self):
        return self._link.opened

    @property
    def resolve_ms(self):
        return self._link.resolve_ms

    async def connect(self):
        """Opens the connection unless it is open and alive. With TLS, the handshake comes with the first file."""
        if self._link.is_open and not (self._kept and self._link.is_stale()):
            return
        self._kept = False
        try:
            await self._link.open()
        except BaseException:
            self._link.close()
            raise

    async def close(self):
        """Closes the connection, if there is one."""
        self._link.close()

    async def ship(self, names):
        """Sends all parts of each name, in order, and returns the list of names acknowledged.

        Names that the server does not take are left out, see `conflicts` and `refused`. When nothing more can be
        shipped now, raises `TransportError`, whose `acknowledged` lists the names done before. Cancelling closes the
        connection.
        """
        done = []
        try:
            for name in names:
                if await self._ship_name(name):
                    done.append(name)
        except TransportError as error:
            error.acknowledged = done
            raise
        return done

    async def _ship_name(self, name):
        """True: acknowledged. False: this name was not taken, and the reason is noted."""
        try:
            for remote_name, size, sha256 in self._spool.parts(name):
                response = await self._put(remote_name, size, sha256)
                if response.status in _STORED:
                    continue
                reason = f"{remote_name}: {_reason(response)}"
                if response.status == 409:
                    self.conflicts[name] = reason
                elif 400 <= response.status < 500 and response.status not in _EVERY_FILE:
                    self.refused[name] = reason
                else:
                    raise TransportError(REFUSED, reason)
                return False
        except (OSError, EOFError) as error:  # of the spool: those of the connection are TransportErrors
            self.refused[name] = f"{name} cannot be read on the board ({error})"
            return False
        return True

    async def _put(self, remote_name, size, sha256):
        """Sends one file; -> the complete `Response`."""
        await self.connect()
        kept = self._kept
        response = Response()
        try:
            await self._exchange(remote_name, size, sha256, response)
        except TransportError as error:
            # A kept connection may have been closed just now: no failure yet. To send again is safe, because the server
            # stores a file under its name only once (If-None-Match).
            if not kept or error.kind != LOST or response.started:
                raise
            await self.connect()
            response = Response()
            await self._exchange(remote_name, size, sha256, response)
        return response

    async def _exchange(self, remote_name, size, sha256, response):
        """One request and its answer over the open connection, which is closed unless it can carry another one."""
        file = self._spool.open(remote_name)
        try:
            complete = await self._send(file, self._request_head(remote_name, size, sha256), size, response)
            self._link.arm()
            while not response.done:
                view = await self._link.receive()
                if view is None:
                    response.end()
                else:
                    response.feed(view)
        except BaseException:
            self._link.close()
            raise
        finally:
            file.close()
        self._kept = complete and response.reusable
        if not self._kept:
            self._link.close()

    async def _send(self, file, head, size, response):
        """Sends head and file, the head together with the file's first bytes: small files take one write.

        False if the final answer came before the end of the file.
        """
        start = len(head)
        self._buffer[:start] = head
        while True:
            end = min(_BUFFER_BYTES, start + size)
            _fill(file, self._slice(start, end))
            if not await self._send_piece(self._slice(0, end), response):
                return False
            self.sent_bytes += end - start
            size -= end - start
            if not size:
                return True
            start = 0

    async def _send_piece(self, view, response):
        """False if the final answer came before all was sent; interim answers (1xx) are read on the way."""
        self._link.arm()
        while True:
            sent = await self._link.send(view)
            if sent == len(view):
                return True
            response.feed(await self._link.receive())
            if response.status >= 200:
                return False
            view = view[sent:]

    def _slice(self, start, end):
        """A part of the buffer; the whole of it, which is the common case, without a new object."""
        return self._buffer if end - start == _BUFFER_BYTES else self._buffer[start:end]

    def _request_head(self, remote_name, size, sha256):
        digest = b2a_base64(unhexlify(sha256)).strip().decode()
        return (
            f"PUT {self._path}{quote(remote_name)} HTTP/1.1\r\n{self._headers}"
            f"Content-Length: {size}\r\nContent-Digest: sha-256=:{digest}:\r\n\r\n"
        ).encode()


def _fill(file, view):
    """Fills `view` from `file`, or raises `EOFError`."""
    while len(view):
        count = file.readinto(view)
        if not count:
            raise EOFError("the file is shorter than it should be")
        if count == len(view):
            return
        view = view[count:]


def _reason(response):
    """One line for a person: what the status means, and what the server says itself."""
    status = response.status
    reason = _REASONS.get(status) or _EVERY_FILE.get(status) or _CLASSES.get(status // 100, "the server refuses it")
    said = "".join(chr(c) if 32 <= c < 127 else " " for c in response.text).strip()
    return f"{reason} ({status}: {said})" if said else f"{reason} ({status})"
