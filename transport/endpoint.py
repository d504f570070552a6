"""Where to ship to, and whom to trust there: url, TLS context. Needed at boot, and for redirections."""

from binascii import a2b_base64

from .errors import CONFIG, REFUSED, SERVER, TransportError

_EXPECTED = "expected https://host[:port][/path]"


def parse_url(url):
    """-> (whether TLS, host, port, path with a slash at its end), or `TransportError(CONFIG)`.

    Plain http is for this very machine only. User, query and fragment have no meaning here and are refused.
    """
    place = None
    if not any(c in "?%" for c in url):
        place = _split(url)
    if place is None:
        raise TransportError(CONFIG, f"url {url}: {_EXPECTED}, the port from 1 to 65535")
    tls, host, port, path = place
    if not tls and not _is_loopback(host):
        raise TransportError(CONFIG, f"url {url}: plain http only to this very machine (127.0.0.1), otherwise https")
    if len(path) > 512:
        raise TransportError(CONFIG, "url: the path is longer than 512 characters")
    return tls, host, port, path if path.endswith("/") else path + "/"


def parse_location(location, origin, path):
    """Where a redirection of `path` at `origin` (whether TLS, host, port) leads. -> (place as `origin`, target).

    Only TLS, unless `origin` is this very machine without it. `TransportError(REFUSED)` for anything else.
    """
    if location.startswith("/") and not location.startswith("//"):
        place, target = origin, location
    else:
        tls, host, port, target = _split(location) or (False, "", 0, "")
        place = (tls, host, port)
        if not (tls or host and not origin[0] and _is_loopback(host)):
            raise TransportError(REFUSED, "the server redirects to what is no https address", SERVER)
    if (place, target) == (origin, path):
        raise TransportError(REFUSED, "the server redirects to where we are", SERVER)
    if not all("!" <= c <= "~" for c in target) or "#" in target:
        raise TransportError(REFUSED, "the server redirects to a malformed address", SERVER)
    return place, target


def _split(url):
    """-> (whether TLS, host, port, path and query), None if it is not `http[s]://host[:port][/path][?query]`."""
    scheme, _, rest = url.partition("://")
    end = min([at for at in (rest.find("/"), rest.find("?")) if at >= 0] or [len(rest)])
    authority, path = rest[:end], rest[end:]
    if scheme not in ("https", "http") or not all("!" <= c <= "~" and c not in "#\\" for c in rest) or "@" in authority:
        return None
    if authority.startswith("["):  # an IPv6 address
        host, end, port = authority[1:].partition("]")
        if not end or (port and not port.startswith(":")):
            return None
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
    port = port or ("443" if scheme == "https" else "80")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    return scheme == "https", host, int(port), path if path.startswith("/") else "/" + path


def tls_context(ca, cert=None, key=None):
    """A client context that trusts `ca` (PEM or DER bytes) alone. Verification cannot be switched off.

    `ca` in PEM may hold several certificates. `cert`, `key`: what we show of ourselves when the server asks.
    """
    try:
        import tls  # here, because plain http works on a port without it
    except ImportError:
        raise TransportError(CONFIG, "https: this firmware has no TLS") from None
    if not ca:
        raise TransportError(CONFIG, "https needs ca: the certificate that signed the collector's")
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    try:
        for der in _ders(ca, b"CERTIFICATE"):
            context.load_verify_locations(der)
    except ValueError:
        raise TransportError(CONFIG, "ca is not a certificate (PEM or DER)") from None
    if cert is None and key is None:
        return context
    if not cert or not key:
        raise TransportError(CONFIG, "a client certificate needs both its files, cert and key")
    try:
        context.load_cert_chain(_ders(cert, b"CERTIFICATE")[0], _ders(key, b"PRIVATE KEY")[0])
    except ValueError:
        text = "cert and key are not a certificate and its private key (PEM or DER, the key without a password)"
        raise TransportError(CONFIG, text) from None
    return context


def _ders(data, label):
    """The DER in `data`: each PEM block whose label ends in `label`, or `data` itself if that is no PEM.

    Not every port's TLS reads PEM (RFC 7468).
    """
    if b"-----BEGIN " not in data:
        return [data]
    found = []
    for block in data.split(b"-----BEGIN ")[1:]:
        name, _, rest = block.partition(b"-----")
        if name.endswith(label) and name != b"ENCRYPTED PRIVATE KEY":
            found.append(a2b_base64(rest.partition(b"-----END ")[0]))
    if not found:
        raise ValueError
    return found


def _is_loopback(host):
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())
