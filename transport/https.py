"""Ships the files of a spool by HTTP PUT over TLS: what is known of the server while nothing is shipped."""

import gc
import sys
from asyncio import sleep_ms

from .errors import CONFIG, TransportError

_CODE = ("link", "response", "peer", "puts", "answers", "redirect", "endpoint", "portal")  # the first four at once


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

    The code that puts files, its buffer and the connection (25 KB of heap) are loaded by `connect` and let go by
    `close`.

    Raises `TransportError(CONFIG)` when the arguments cannot work.
    """

    on_the_way = ()
    stays = False

    def __init__(self, spool, *, url, ca=None, token=None, cert=None, key=None, timeout_s=10, fixes=None):
        from .endpoint import parse_url, tls_context  # not needed any more when the board runs

        tls, host, port, self.path = parse_url(url)
        if token is not None and not (0 < len(token) <= 1024 and all("!" <= c <= "~" for c in token)):
            raise TransportError(CONFIG, "the token must be 1 to 1024 visible ASCII characters, without spaces")
        self.spool = spool
        self.timeout_ms = int(timeout_s * 1000)
        self.context = tls_context(ca, cert, key) if tls else None
        self.place = (tls, host, port)
        self.fixes = fixes
        self.has_certificate = cert is not None
        self.token = f"Authorization: Bearer {token}\r\n" if token else ""
        self.doubtful = None  # the remote name that may be there already; None: any, because we were just started
        self.redirects = False  # the server sends us elsewhere with our files
        self.answered = False  # the server has spoken to us
        self.addresses = []  # of the server
        self.conflicts = {}
        self.refused = {}
        self._puts = None
        self._before = (0, 0)  # bytes sent and connections made by those that are gone
        self.resolve_ms = 0

    @property
    def sent_bytes(self):
        return self._before[0] + (self._puts.sent_bytes if self._puts else 0)

    @property
    def connections(self):
        return self._before[1] + (self._puts.connections if self._puts else 0)

    async def connect(self):
        """Opens the connection unless it is open and alive. With TLS, the handshake comes with the first file."""
        if not self._puts:
            for name in _CODE[:4]:
                __import__("transport." + name)
                await sleep_ms(0)  # each takes a while to be read from flash
            self._puts = sys.modules["transport.puts"].Puts(self)
        await self._puts.connect()

    async def close(self):
        """Closes the connections, if there are any, and lets go of everything that is needed for shipping only."""
        if self._puts:
            self._before = (self.sent_bytes, self.connections)
            self._puts.close()
            self._puts = None
            _forget()

    async def ship(self, take, answered):
        """Sends all parts of each name that `take()` gives, in order, until it gives None; after `connect`.

        `answered(name, stored)` is called for each as soon as it has its answer; why one was not stored is in
        `conflicts` or `refused`. When nothing more can be shipped now, raises `TransportError`. Cancelling closes the
        connection.
        """
        await self._puts.ship(take, answered)


def _forget():
    package = sys.modules["transport"]
    for name in _CODE:
        if sys.modules.pop("transport." + name, None):
            delattr(package, name)
    gc.collect()
