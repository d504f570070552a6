"""A wire that breaks as planned: a TCP proxy between a board (or anybody) and a server.

It takes the stream apart into messages (TLS records, or MQTT packets), so that a fault can be put into the very message
that is meant: `Cut("down", 2, "middle")` breaks the link in the middle of the third message from the server.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

PARTS = ("before", "first", "middle", "last", "after")
HOLD_S = 0.03  # how long a message waits for one that it can change places with


@dataclass(frozen=True)
class Cut:
    """Ends the link at message `number` (0, 1, ...) of one direction: `up`, from the client, or `down`.

    `part`: how much of the message still passes: nothing ("before"), one byte ("first"), half, all but one byte
    ("last"), all ("after"). `how` it ends: "reset" (RST), "close" (FIN), "stall" (open, but nothing is read any more),
    "swallow" (everything is taken and nothing arrives: half-open), or a number: nothing moves for so many seconds,
    then it goes on, and what was sent meanwhile arrives late.
    """

    way: str
    number: int
    part: str = "middle"
    how: str | float = "reset"

    def passes(self, way: str, number: int, offset: int, length: int) -> int | None:
        """Bytes that pass of a message (which starts at `offset` of its direction); None: all, and it goes on."""
        if (way, number) != (self.way, self.number):
            return None
        return {"before": 0, "first": 1, "middle": length // 2, "last": length - 1, "after": length}[self.part]


@dataclass(frozen=True)
class At:
    """Ends the link behind `offset` bytes of one direction."""

    way: str
    offset: int
    how: str | float = "reset"

    def passes(self, way: str, number: int, offset: int, length: int) -> int | None:
        inside = way == self.way and offset <= self.offset < offset + length
        return self.offset - offset if inside else None


class Chance:
    """Ends links at random: each message with probability `share`, anywhere in it."""

    def __init__(self, seed: int, share: float, hows: tuple = ("reset", "close")):
        self._random, self._share, self._hows = random.Random(seed), share, hows
        self.how = hows[0]

    def passes(self, way: str, number: int, offset: int, length: int) -> int | None:
        if self._random.random() >= self._share:
            return None
        self.how = self._random.choice(self._hows)
        return self._random.randrange(length + 1)


def sweep(ups: Iterable[int], downs: Iterable[int], parts=PARTS, hows=("reset", "close")) -> list[Cut]:
    """Every part of these messages of both directions, ended in turn as `hows` says."""
    points = [(way, n, part) for way, ns in (("up", ups), ("down", downs)) for n in ns for part in parts]
    return [Cut(*point, how=hows[i % len(hows)]) for i, point in enumerate(points)]


class Doubled:
    """Every PUBACK and PUBLISH twice."""

    held: bytes | None = None

    def __call__(self, message: bytes) -> list[bytes]:
        return [message] * (2 if message[0] & 0xF0 in (0x30, 0x40) else 1)


class Swapped:
    """Neighbouring PUBACKs and PUBLISHes change places."""

    held: bytes | None = None

    def __call__(self, message: bytes) -> list[bytes]:
        held, self.held = self.held, None
        if held is not None:
            return [message, held]
        if message[0] & 0xF0 in (0x30, 0x40):
            self.held = message
            return []
        return [message]


async def tls_record(reader: asyncio.StreamReader) -> bytes:
    """RFC 8446 section 5.1: type, version, length, fragment."""
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[3:], "big"))


async def mqtt_packet(reader: asyncio.StreamReader) -> bytes:
    """MQTT 5 section 2.1: type, remaining length in 1 to 4 bytes of 7 bits, the rest."""
    head = await reader.readexactly(1)
    length = 0
    while True:
        head += await reader.readexactly(1)
        length |= (head[-1] & 127) << 7 * (len(head) - 2)
        if head[-1] < 128:
            return head + await reader.readexactly(length)


MESSAGES = {"tls": tls_record, "mqtt": mqtt_packet}


class _Link:
    """One connection: its fault, and whether anything moves on it."""

    def __init__(self, fault, change):
        self.fault, self.change = fault, change
        self.writers: list[asyncio.StreamWriter] = []
        self.moves = asyncio.Event()
        self.moves.set()
        self.swallows = False
        self.is_closed = False

    def reset(self) -> None:
        for writer in self.writers:
            with contextlib.suppress(OSError):
                linger = struct.pack("ii", 1, 0)  # closing sends RST instead of FIN
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    def close(self) -> None:
        self.is_closed = True
        for writer in self.writers:
            writer.close()


class Wire:
    """`with Wire(port, "tls", plan) as wire:` listens at 127.0.0.1:`wire.port`, in a thread of its own.

    Each connection has the next fault of `plan`, or the last one's, if that did not come to pass before somebody came
    again. Behind its end all have `default` (None: no fault). `hits`: faults that came to pass, with the first
    byte of their message; `links`: connections so far. `change()`: a new function that turns each message from the
    server into a list of messages. `every`: (bytes, function): when so many more have passed, both ways, everything
    waits until that function has been called, in a thread.
    """

    def __init__(
        self, server: int, speaks: str, plan: Iterable = (), *, default=None, change: Callable | None = None,
        every: tuple[int, Callable] | None = None,
    ):  # fmt: skip
        self._server, self._message, self._change = server, MESSAGES[speaks], change
        self._plan, self._default, self._every = list(plan), default, every
        self.hits: list[tuple] = []
        self.links = 0
        self._passed = 0
        self._planned, self._last = None, None  # the last connection's fault, out of the plan; its link
        self._open: set[_Link] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> "Wire":
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)))
        self._thread.start()
        assert ready.wait(120)
        return self

    def __exit__(self, *_) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        server = await asyncio.start_server(self._serve, sock=self._listener)
        ready.set()
        await self._over.wait()
        server.close()
        for link in self._open:
            link.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self.links += 1
        if self._planned is None or self._planned in [fault for fault, _ in self.hits]:
            self._planned = self._plan.pop(0) if self._plan else None
        else:
            self._last.fault = None  # who comes again has given the last connection up
        self._last = link = _Link(self._planned or self._default, self._change() if self._change else None)
        link.writers = [writer]
        self._open.add(link)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server)
            link.writers.append(back)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(link, "up", reader, back))
                group.create_task(self._pump(link, "down", there, writer))
            link.close()
        except (OSError, ExceptionGroup):  # one side is gone, or the fault said so
            if not link.is_closed:
                link.reset()
        except asyncio.CancelledError:
            pass  # the wire is taken down; asyncio's server would tell of the cancellation as of an error
        finally:
            self._open.discard(link)
            self._tasks.discard(asyncio.current_task())

    async def _pump(self, link: _Link, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = offset = 0
        change = link.change if way == "down" else None
        while True:
            message, is_end = await self._next(reader, writer, change)
            await link.moves.wait()
            passes = link.fault.passes(way, number, offset, len(message)) if link.fault and message else None
            if passes is not None:
                self.hits.append((link.fault, message[0]))
                how = link.fault.how
                await self._send(link, writer, message[:passes])
                await self._break(link, how)
                message, passes = message[passes:], None
            for piece in change(message) if change and message else [message]:
                await self._send(link, writer, piece)
            number, offset = number + 1, offset + len(message)
            if is_end:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return

    async def _next(self, reader, writer, change) -> tuple[bytes, bool]:
        """(the next message, or what there is of it, whether the sender has closed)."""
        reading = asyncio.ensure_future(self._message(reader))
        if change and change.held is not None:
            done, _ = await asyncio.wait([reading], timeout=HOLD_S)
            if not done:
                held, change.held = change.held, None
                writer.write(held)
        try:
            return await reading, False
        except asyncio.IncompleteReadError as error:
            return error.partial, True

    async def _send(self, link: _Link, writer: asyncio.StreamWriter, data: bytes) -> None:
        if data and not link.swallows:
            writer.write(data)
            before, self._passed = self._passed, self._passed + len(data)
            await writer.drain()
            if self._every and before // self._every[0] < self._passed // self._every[0]:
                await asyncio.to_thread(self._every[1])

    async def _break(self, link: _Link, how: str | float) -> None:
        if how == "reset":
            link.reset()
            raise ConnectionResetError
        if how == "close":
            link.close()
            raise ConnectionAbortedError
        if how == "swallow":
            link.swallows = True
            return
        link.moves.clear()
        if how == "stall":
            await self._over.wait()
        await asyncio.sleep(how)
        link.moves.set()
