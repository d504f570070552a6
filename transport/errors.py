"""The named ways out of a transport (besides data and `asyncio.CancelledError`)."""

TIMEOUT = "timeout"  # a wait reached its deadline
REFUSED = "refused"  # nobody listens there, TLS does not trust the other side, or the server says no to everything
LOST = "link lost"  # the connection broke or was closed
GARBAGE = "garbage"  # the other side does not speak HTTP/1.1, or not properly
CONFIG = "config"  # what we were given cannot work: url, CA, token

# What a person should look at first, as the status says it (`upload.cause`). docs/transport.md has a sentence for each.
LINK = "link"  # the way to the server
DNS = "dns"  # its name has no address
CAPTIVE_PORTAL = "captive_portal"  # the network wants somebody to log in first
CLOCK = "clock"  # the board does not know the time, and so not whether a certificate is valid
CERTIFICATE = "certificate"  # the server's is not the one that we trust
CREDENTIALS = "credentials"  # our token or certificate is not the one that the server wants
COLLECTOR_DOWN = "collector_down"  # it is not there, or in trouble
DISK_FULL = "disk_full"  # of the collector
SERVER = "server"  # it answers, but not as a collector does
_CAUSES = {TIMEOUT: LINK, REFUSED: COLLECTOR_DOWN, LOST: LINK, GARBAGE: SERVER, CONFIG: CONFIG}


class TransportError(Exception):
    """`kind` is one of the names above, `message` one sentence for a person. Secrets are never in it.

    `cause`: what to look at first, one of the second list; without it what `kind` suggests.
    """

    def __init__(self, kind, message, cause=None):
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.cause = cause or _CAUSES[kind]

    def __str__(self):
        return self.kind + ": " + self.message
