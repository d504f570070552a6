"""One TCP or TLS connection whose every wait has a deadline.

The socket is non-blocking and is tried again when asyncio's poller says that the TCP socket is ready, and each 100 ms,
which is how deadlines are noticed: a small task wakes who waits. Why not asyncio's streams: two writes before one drain
lose data over TLS, a cancelled drain sends from the start again, a TLS socket that is closed while a task waits for it
never wakes the task (it polls as POLLNVAL), and a `wait_for` per piece costs some 32 heap blocks. Trying again cannot
mistake its own time-out for a cancellation from outside, and repeats a write with exactly the unfinished bytes, which
is what mbedTLS asks for.

What blocks the other tasks all the same: `getaddrinfo` (once per address list; `resolve_ms` tells how long), and the
public key arithmetic of the TLS handshake, of which each step is one call (about a second in all on an ESP32).
"""

import errno
import select
import socket
from asyncio import core, create_task, sleep_ms
from time import gmtime, ticks_add, ticks_diff, ticks_ms

from .errors import (
    CERTIFICATE,
    CLOCK,
    COLLECTOR_DOWN,
    CREDENTIALS,
    DNS,
    LINK,
    LOST,
    REFUSED,
    TIMEOUT,
    TransportError,
)

FIRST_YEAR = 2025  # a clock that says less was never set
TICK_MS = 100  # deadlines are noticed so late at most
_IPPROTO_TCP, _TCP_NODELAY = 6, 1  # in Linux and lwIP alike; without it, Nagle's algorithm costs 40 ms per small write
_TLS_CONN_EOF = -0x7280  # MBEDTLS_ERR_SSL_CONN_EOF: the connection ended without a TLS goodbye
_TLS_ALERT = -0x7780  # MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: the other side refuses us


