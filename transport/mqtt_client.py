"""One MQTT connection: publishes of QoS 1 sent piece by piece, several in flight, each acknowledged by its id.

umqtt makes CONNECT and says why it was refused (mqtt_connect.py); everything behind it is done here, because umqtt's
`publish` waits for each acknowledgement, writes many small pieces, never wraps its packet ids and loses its time-outs
in `wait_msg`.
"""

import asyncio
from asyncio import sleep_ms
from time import ticks_add, ticks_diff, ticks_ms

from . import mqtt_packets as packets
from .errors import CREDENTIALS, GARBAGE, LINK, LOST, REFUSED, TIMEOUT, TransportError

_ANSWER_BYTES = 4  # of the broker to CONNECT (MQTT 3.1.1, 3.2)
LARGEST_BYTES = 4096  # of what comes in: a command with a whole configuration; acknowledgements have some 200
_BUFFER_BYTES = 4096  # one TLS record on the ports whose mbedTLS sends records of 4 KiB
_CONTROL_BYTES = 1024  # of short packets that wait for the end of a long one
_IDLE_AFTER_MS = 1000  # when nothing is said and no answer is due
_IDLE_MS = 100  # between two looks then
_LEAVE_MS = 2000  # for what is left to say at the end
_LEAVE_STEP_MS = 4


