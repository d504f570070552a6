"""The named ways out of a transport (besides data and `asyncio.CancelledError`)."""

TIMEOUT = "timeout"  # a wait reached its deadline
REFUSED = "refused"  # nobody listens there, TLS does not trust the other side, or the server says no to everything
LOST = "link lost"  # the connection broke or was closed
GARBAGE = "garbage"  # the other side does not speak HTTP/1.1, or not properly
CONFIG = "config"  # what we were given cannot work: url, CA, token


class TransportError(Exception):
    """`kind` is one of the names above, `message` one sentence for a person. Secrets are never in it.

    `acknowledged` lists the names that `ship` had finished when it failed.
    """

    def __init__(self, kind, message):
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.acknowledged = []

    def __str__(self):
        return self.kind + ": " + self.message
