"""What an HTTP status means for one file, for all of them, and for a person."""

from .errors import COLLECTOR_DOWN, CREDENTIALS, DISK_FULL, LINK, SERVER

# Answers that concern every file, so that it is no use to go on with the next one.
_EVERY_FILE = {
    401: ("the server wants another token", CREDENTIALS),
    403: ("the server forbids it: wrong token", CREDENTIALS),
    404: ("no collector at this url", SERVER),
    405: ("no collector at this url", SERVER),
    407: ("a proxy in between wants a password", LINK),
    408: ("the server waited too long for us", LINK),
    411: ("something between us and the server removes the length", SERVER),
    421: ("wrong server for this url", SERVER),
    426: ("the server wants another protocol", SERVER),
    429: ("the server is busy", COLLECTOR_DOWN),
    507: ("the server's disk is full", DISK_FULL),
}
_REASONS = {
    400: "the server says that length or digest are wrong",
    409: "other bytes are on the server under this name",
    413: "too large for the server",
}
_CLASSES = {
    2: ("accepted, but not stored durably", SERVER),
    3: ("the server redirects: put the final address into url", SERVER),
    5: ("the server is in trouble", COLLECTOR_DOWN),
}
_NO_CERTIFICATE = ("the server wants a client certificate that it trusts", CREDENTIALS)


def concerns_all(response):
    """Whether another file would fare no better."""
    status = response.status
    return not 400 <= status < 500 or status in _EVERY_FILE or _wants_certificate(response)


def is_conflict(response):
    """Whether other bytes are there under the name, which no repetition heals.

    S3 says 409 as well, when two requests for one name meet: then it is to be sent again.
    """
    return response.status == 409 and b"ConditionalRequestConflict" not in response.text


def explain(response):
    """-> (one line for a person: what the status means, and what the server says itself; the cause)."""
    status = response.status
    reason, cause = _EVERY_FILE.get(status) or _CLASSES.get(status // 100) or (_REASONS.get(status), None)
    if _wants_certificate(response):
        reason, cause = _NO_CERTIFICATE
    reason = reason or "the server refuses it"
    said = "".join(chr(c) if 32 <= c < 127 else " " for c in response.text).strip()
    return (f"{reason} ({status}: {said})" if said else f"{reason} ({status})"), cause


def _wants_certificate(response):
    """nginx says so with a 400 and a page of its own."""
    return response.status == 400 and b" SSL certificate " in response.text