class Client:
    """The connection over `link`, begun with the bytes `connect`, subscribed to `topics` (bytes).

    A task of its own does all the sending and receiving from `open` to `close`. `owner` is asked and told:
    `next_message(room)` -> what to send next or None (`room`: whether the window has room for a large one),
    `ready(message)` -> whether one that was cut off is still to be sent, `puback(message)`, `unreadable(message, why)`,
    `received(topic, payload, retained)`, and `wake()` now and then; `on_the_way`: what it expects an answer to.

    A message has `topic`, `size`, `retain`, `open()`, `fill(view)`, `close()`, and for our use `pid` and `dup`.
    `alive`: the task runs. `error`: the `TransportError` that has ended it. `sent_bytes`; `ignored`: acknowledgements
    for nothing that is in flight.
    """

    def __init__(self, link, connect, topics, owner, *, window, keepalive_s):
        self.link = link
        self._connect = connect
        self._topics = topics
        self._owner = owner
        self._window = window
        self._ping_every_ms = keepalive_s * 500
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._parser = packets.Parser(self._packet, LARGEST_BYTES)
        self._flight = []  # messages sent, oldest first, until their PUBACK
        self._again = []  # messages of the last connection that still lack it
        self._control = bytearray()  # short packets to send
        self._last_id = 0
        self._task = None
        self._leave_ms = None  # until then, say what is left and go
        self.alive = False
        self.error = None
        self.sent_bytes = 0
        self.ignored = 0

    async def open(self):
        """Connects and subscribes; `TransportError` names what failed. Then the task runs."""
        try:
            self._subscribed = False
            present, rest = await self._introduce()
            self._take_up(present)
            self._parser.feed(rest)
            while not self._subscribed:
                await self._turn()
        except BaseException:
            self.link.close()
            raise
        self.error = None
        self.alive = True
        self._task = asyncio.create_task(self._run())

    async def close(self):
        """Lets what is in flight and short arrive (2 s at most), says goodbye, and ends the task, in any state."""
        try:
            if self.alive:
                self._leave_ms = ticks_add(ticks_ms(), _LEAVE_MS)
                self.link.wake()
                while self.alive and ticks_diff(self._leave_ms, ticks_ms()) > -_IDLE_MS:
                    await sleep_ms(_LEAVE_STEP_MS)
        finally:
            if self.alive:
                self._task.cancel()
                self.alive = False
            self._leave_ms = None
            self.link.close()
            self._owner.wake()

    async def _introduce(self):
        """CONNECT and its answer. -> (whether the broker has kept our session, what it has said behind that)."""
        link = self.link
        self._parser.reset()
        await link.open()
        link.arm()
        answer = b""
        try:
            await link.send(self._connect)
            while len(answer) < _ANSWER_BYTES:
                view = await link.receive()
                if view is None:
                    break
                answer += bytes(view)
        except TransportError as error:
            if error.kind != LOST:
                raise
            answer = b""  # closed, or reset: it means the same
        if answer[:_ANSWER_BYTES] not in (b"\x20\x02\0\0", b"\x20\x02\x01\0"):
            from . import mqtt_connect

            try:
                mqtt_connect.judge(answer[:_ANSWER_BYTES])
            finally:
                mqtt_connect.forget()
        return answer[2] == 1, answer[_ANSWER_BYTES:]

    def _take_up(self, present):
        """Begins where the last connection ended: what was not acknowledged is sent again (4.4), with its old id only
        in the old session.
        """
        self._again = self._flight + self._again
        self._flight = []
        for message in self._again:
            message.dup = present
            if not present:
                message.pid = 0
        now = ticks_ms()
        self._sent_ms = self._progress_ms = self._active_ms = self._woken_ms = now
        self._idle = False
        self._asked_ms = None  # when PINGREQ was sent that is not answered yet
        self._subscribe_id = self._free_id()
        self._control = bytearray(packets.subscribe(self._subscribe_id, self._topics))

    async def _run(self):
        try:
            over = False
            while not over:
                leaving = self._leave_ms is not None  # what is left to say has a turn after that
                over = self._is_over(await self._turn()) and leaving
            self.link.arm()
            await self.link.send(packets.DISCONNECT)
        except TransportError as error:
            self.error = error
        except (OSError, MemoryError) as error:
            self.error = TransportError(LOST, str(error) or "not enough memory for the connection")
        if self.alive:  # else `close` has ended us
            self.alive = False
            self.link.close()
            self._owner.wake()

    def _is_over(self, busy):
        """Whether all is said that is to be said before we leave, or it takes too long."""
        if self._leave_ms is None:
            return False
        left = busy or self._flight or self._control or self._again
        return not left or ticks_diff(self._leave_ms, ticks_ms()) <= 0

    async def _turn(self):
        """Takes what has come, sends what is due, or waits a moment. -> whether there was anything to do."""
        heard = self._hear()
        if self._control:
            await self._flush()
        message = self._next() if self._subscribed else None
        if message:
            await self._send(message)
        elif heard:
            await sleep_ms(0)
        else:
            self._check()
            await self._rest()
        return heard or message is not None

    def _hear(self):
        """-> whether something had come."""
        view = None if self._idle and self.link.is_quiet() else self.link.poll()
        if view is None:
            return False
        self._active_ms = ticks_ms()
        self._parser.feed(view)
        return True

    async def _rest(self):
        """Until something comes, or there may be something to do."""
        now = ticks_ms()
        if ticks_diff(now, self._woken_ms) >= _IDLE_MS:
            self._woken_ms = now
            self._owner.wake()
        expects = self._flight or not self._subscribed or self._asked_ms is not None or self._owner.on_the_way
        self._idle = not expects and ticks_diff(now, self._active_ms) >= _IDLE_AFTER_MS
        if self._idle:
            await sleep_ms(_IDLE_MS)
        else:
            await self.link.wait()

    def _check(self):
        """The deadlines of the broker's answers."""
        now = ticks_ms()
        late_ms = self.link.timeout_ms
        if (self._flight or not self._subscribed) and ticks_diff(now, self._progress_ms) > late_ms:
            raise TransportError(TIMEOUT, "the broker's acknowledgement took longer than %d ms" % late_ms, LINK)
        if self._asked_ms is not None:
            if ticks_diff(now, self._asked_ms) > late_ms:
                raise TransportError(TIMEOUT, "the broker's answer to PINGREQ took longer than %d ms" % late_ms, LINK)
        elif ticks_diff(now, self._sent_ms) > self._ping_every_ms:
            self._control.extend(packets.PINGREQ)
            self._asked_ms = now

    # --- sending

    def _next(self):
        """-> the message to send now, or None."""
        while self._again:
            message = self._again.pop(0)
            if self._owner.ready(message):
                return message
        return self._owner.next_message(self._leave_ms is None and len(self._flight) < self._window)

    async def _send(self, message):
        """One PUBLISH: in front its head and the first bytes of the payload in one piece, then whole buffers."""
        if not message.pid:
            message.pid = self._free_id()
        message.dup, dup = False, message.dup
        head = packets.publish(message.topic, message.pid, message.size, message.retain, dup)
        self._flight.append(message)
        buffer, start, left = self._buffer, len(head), message.size
        buffer[:start] = head
        try:
            message.open()
            end = min(_BUFFER_BYTES, start + left)
            message.fill(buffer[start:end])
            await self._write(buffer[:end])
            left -= end - start
            fill, write, turn_ms = message.fill, self.link.write, ticks_ms()
            while left >= _BUFFER_BYTES:
                fill(buffer)
                sent = write(buffer)
                if sent != _BUFFER_BYTES:
                    await self._write(buffer[sent:])
                elif ticks_ms() != turn_ms:  # the others get their turn each millisecond, or after each piece
                    await sleep_ms(0)
                    turn_ms = ticks_ms()
                left -= _BUFFER_BYTES
            if left:
                fill(buffer[:left])
                await self._write(buffer[:left])
        except (OSError, EOFError) as error:  # the flash; those of the connection are TransportErrors
            # A message that has been begun cannot be left: the connection has to end.
            self._flight.remove(message)
            self._owner.unreadable(message, error)
            raise TransportError(LOST, "closed by the board in the middle of a file that it cannot read") from None
        finally:
            message.close()
        self.sent_bytes += message.size
        self._progress_ms = self._sent_ms = self._active_ms = ticks_ms()

    async def _flush(self):
        """The short packets, in one piece."""
        control, self._control = self._control, bytearray()
        await self._write(memoryview(control))

    async def _write(self, view):
        """Sends all of `view` within the link's time-out; when that takes a while, takes what comes meanwhile."""
        link = self.link
        link.arm()
        end_ms = ticks_add(ticks_ms(), link.timeout_ms)
        while True:
            sent = await link.send(view)
            if sent == len(view):
                break
            view = view[sent:]
            self._hear()
            if ticks_diff(end_ms, ticks_ms()) < 0:  # it talks and does not listen
                raise TransportError(TIMEOUT, "sending took longer than %d ms" % link.timeout_ms, LINK)
            await sleep_ms(0)
        self._sent_ms = self._active_ms = ticks_ms()

    def _free_id(self):
        """-> the next packet id that is not in use: 1 to 65535, then from the start (2.3.1)."""
        while True:
            self._last_id = self._last_id % 65535 + 1
            if self._by_id(self._flight) is None and self._by_id(self._again) is None:
                return self._last_id

    def _by_id(self, messages, pid=None):
        """-> the message with that id (default: the last one given out), or None."""
        pid = pid or self._last_id
        for message in messages:
            if message.pid == pid:
                return message
        return None

    # --- receiving

    def _packet(self, kind, body, length):
        what = kind & 0xF0
        if what == packets.PUBLISH:
            topic, pid, payload, retained = packets.parse_publish(kind, body, length)
            if pid:
                if len(self._control) > _CONTROL_BYTES:
                    raise TransportError(GARBAGE, "the broker sends more than it waits for")
                self._control.extend(packets.puback(pid))
            self._owner.received(topic, payload, retained)
        elif what == packets.PUBACK:
            self._acknowledged(self._by_id(self._flight, body[0] << 8 | body[1]))
        elif what == packets.PINGRESP:
            self._asked_ms = None
        elif body[0] << 8 | body[1] == self._subscribe_id:
            if length != 2 + len(self._topics) or any([code > 1 for code in body[2:length]]):
                reason = "the broker does not let this user subscribe to " + self._topics[0].decode()
                raise TransportError(REFUSED, reason, CREDENTIALS)
            self._subscribed = True

    def _acknowledged(self, message):
        if message is None or message.is_open:  # nothing can be acknowledged before its last byte is out
            self.ignored += 1
            return
        self._flight.remove(message)
        message.pid = 0
        self._progress_ms = ticks_ms()
        self._owner.puback(message)
