"""Where a server sends us with a file (307, 308): once per file, with TLS verified, and without our token.

The other server may be an object store that was given a presigned address. It knows nothing of our digests, so that
"it is there already" (412) counts only when its answer proves with which bytes.
"""

from binascii import b2a_base64, unhexlify

from . import answers
from .endpoint import parse_location
from .errors import SERVER
from .link import Link
from .peer import Peer


class Redirect:
    """Puts files where `origin` ((tls, host, port), the configured server) sends them; keeps one connection."""

    def __init__(self, origin, context, timeout_ms, buffer):
        self._origin = origin
        self._context = context
        self._timeout_ms = timeout_ms
        self._buffer = buffer
        self._place = None
        self._peer = None
        self._before = (0, 0)  # bytes sent and connections made by peers that are gone

    @property
    def sent_bytes(self):
        return self._before[0] + (self._peer.sent_bytes if self._peer else 0)

    @property
    def connections(self):
        return self._before[1] + (self._peer.link.opened if self._peer else 0)

    def close(self):
        """Closes the connection, if there is one."""
        if self._peer:
            self._peer.link.close()

    async def put(self, redirection, path, fields, open_file, size):
        """Follows `redirection`, the answer to a PUT of `path`. -> the other server's `Response`."""
        place, target = parse_location(redirection.fields.get(b"location", b"").decode(), self._origin, path)
        if place != self._place:
            self._go_to(place)
        _, host, port = place
        host = f"[{host}]" if ":" in host else host
        if port != (443 if place[0] else 80):  # a presigned address is signed together with the Host field
            host = f"{host}:{port}"
        return await self._peer.put(f"PUT {target} HTTP/1.1\r\nHost: {host}\r\n{fields}", open_file, size, False)

    def _go_to(self, place):
        self.close()
        self._before = (self.sent_bytes, self.connections)
        tls, host, port = self._place = place
        self._peer = Peer(Link(host, port, self._context if tls else None, self._timeout_ms), self._buffer)

    def is_stored(self, response, sha256):
        """Whether the file is safe there: it was stored, or what is there is proven to have this hash."""
        if response.status != 412:
            return response.status in (200, 201, 204)
        digest = b2a_base64(unhexlify(sha256)).strip()
        said = response.fields
        return said.get(b"x-amz-checksum-sha256") == digest or b"sha-256=:" + digest + b":" in said.get(
            b"content-digest", b""
        )

    def explain(self, response):
        """-> (one line for a person, cause)."""
        host = self._place[1]
        status = response.status
        if status == 412:
            return f"{host} has a file of this name and does not say with which content (412)", SERVER
        if 300 <= status < 400:
            return f"{host} redirects once more ({status})", SERVER
        text, cause = answers.explain(response)
        if status in (401, 403):
            text = f"the address that we were sent to does not let us in ({status})"
        return f"{host}: {text}", cause