class Link:
    """`tls` is an SSLContext, or None for plain TCP. All failures are `TransportError`.

    `shows_certificate`: `tls` has one of our own. `addresses`: a list for what look-ups find, if that is to outlive
    this.

    After any exception, cancellation included, the owner calls `close()`. `open` has a deadline of its own; before
    `send` and `receive` the owner sets one with `arm()`. The TLS handshake takes place with the first `send`.
    """

    def __init__(self, host, port, tls, timeout_ms, shows_certificate=False, addresses=None):
        self._host = host
        self._port = port
        self._tls = tls
        self.timeout_ms = timeout_ms
        # What getaddrinfo said and did not fail yet; kept, because asking blocks
        self._addresses = [] if addresses is None else addresses
        self._socket = None  # TCP
        self._stream = None  # TLS over it, or the same
        self._poller = None
        self._answer = memoryview(bytearray(512))
        self._early = 0  # bytes in _answer that came while we were sending
        self._proven = False  # the handshake is over: bytes have got through
        self._shows_certificate = shows_certificate
        self._heard = False  # the other side has said something over this connection
        self._deadline = 0
        self._ticking = None  # the task
        self.resolve_ms = 0
        self.opened = 0  # connections made so far

    @property
    def is_open(self):
        return self._stream is not None

    def arm(self):
        """Starts a new deadline, `timeout_ms` from now."""
        self._deadline = ticks_add(ticks_ms(), self.timeout_ms)

    async def open(self):
        """Resolves the name if need be, connects, and prepares TLS."""
        self.close()
        if not self._addresses:
            self._resolve()
        self.arm()
        self._ticking = create_task(self._tick())
        try:
            await self._connect(self._addresses[0])
            self._stream = self._socket
            if self._tls:
                self._stream = self._tls.wrap_socket(
                    self._socket, server_hostname=self._host, do_handshake_on_connect=False
                )
        except (OSError, MemoryError, TransportError) as error:
            self._addresses.pop(0)  # the next attempt takes the host's next address, or asks again
            raise self._failure(error) from None
        self._proven = not self._tls
        self._heard = False
        self.opened += 1

    async def send(self, view):
        """Sends `view` and returns how many bytes went out: fewer than all as soon as the other side begins to answer.

        Who wants to go on nevertheless reads those bytes (`receive`) and then sends exactly the rest.
        """
        sent = 0
        while True:
            self._early = self._read()
            if self._early:
                return sent
            sent += self.write(view[sent:] if sent else view)
            if sent == len(view):
                await sleep_ms(0)  # a fast link must not starve the other tasks
                return sent
            if self._proven:
                await self._pause(core._io_queue.queue_write, "sending", LINK)
            else:  # it waits for the other side's half
                await self._pause(core._io_queue.queue_read, "the TLS handshake", COLLECTOR_DOWN)

    async def receive(self):
        """The next bytes of the answer, as a view valid until the next call; None when the other side closed."""
        while True:
            count = self._early or self._read_or_end()
            self._early = 0
            if count == 0:
                return None
            if count:
                return self._answer[:count]
            await self._pause(core._io_queue.queue_read, "the server's answer", LINK)

    async def answers_within(self, ms):
        """Waits up to `ms` for the other side to say something. -> whether it did; `receive` has it then."""
        deadline = ticks_add(ticks_ms(), ms)
        while not self._early:
            self._early = self._read()
            if self._early or ticks_diff(deadline, ticks_ms()) <= 0:
                break
            await self.wait(core._io_queue.queue_read)
        return self._early > 0

    def poll(self):
        """What has come, as `receive` gives it, or None when there is nothing yet; does not wait. The end of the
        connection is a failure here.
        """
        count = self._early or self._read()
        self._early = 0
        return self._answer[:count] if count else None

    def wait(self, queue=None):
        """To be awaited after a try in vain: until the socket is ready, `wake()`, or 100 ms have passed.

        `queue`: asyncio's `queue_read` (the default), or `queue_write`.
        """
        (queue or core._io_queue.queue_read)(self._socket)
        yield
        if not self._socket:
            raise TransportError(LOST, "the connection was closed")

    def wake(self):
        """Who waits for the socket is to look again."""
        waiting = core._io_queue.map.get(id(self._socket))
        if waiting:
            task = waiting[0] or waiting[1]
            core._io_queue.remove(task)
            core._task_queue.push(task)

    async def _tick(self):
        while True:
            await sleep_ms(TICK_MS)
            self.wake()

    def is_quiet(self):
        """True if nothing has come; asks the TCP socket alone, after a `poll` in vain."""
        return not self._poller.poll(0)

    def is_stale(self):
        """True if a connection kept open between requests has been closed, or says something unasked."""
        try:
            return self._read_or_end() is not None
        except TransportError:
            return True

    def close(self):
        """Closes at once, in any state; the TCP socket, too, because TLS forgets it after a failed handshake."""
        self.wake()  # asyncio's poller must not keep a closed socket
        if self._ticking:
            self._ticking.cancel()
            self._ticking = None
        for stream in (self._stream, self._socket):
            try:
                if stream:
                    stream.close()
            except OSError:
                pass  # it is gone, which is what we want
        self._stream = self._socket = self._poller = None
        self._early = 0
        self._proven = False

    def _resolve(self):
        start = ticks_ms()
        try:
            self._addresses.extend(socket.getaddrinfo(self._host, self._port, 0, socket.SOCK_STREAM))
        except OSError as error:
            raise TransportError(LOST, f"cannot resolve the name {self._host} ({error})", DNS) from None
        finally:
            self.resolve_ms = ticks_diff(ticks_ms(), start)

    async def _connect(self, address):
        self._socket = socket.socket(address[0], socket.SOCK_STREAM)
        self._socket.setblocking(False)
        try:
            self._socket.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        except (OSError, ValueError):
            pass  # a port without this option: only slower
        try:
            self._socket.connect(address[-1])
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise
        self._poller = select.poll()
        self._poller.register(self._socket, select.POLLOUT)
        while not (events := self._poller.poll(0)):
            doing = f"connecting to {self._host}:{self._port}"
            await self._pause(core._io_queue.queue_write, doing, COLLECTOR_DOWN)
        self._poller.modify(self._socket, select.POLLIN)
        if events[0][1] & (select.POLLERR | select.POLLHUP):
            self._socket.recv(1)  # raises what went wrong
            raise OSError(errno.ECONNRESET)

    async def _pause(self, queue, doing, cause):
        if ticks_diff(self._deadline, ticks_ms()) <= 0:
            raise TransportError(TIMEOUT, f"{doing} took longer than {self.timeout_ms} ms", cause)
        await self.wait(queue)

    def write(self, view):
        """-> bytes taken, 0 for none at the moment: then exactly these have to be sent next. Does not wait."""
        try:
            count = self._stream.write(view)
        except (OSError, ValueError, MemoryError) as error:
            raise self._failure(error) from None
        if not count:
            return 0
        self._proven = True
        return count

    def _read_or_end(self):
        """Bytes read into `_answer`, None for none at the moment, 0 at the end of the connection."""
        try:
            count = self._stream.readinto(self._answer)
            self._heard = self._heard or bool(count)
            return count
        except (OSError, ValueError, MemoryError) as error:
            raise self._failure(error) from None

    def _read(self):
        """Bytes read into `_answer`, 0 for none at the moment; the end of the connection is a failure."""
        count = self._read_or_end()
        if count == 0:
            raise self._lost("the server closed the connection")
        return count or 0

    def _failure(self, error):
        """The exception of a socket as ours, with a reason that a person can act upon."""
        if isinstance(error, TransportError):
            return error
        if isinstance(error, MemoryError):
            return TransportError(LOST, "not enough memory for the connection")
        if isinstance(error, ValueError):  # MicroPython's way to say that the certificate was rejected
            return self._distrust(str(error).strip().replace("\n", "; "))
        code = error.errno
        if -256 < code < 0:  # of the socket, which mbedTLS hands on with a minus
            code = -code
        if code >= 0:
            text = f"{self._host}:{self._port}: {errno.errorcode.get(code, code)}"
            return TransportError(REFUSED, text) if code == errno.ECONNREFUSED else self._lost(text)
        reason = error.args[1] if len(error.args) > 1 else hex(code)
        if code == _TLS_ALERT:  # in TLS 1.3 it comes after our half of the handshake
            text = f"{self._host} refuses the TLS connection, most likely for want of a client certificate ({reason})"
            return TransportError(REFUSED, text, CREDENTIALS)
        if self._proven or code == _TLS_CONN_EOF:
            return self._lost(f"the TLS connection ended ({reason})")
        return TransportError(REFUSED, f"the TLS handshake with {self._host} failed ({reason})")

    def _lost(self, text):
        """The connection is gone. Some servers close it without a word (asyncio's do) when they distrust us."""
        if self._shows_certificate and self._stream and not self._heard:
            return TransportError(LOST, text + ", perhaps because our certificate is not the right one", CREDENTIALS)
        return TransportError(LOST, text)

    def _distrust(self, text):
        """The server's certificate is not trusted: `text` is what mbedTLS says of it."""
        cause = CERTIFICATE
        if "future" in text or "expired" in text:
            if gmtime()[0] < FIRST_YEAR:
                cause = CLOCK
                text += " (the clock of this board is not set)"
            else:
                text += " (or the clock of this board is wrong)"
        return TransportError(REFUSED, f"the certificate of {self._host} is not trusted: {text}", cause)
