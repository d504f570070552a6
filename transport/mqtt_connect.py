"""CONNECT as micropython-lib's umqtt.robust makes and judges it, without letting it near a socket.

umqtt connects with blocking calls: a broker that accepts the connection and says nothing held the event loop for the
whole time-out (10.0 s of 10 s, measured on the Unix port), and with it every sensor. So its `connect` is run twice over
a stand-in for the module `socket`: the first time it ends where it wants to read, and what it has written is sent by
our own link; the second time it reads the answer that has come meanwhile, and says what it thinks of it.
"""

from .errors import CONFIG, CREDENTIALS, GARBAGE, LOST, REFUSED, SERVER, TransportError

ANSWER_BYTES = 4  # CONNACK is that long (MQTT 3.1.1, 3.2)
_CODES = {  # 3.2.2.3
    1: ("does not speak MQTT 3.1.1 (wrong protocol level)", SERVER),
    2: ("refuses the client id", SERVER),
    3: ("says that it is not available", None),
    4: ("refuses user name or password", CREDENTIALS),
    5: ("does not let this user in", CREDENTIALS),
}


class Connect:
    """CONNECT for client `client_id`, whose session the broker keeps while we are away (clean session off).

    `user`, `password`: str or None. `will_topic`, `will`: bytes, published (retained, QoS 1) when we leave without a
    word. `TransportError(CONFIG)` when umqtt is not on this board.
    """

    def __init__(self, client_id, user, password, keepalive_s, will_topic, will):
        try:
            from umqtt import robust
        except ImportError:
            reason = "umqtt.robust is not on this board: run `deploy.py libs` on the laptop, then push again"
            raise TransportError(CONFIG, reason) from None
        # As bytes: umqtt counts the characters of a str, but sends its UTF-8.
        user = user.encode() if user else None
        password = (password or "").encode()
        self._client = robust.MQTTClient(client_id, "", 1, user, password, keepalive_s)
        self._client.set_last_will(will_topic, will, retain=True, qos=1)

    def packet(self):
        """-> the bytes of CONNECT."""
        wire = _Wire(None)
        try:
            self._run(wire)
        except _Asked:
            pass
        return bytes(wire.written)

    def judge(self, answer):
        """-> whether the broker has kept our session. `answer`: all that it said, b"" if it closed at once."""
        from umqtt.simple import MQTTException

        try:
            return bool(self._run(_Wire(answer)))
        except MQTTException as error:
            reason, cause = _CODES.get(error.args[0], ("refuses us (code %s)" % error.args[0], SERVER))
            raise TransportError(REFUSED, "the broker " + reason, cause) from None
        except (IndexError, TypeError):  # too short for umqtt
            reason = "the broker closed the connection during CONNECT (as some do when they refuse the credentials)"
            raise TransportError(LOST, reason) from None
        except AssertionError:
            raise TransportError(GARBAGE, "what answers CONNECT is no MQTT broker") from None

    def _run(self, wire):
        from umqtt import simple

        real = simple.socket
        simple.socket = wire
        self._client.sock = None
        try:
            return self._client.connect(False)
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
