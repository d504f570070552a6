"""Finds out whether a network that carries nothing for us answers for everybody: a page to log in at.

Such a network lets plain HTTP through to its own page, whatever host is asked (RFC 8952 calls it enforcement). So one
plain request for a page that does not exist goes to port 80 of our own server's name: nobody else is asked anything.
"""

import os

from .errors import CAPTIVE_PORTAL, TransportError
from .link import Link
from .response import Response

PORT = 80
TIMEOUT_MS = 3000


async def look(host, error):
    """If a portal answers for `host`, `error` gets that cause and says so."""
    if await _is_captive(host):
        error.cause = CAPTIVE_PORTAL
        error.message += "; this network answers for %s itself: it wants somebody to log in first" % host


async def _is_captive(host):
    """A real server says 404, or sends us to its own https; a portal shows its page, or sends us to another host."""
    nonce = int.from_bytes(os.urandom(4), "big")
    request = "GET /motelog-%08x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (nonce, host)
    link = Link(host, PORT, None, TIMEOUT_MS)
    response = Response()
    try:
        await link.open()
        link.arm()
        await link.send(request.encode())
        while not response.status >= 200 or not (response.text or response.done):
            view = await link.receive()
            if view is None:
                break
            response.feed(view)
    except TransportError:
        pass  # also an answer that is too long: its head has been read
    finally:
        link.close()
    if 300 <= response.status < 400:
        place = response.fields.get(b"location", b"").decode().lower().partition("://")[2]
        return place != "" and place.replace("?", "/").split("/")[0].split(":")[0] != host.lower()
    return response.status in (200, 511)  # 511: RFC 6585 section 6, made for this
