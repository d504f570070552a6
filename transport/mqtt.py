"""Ships the names of a spool by MQTT, acknowledged end to end: docs/mqtt.md has topics and payloads."""

import asyncio
import json
from time import ticks_add, ticks_diff, ticks_ms

from .errors import COLLECTOR_DOWN, LOST, REFUSED, TIMEOUT, TransportError
from .link import Link
from .mqtt_client import Client
from .mqtt_delivery import Delivery, Message

_AHEAD = 4  # names on their way per message of the window: the collector answers later than the broker
_EARLY = 16  # acknowledgements kept for names that were not sent since this start
_REPLIES = 8  # that wait to be sent
_ASK_MS = 1000  # between two looks at a spool that had nothing more
_PATIENCE_MAX_MS = 480000
_STORED = (200, 201, 204, 412)
_OFFLINE = b'{"state": "offline"}'


class Answer:
    """What the collector says of a name: a status with HTTPS's meaning, and why (bytes)."""

    def __init__(self, status, text):
        self.status = status
        self.text = text

    def is_stored(self):
        return self.status in _STORED


class Mqtt:
    """Ships names of `spool` to the broker at `url`, `mqtts://host[:port]` or `mqtt://host[:port]`.

    `ca`, `cert`, `key`: certificates and key, PEM or DER bytes. `topic`: what all topics begin with. `ack`: whose word
    counts, the `collector`'s or the `broker`'s. `window`: messages in flight. `do(line) -> (ok, text)`: obeys commands.
    `timeout_s`: the deadline of each single wait for the broker, `patience_s` of the first one for the collector; it
    doubles as long as no collector answers at all.

    Public, for the shipper and the status, as `Https` has it: `conflicts` and `refused` (name -> reason), `sent_bytes`,
    `connections`, `resolve_ms`; and `on_the_way` (names sent, or about to be, and not answered), `stays` (the
    connection is kept while there is nothing to ship), `report(status)`.

    Raises `TransportError(CONFIG)` when the arguments cannot work.
    """

    stays = True

    def __init__(
        self,
        spool,
        *,
        url,
        ca=None,
        cert=None,
        key=None,
        user=None,
        password=None,
        topic="motelog",
        ack="collector",
        keepalive_s=60,
        window=4,
        max_message_kb=256,
        status_s=60,
        timeout_s=10,
        patience_s=30,
        do=None,
    ):
        tls, host, port = _place(url)
        context = None
        if tls:
            from .endpoint import tls_context

            context = tls_context(ca, cert, key)
        self._spool = spool
        self._link = Link(host, port, context, int(timeout_s * 1000))
        prefix = topic + "/" + spool.device + "/"
        self._topics = {name: (prefix + name).encode() for name in ("data", "ack", "status", "command", "reply")}
        self._by_broker = ack == "broker"
        heard = [self._topics["command"]] if self._by_broker else [self._topics["ack"], self._topics["command"]]
        from . import mqtt_connect

        will = (self._topics["status"], _OFFLINE)
        connect = mqtt_connect.packet("motelog-" + spool.device, user, password, keepalive_s, *will)
        mqtt_connect.forget()
        self._client = Client(self._link, connect, heard, self, window=window, keepalive_s=keepalive_s)
        self._do = do
        self._commands = None  # made when the first one comes
        self._most = _AHEAD * window
        self._most_bytes = max_message_kb * 1024
        self._status_every_ms = int(status_s * 1000)
        self._first_patience_ms = self._patience_ms = int(patience_s * 1000)
        self._wake = asyncio.Event()
        self._queue = []  # deliveries to send
        self.on_the_way = {}  # name -> Delivery
        self._answers = []  # (name, whether it is stored) for the shipper
        self._early = {}  # name -> (digest, Answer)
        self._trouble = None  # TransportError that ends the round
        self._heard_ms = ticks_ms()  # when the collector last said something that we could use
        self._replies = []
        self._report = None  # the latest status
        self._told = None  # the state in the status published last
        self._told_ms = 0
        self._telling = False  # a status is in flight
        self.conflicts = {}
        self.refused = {}
        self.ignored = 0  # acknowledgements of the collector that fit nothing we have sent

    @property
    def sent_bytes(self):
        return self._client.sent_bytes

    @property
    def connections(self):
        return self._link.opened

    @property
    def resolve_ms(self):
        return self._link.resolve_ms

    async def connect(self):
        """Opens the connection unless it is open. What ended the last one unexpectedly is raised first, once."""
        client = self._client
        if client.alive:
            return
        error, client.error = client.error, None
        if error:
            raise error
        self._told = None  # the last will may have overwritten it
        await client.open()

    async def close(self):
        """Says what there is to say (the latest state), then goodbye."""
        self._hold()
        await self._client.close()

    def report(self, status):
        """The board's status, to be published (retained): soon if its `state` is new, else every `status_s`."""
        self._report = status

    async def ship(self, take, answered):
        """Sends what `take()` gives, until it gives None and nothing is on its way any more.

        `answered(name, stored)` is called for each name that has its answer; see `conflicts` and `refused` for those
        that were not stored. When nothing more can be shipped now, raises `TransportError`. What is in flight then, or
        when this is cancelled, stays so: its answers are told to the next `ship`.
        """
        client = self._client
        asked_ms = None  # when take() had nothing
        try:
            while True:
                self._wake.clear()
                while self._answers:
                    answered(*self._answers.pop(0))
                    asked_ms = None
                self._raise_trouble()
                if asked_ms is None or ticks_diff(ticks_ms(), asked_ms) > _ASK_MS:
                    asked_ms = None if self._fill(take) else ticks_ms()
                    self._link.wake()
                if not self.on_the_way:
                    return
                if not client.alive:
                    error, client.error = client.error, None
                    raise error or TransportError(LOST, "the connection was closed")
                await self._wake.wait()
        finally:
            self._hold()

    def _fill(self, take):
        """Takes names until enough are on their way. -> whether there may be more."""
        while len(self.on_the_way) < self._most:
            name = take()
            if name is None:
                return False
            delivery = Delivery(self._spool, name, self._topics["data"])
            self.on_the_way[name] = delivery
            self._queue.append(delivery)
        return True

    def _hold(self):
        """Lets go of what is not sent yet: the spool still has it."""
        for delivery in self._queue:
            self.on_the_way.pop(delivery.name, None)
        self._queue = []

    def _raise_trouble(self):
        """Raises what the collector says of all names, or that it says nothing."""
        trouble, self._trouble = self._trouble, None
        if trouble:
            raise trouble
        now = ticks_ms()
        taken = [delivery for delivery in self.on_the_way.values() if delivery.due_ms is not None]
        late = [delivery for delivery in taken if ticks_diff(delivery.due_ms, now) <= 0]
        if not late:
            return
        silent = all([ticks_diff(self._heard_ms, delivery.taken_ms) < 0 for delivery in late])
        for delivery in taken if silent else late:
            delivery.due_ms = None
            if silent:
                del self.on_the_way[delivery.name]
            else:  # its acknowledgement got lost
                self._queue.append(delivery)
        if silent:
            seconds = self._patience_ms // 1000
            self._patience_ms = min(_PATIENCE_MAX_MS, self._patience_ms * 2)
            reason = "the broker has taken %s, but no collector acknowledged it within %d s" % (late[0].name, seconds)
            raise TransportError(TIMEOUT, reason, COLLECTOR_DOWN)

    # --- asked and told by the client

    def wake(self):
        """Something may have changed."""
        self._wake.set()

    def next_message(self, room):
        """-> what to send next: a reply, the status if it is due, a name if the window has room; or None."""
        if self._replies:
            return Message(self._topics["reply"], self._replies.pop(0))
        if self._is_status_due():
            self._telling = True
            self._told = self._report.get("state")
            self._told_ms = ticks_ms()
            return Message(self._topics["status"], json.dumps(self._report).encode(), retain=True)
        while room and self._queue:
            delivery = self._queue.pop(0)
            if self.ready(delivery):
                return delivery
        return None

    def ready(self, message):
        """-> whether it is to be sent; if not, it has its answer."""
        if not isinstance(message, Delivery):
            return True
        name = message.name
        if self.on_the_way.get(name) is not message:
            return False  # answered in the meantime
        try:
            found = message.prepare()
        except (OSError, EOFError, ValueError) as error:
            self.unreadable(message, error)
            return False
        digest, answer = self._early.pop(name, (None, None))
        if not found:
            self._done(message, True)  # the spool gave it up: there is nothing left to send
        elif digest == message.digest:
            self._answer(message, answer)
        elif message.size > self._most_bytes:
            self.refused[name] = "%s: %d bytes are more than upload.mqtt.max_message_kb" % (name, message.size)
            self._done(message, False)
        else:
            return True
        return False

    def unreadable(self, message, error):
        """The spool's flash failed while `message` was sent."""
        if isinstance(message, Delivery):
            self.refused[message.name] = "%s cannot be read on the board (%s)" % (message.name, error)
            self._done(message, False)

    def puback(self, message):
        """The broker has taken `message`."""
        if not isinstance(message, Delivery):
            if message.retain:
                self._telling = False
        elif self.on_the_way.get(message.name) is message:
            if self._by_broker:
                self._done(message, True)
            else:
                message.taken_ms = ticks_ms()
                message.due_ms = ticks_add(message.taken_ms, self._patience_ms)
                self._wake.set()

    def received(self, topic, payload, retained):
        """The broker has delivered something."""
        if topic == self._topics["command"]:
            if self._commands is None:
                from .mqtt_commands import Commands

                self._commands = Commands(self._do)
            self._replies.append(self._commands.obey(payload, retained))
            if len(self._replies) > _REPLIES:
                self._replies.pop(0)
        elif topic != self._topics["ack"] or payload is None or retained or not self._acknowledged(payload):
            self.ignored += 1

    def _is_status_due(self):
        if self._report is None or self._telling:
            return False
        if self._report.get("state") != self._told:
            return True
        return ticks_diff(ticks_ms(), self._told_ms) > self._status_every_ms

    # --- the collector's answers

    def _acknowledged(self, payload):
        """-> whether `payload` is an acknowledgement that we can use, now or soon."""
        try:
            ack = json.loads(bytes(payload))
            name, digest, status, why = ack["name"], ack["sha256"], ack["status"], ack.get("why") or ""
        except (ValueError, KeyError, TypeError, AttributeError, MemoryError):  # 4096 nested lists take 400 KB
            return False
        if not (isinstance(name, str) and isinstance(digest, str) and isinstance(status, int) and isinstance(why, str)):
            return False
        answer = Answer(status, why[:200].encode())
        delivery = self.on_the_way.get(name)
        if delivery is not None and delivery.digest is not None:
            if delivery.digest != digest:
                return False
            self._answer(delivery, answer)
        elif not (answer.is_stored() and len(digest) == 64 and len(name) < 200):
            return False
        else:  # of what was sent before the last start: looked at when its turn comes
            if len(self._early) >= _EARLY:
                self._early.pop(next(iter(self._early)))
            self._early[name] = (digest, answer)
        return True

    def _answer(self, delivery, answer):
        self._heard_ms = ticks_ms()
        self._patience_ms = self._first_patience_ms
        if answer.is_stored():
            self._done(delivery, True)
            return
        from . import answers  # seldom needed: it takes 4 KB

        reason, cause = answers.explain(answer)
        reason = "%s: %s" % (delivery.name, reason)
        if answers.is_conflict(answer):
            self.conflicts[delivery.name] = reason
        elif answers.concerns_all(answer):
            del self.on_the_way[delivery.name]
            self._trouble = TransportError(REFUSED, reason, cause)
            self._wake.set()
            return
        else:
            self.refused[delivery.name] = reason
        self._done(delivery, False)

    def _done(self, delivery, stored):
        del self.on_the_way[delivery.name]
        self._answers.append((delivery.name, stored))
        self._wake.set()


def _place(url):
    """-> (whether TLS, host, port) of an address that config/urls.py has let through."""
    scheme, _, authority = url.partition("://")
    host, _, port = authority.rpartition(":") if ":" in authority.rpartition("]")[2] else (authority, "", "")
    tls = scheme == "mqtts"
    return tls, host.strip("[]"), int(port or (8883 if tls else 1883))
