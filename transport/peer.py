"""One server and the connection to it: puts one file after the other, with bounded RAM."""

from .errors import LOST, TransportError
from .response import Response

BUFFER_BYTES = 4096  # one TLS record on the ports whose mbedTLS sends records of 4 KiB
CONTINUE_MS = 1000  # so long a server may take to say 100; one that knows no Expect never does (RFC 9110 10.1.1)
EXPECT = "Expect: 100-continue\r\n\r\n"


class Peer:
    """The server at the other end of `link`. `buffer`: a memoryview of `BUFFER_BYTES`, used during `put` only.

    `sent_bytes` counts those of files. `asked_us` and `answered_us` are the times by `now_us` (None: nobody asks)
    around the last exchange. Raises `TransportError`, after which the connection is closed.
    """

    def __init__(self, link, buffer, now_us=None):
        self.link = link
        self._buffer = buffer
        self._now_us = now_us
        self._kept = False  # the open connection has carried a complete exchange before
        self.sent_bytes = 0
        self.asked_us = self.answered_us = 0

    async def connect(self):
        """Opens the connection unless it is open and alive. With TLS, the handshake comes with the first file."""
        if self.link.is_open and not (self._kept and self.link.is_stale()):
            return
        self._kept = False
        try:
            await self.link.open()
        except BaseException:
            self.link.close()
            raise

    async def put(self, head, open_file, size, expect):
        """Sends one file and returns the complete `Response`.

        `head`: of the request, up to its last field. `expect`: ask the server first whether it wants the file at all;
        it is sent when the server says 100, or nothing for a second.
        """
        await self.connect()
        kept = self._kept
        response = Response()
        try:
            await self._exchange(head, open_file, size, expect, response)
        except TransportError as error:
            # A kept connection may have been closed just now: no failure yet. To send again is safe, because the server
            # stores a file under its name only once; but it may be there already.
            if not kept or error.kind != LOST or response.started:
                raise
            await self.connect()
            response = Response()
            await self._exchange(head, open_file, size, expect or size > BUFFER_BYTES, response)
        return response

    async def _exchange(self, head, open_file, size, expect, response):
        """One request and its answer over the open connection, which is closed unless it can carry another one."""
        file = open_file()
        try:
            if self._now_us:
                self.asked_us = self._now_us()
            head = (head + (EXPECT if expect else "\r\n")).encode()
            if expect:
                complete = await self._ask(head, response) and await self._send(file, b"", size, response)
            else:
                complete = await self._send(file, head, size, response)
            self.link.arm()
            while not response.done:
                view = await self.link.receive()
                if view is None:
                    response.end()
                else:
                    response.feed(view)
            if self._now_us:
                self.answered_us = self._now_us()
        except BaseException:
            self.link.close()
            raise
        finally:
            file.close()
        self._kept = complete and response.reusable
        if not self._kept:
            self.link.close()

    async def _ask(self, head, response):
        """Sends the head alone. -> whether the body is to follow; if not, `response` has the final status."""
        self._buffer[: len(head)] = head
        if not await self._send_piece(self._buffer[: len(head)], response):
            return False
        while not response.go_on and await self.link.answers_within(min(CONTINUE_MS, self.link.timeout_ms)):
            response.feed(await self.link.receive())
            if response.status >= 200:
                return False
        return True

    async def _send(self, file, head, size, response):
        """Sends head and file, the head together with the file's first bytes: small files take one write.

        False if the final answer came before the end of the file.
        """
        start = len(head)
        self._buffer[:start] = head
        while True:
            end = min(BUFFER_BYTES, start + size)
            _fill(file, self._slice(start, end))
            if not await self._send_piece(self._slice(0, end), response):
                return False
            self.sent_bytes += end - start
            size -= end - start
            if not size:
                return True
            start = 0

    async def _send_piece(self, view, response):
        """False if the final answer came before all was sent; interim answers (1xx) are read on the way."""
        self.link.arm()
        while True:
            sent = await self.link.send(view)
            if sent == len(view):
                return True
            response.feed(await self.link.receive())
            if response.status >= 200:
                return False
            view = view[sent:]

    def _slice(self, start, end):
        """A part of the buffer; the whole of it, which is the common case, without a new object."""
        return self._buffer if end - start == BUFFER_BYTES else self._buffer[start:end]


def _fill(file, view):
    """Fills `view` from `file`, or raises `EOFError`."""
    while len(view):
        count = file.readinto(view)
        if not count:
            raise EOFError("the file is shorter than it should be")
        if count == len(view):
            return
        view = view[count:]
