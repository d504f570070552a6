"""Where to ship to, and whom to trust there: url, request target, TLS context."""

from binascii import a2b_base64

from .errors import CONFIG, TransportError

_EXPECTED = "expected https://host[:port][/path]"
_UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"


def parse_url(url):
    """-> (whether TLS, host, port, path with a slash at its end), or `TransportError(CONFIG)`.

    Plain http is for this very machine only. User, query and fragment have no meaning here and are refused.
    """
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if scheme not in ("https", "http") or not all("!" <= c <= "~" and c not in "@?#%\\" for c in rest):
        raise TransportError(CONFIG, f"url {url}: {_EXPECTED}")
    if authority.startswith("["):  # an IPv6 address
        host, end, port = authority[1:].partition("]")
        if not end or (port and not port.startswith(":")):
            raise TransportError(CONFIG, f"url {url}: {_EXPECTED}")
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
    port = port or ("443" if scheme == "https" else "80")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise TransportError(CONFIG, f"url {url}: {_EXPECTED} with a port from 1 to 65535")
    if scheme == "http" and not _is_loopback(host):
        raise TransportError(CONFIG, f"url {url}: plain http only to this very machine (127.0.0.1), otherwise https")
    if len(path) > 512:
        raise TransportError(CONFIG, "url: the path is longer than 512 characters")
    path = slash + path
    return scheme == "https", host, int(port), path if path.endswith("/") else path + "/"


def quote(path):
    """Percent-encodes what may not stand in a request target (RFC 3986 section 2.1)."""
    return "".join(chr(c) if chr(c) in _UNRESERVED else f"%{c:02X}" for c in path.encode())


def tls_context(ca):
    """A client context that trusts `ca` (PEM or DER bytes) alone. Verification cannot be switched off."""
    try:
        import tls  # here, because plain http works on a port without it
    except ImportError:
        raise TransportError(CONFIG, "https: this firmware has no TLS") from None
    if not ca:
        raise TransportError(CONFIG, "https needs ca: the certificate that signed the collector's")
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    try:
        context.load_verify_locations(_der(ca))
    except ValueError:
        raise TransportError(CONFIG, "ca is not a certificate (PEM or DER)") from None
    return context


def _der(certificate):
    """PEM or DER -> DER: not every port's TLS reads PEM (RFC 7468)."""
    _, begin, rest = certificate.partition(b"-----BEGIN CERTIFICATE-----")
    return a2b_base64(rest.partition(b"-----END CERTIFICATE-----")[0]) if begin else certificate


def _is_loopback(host):
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())
