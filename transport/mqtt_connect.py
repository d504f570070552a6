"""CONNECT as micropython-lib's umqtt.robust makes and judges it, without letting it near a socket.

umqtt connects with blocking calls: a broker that accepts the connection and says nothing held the event loop for the
whole time-out (10.0 s of 10 s, measured on the Unix port), and with it every sensor. So its `connect` is run over a
stand-in for the module `socket`: once to the point where it wants to read, and what it has written by then is what our
own link sends, at every connection; and once more when a broker's answer is not plain consent, to say what it means.

Both need 14 KB of code (64-bit) for a moment: the caller lets go of this module and of umqtt afterwards (`forget`).
"""

import sys

from .errors import CONFIG, CREDENTIALS, GARBAGE, LOST, REFUSED, SERVER, TransportError

_CODES = {  # MQTT 3.1.1, 3.2.2.3
    1: ("does not speak MQTT 3.1.1 (wrong protocol level)", SERVER),
    2: ("refuses the client id", SERVER),
    3: ("says that it is not available", None),
    4: ("refuses user name or password", CREDENTIALS),
    5: ("does not let this user in", CREDENTIALS),
}


def packet(client_id, user, password, keepalive_s, will_topic, will):
    """-> the bytes of CONNECT for a client whose session the broker keeps while it is away (clean session off).

    `user`, `password`: str or None. `will_topic`, `will`: bytes, published (retained, QoS 1) when the client leaves
    without a word. `TransportError(CONFIG)` when umqtt is not on this board.
    """
    # As bytes: umqtt counts the characters of a str, but sends its UTF-8.
    user = user.encode() if user else None
    client = _client(client_id, "", 1, user, (password or "").encode(), keepalive_s)
    client.set_last_will(will_topic, will, retain=True, qos=1)
    wire = _Wire(None)
    try:
        _run(client, wire)
    except _Asked:
        pass
    return bytes(wire.written)


def judge(answer):
    """Raises what an `answer` to CONNECT means that is not consent; b"": the broker closed at once."""
    client = _client("", "")
    from umqtt.simple import MQTTException

    try:
        _run(client, _Wire(answer))
    except MQTTException as error:
        reason, cause = _CODES.get(error.args[0], ("refuses us (code %s)" % error.args[0], SERVER))
        raise TransportError(REFUSED, "the broker " + reason, cause) from None
    except (IndexError, TypeError):  # too short for umqtt
        reason = "the broker closed the connection during CONNECT (wrong password, or no client certificate?)"
        raise TransportError(LOST, reason) from None
    except AssertionError:
        pass
    raise TransportError(GARBAGE, "what answers CONNECT is no MQTT broker")


def forget():
    """Lets go of this module and of umqtt: the next import loads them again."""
    for name in ("umqtt.robust", "umqtt.simple", "umqtt", __name__):
        sys.modules.pop(name, None)
    package = sys.modules[__name__.rsplit(".", 1)[0]]
    if hasattr(package, "mqtt_connect"):
        delattr(package, "mqtt_connect")


def _client(*args):
    try:
        from umqtt import robust
    except ImportError:
        reason = "umqtt.robust is not on this board: run `deploy.py libs` on the laptop, then push again"
        raise TransportError(CONFIG, reason) from None
    return robust.MQTTClient(*args)


def _run(client, wire):
    from umqtt import simple

    real = simple.socket
    simple.socket = wire
    try:
        return client.connect(False)
    finally:
        simple.socket = real


class _Asked(Exception):
    """umqtt wants to read what has not come yet."""


class _Wire:
    """Stands in for the module `socket` and for the socket that it makes; `answer` None: nothing has come yet."""

    def __init__(self, answer):
        self.written = bytearray()
        self._answer = answer

    def socket(self):
        return self

    def getaddrinfo(self, host, port):
        return [(None,)]

    def settimeout(self, seconds):
        pass

    def connect(self, address):
        pass

    def write(self, data, count=None):
        self.written.extend(data if count is None else data[:count])

    def read(self, count):
        if self._answer is None:
            raise _Asked
        return self._answer[:count]
