"""A collector for the shipping tests whose first connections misbehave as planned; after them it behaves well.

A behaviour is an async function `(server, reader, writer)`, or, marked `@before_tls`, `(server, sock)` in front of TLS.
"""

import asyncio
import base64
import hashlib
import socket
import ssl
import struct
import threading

STORED = b"HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\nstored\n"


class Server:
    """`with Server(plan, tls) as server:` runs in a thread of its own. Connection k does `plan[k]`, later ones `obey`.

    A TLS context in the plan stands for `obey` with that certificate.
    `stored`: path -> bytes, what was answered for durably. `requests`: (path, status) of the well-behaved answers.
    """

    def __init__(self, plan=(), tls=None, answer=STORED):
        self.plan = list(plan)
        self.tls = tls
        self.answer = answer  # to a file that was stored
        self.stored = {}
        self.requests = []
        self.connections = 0
        self.default = obey  # what later connections do
        self.let_go = None  # ends the stalls when the test is over
        self.stalls = 0  # how many began
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)  # a stalled reader shows soon
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self):
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)))
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self.let_go.set)
        self._thread.join()
        self._listener.close()

    async def stall(self):
        """Until the test is over."""
        self.stalls += 1
        await self.let_go.wait()

    async def _run(self, ready):
        self._loop = asyncio.get_running_loop()
        self.let_go = asyncio.Event()
        accepting = self._loop.create_task(self._accept())
        ready.set()
        await self.let_go.wait()
        accepting.cancel()
        serving = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _accept(self):
        tasks = set()
        while True:
            sock, _ = await self._loop.sock_accept(self._listener)
            behaviour = self.plan[self.connections] if self.connections < len(self.plan) else self.default
            self.connections += 1
            tasks.add(self._loop.create_task(self._serve(sock, behaviour)))

    async def _serve(self, sock, behaviour):
        if getattr(behaviour, "before_tls", False):
            await behaviour(self, sock)
            return
        tls = self.tls
        if isinstance(behaviour, ssl.SSLContext):
            behaviour, tls = obey, behaviour
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, sock, ssl=tls)
        except OSError:
            return  # the board did not like our certificate
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        try:
            await behaviour(self, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the board went away
        finally:
            writer.transport.abort()


class Request:
    """The head of a PUT, checked."""

    def __init__(self, head):
        line, *fields = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
        method, self.path, version = line.split(" ")
        assert (method, version) == ("PUT", "HTTP/1.1")
        self.fields = dict(field.lower().split(": ", 1) for field in fields)
        assert self.fields["if-none-match"] == "*"
        self.length = int(self.fields["content-length"])
        digest = next(field for field in fields if field.startswith("Content-Digest: "))
        encoded = digest.removeprefix("Content-Digest: sha-256=:").removesuffix(":")
        self.sha256 = base64.b64decode(encoded, validate=True)


async def read_head(reader):
    return Request(await reader.readuntil(b"\r\n\r\n"))


async def read_request(reader):
    """-> the request and its body, for which a board may want to be asked."""
    request = await read_head(reader)
    if "expect" in request.fields:
        reader._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return request, await reader.readexactly(request.length)


async def say(writer, data):
    writer.write(data)
    await writer.drain()


def status(code, *fields):
    """A bare answer."""
    return "\r\n".join([f"HTTP/1.1 {code} Because", *fields, "Content-Length: 0", "", ""]).encode()


async def obey_once(server, reader, writer, more=b""):
    """Answers one request properly; with Expect, what is there already is answered before its body comes."""
    request = await read_head(reader)
    if "expect" in request.fields:
        there = server.stored.get(request.path)
        if there is not None:
            code = 412 if hashlib.sha256(there).digest() == request.sha256 else 409
            server.requests.append((request.path, code))
            return await say(writer, status(code))
        await say(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(request.length)
    assert hashlib.sha256(body).digest() == request.sha256
    there = server.stored.setdefault(request.path, body)
    answer = server.answer
    if request.path in [path for path, _ in server.requests] or there is not body:
        answer = status(412) if there == body else status(409)
    server.requests.append((request.path, int(answer[9:12])))
    await say(writer, answer + more)


async def obey(server, reader, writer):
    while True:
        await obey_once(server, reader, writer)


def before_tls(behaviour):
    behaviour.before_tls = True
    return behaviour


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def after_request(answer, *, then_stall=False):
    """Reads a whole request, stores nothing, says `answer`."""

    async def behaviour(server, reader, writer):
        await read_request(reader)
        await say(writer, answer)
        if then_stall:
            await server.stall()

    return behaviour


def after_head(answer, *, then_close=False):
    """Answers as soon as the head is there and reads no more."""

    async def behaviour(server, reader, writer):
        await read_head(reader)
        reader._transport.pause_reading()
        await say(writer, answer)
        if not then_close:
            await server.stall()

    return behaviour


def mid_body(count, *, then):
    """Reads `count` bytes of the request, its head at least when that is above 500, then does `then`: "stall", "close"
    or "reset".
    """

    async def behaviour(server, reader, writer):
        head = b""
        if count > 500:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"Expect" in head:
                await say(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(count - len(head))
        reader._transport.pause_reading()
        if then == "stall":
            await server.stall()
        if then == "reset":
            reset(writer.get_extra_info("socket"))

    return behaviour


def in_handshake(then):
    """Reads the board's first TLS message, then: "stall", "close", "reset", or the bytes to say."""

    @before_tls
    async def behaviour(server, sock):
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_recv(sock, 10000)
            if isinstance(then, bytes):
                await loop.sock_sendall(sock, then)
            elif then == "stall":
                await server.stall()
            elif then == "reset":
                reset(sock)
        finally:
            sock.close()

    return behaviour
