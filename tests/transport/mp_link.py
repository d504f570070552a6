"""The connection: addresses that fail, and names that are asked for once."""

import asyncio
import socket
from time import ticks_diff, ticks_ms

from quiet import on_a_quiet_machine

from transport import link
from transport.errors import LOST, REFUSED, TransportError


class Names:
    """Stands in for the socket module: answers name look-ups with `addresses`."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.asked = 0

    def __getattr__(self, name):
        return getattr(socket, name)

    def getaddrinfo(self, host, port, family, kind):
        self.asked += 1
        if not self.addresses:
            raise OSError(-2)
        return [(socket.AF_INET, kind, 0, "", address) for address in self.addresses]


def with_names(names, main):
    link.socket = names
    try:
        return asyncio.run(main())
    finally:
        link.socket = socket


def local(port):
    return socket.getaddrinfo("127.0.0.1", port)[0][-1]


def listener(listens=True):
    """-> a listening socket (or one that only keeps others from its port) and its address; searches a free port, as
    MicroPython cannot tell which one it got.
    """
    for port in range(20000 + ticks_ms() % 9000, 32768, 7):
        sock = socket.socket()
        try:
            sock.bind(local(port))
            if listens:
                sock.listen(5)
            return sock, local(port)
        except OSError:
            sock.close()
    raise OSError("no free port")


async def failing(connection):
    try:
        await connection.open()
    except TransportError as error:
        connection.close()
        return error.kind
    raise AssertionError("it opened")


def test_next_address_after_a_failure_and_no_second_look_up():
    closed, closed_address = listener(False)
    server, address = listener()
    names = Names(closed_address, address)
    connection = link.Link("collector.example", 1, None, 1000)

    async def main():
        assert await failing(connection) == REFUSED
        for _ in range(3):
            await connection.open()
            assert connection.is_open
        assert names.asked == 1
        server.close()
        connection.close()
        assert await failing(connection) == REFUSED
        assert await failing(connection) == REFUSED
        assert names.asked == 2  # none was left: the host may have moved

    with_names(names, main)
    closed.close()
    assert connection.opened == 3


def test_unknown_name():
    connection = link.Link("collector.example", 1, None, 1000)

    async def main():
        assert await failing(connection) == LOST

    with_names(Names(), main)
    assert not connection.is_open


def test_only_the_time_of_the_wait_counts():
    server, address = listener()
    connection = link.Link("collector.example", 1, None, 400)

    async def main():
        await connection.open()
        await asyncio.sleep_ms(800)  # idle longer than the time-out
        connection.arm()
        assert await connection.send(b"hello") == 5
        connection.arm()
        try:
            await connection.receive()
        except TransportError as error:
            assert "the server's answer took longer than 400 ms" in error.message
        else:
            raise AssertionError("no time-out")

    with_names(Names(address), main)
    connection.close()
    server.close()


def with_waiting(then):
    """Runs `then(connection, task)` while `task` waits for an answer that never comes. Nothing of it may be left."""
    server, address = listener()
    connection = link.Link("collector.example", 1, None, 60000)

    async def main():
        await connection.open()
        connection.arm()
        task = asyncio.create_task(connection.receive())
        await asyncio.sleep_ms(10)
        assert len(asyncio.core._io_queue.map) == 1
        await then(connection, task)
        connection.close()
        await asyncio.sleep_ms(0)
        assert not asyncio.core._io_queue.map and asyncio.core._task_queue.peek() is None

    with_names(Names(address), main)
    server.close()


def test_closing_wakes_who_waits():
    async def then(connection, task):
        connection.close()
        assert not asyncio.core._io_queue.map  # before the poller asks a closed socket
        try:
            await task
        except TransportError as error:
            assert error.kind == LOST
        else:
            raise AssertionError("it goes on")

    with_waiting(then)


def test_a_cancelled_wait_leaves_the_poller():
    async def then(connection, task):
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        assert not asyncio.core._io_queue.map

    with_waiting(then)


def test_waking_twice_and_cancelling_at_once():
    async def then(connection, task):
        connection.wake()
        connection.wake()
        assert not task.done()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    with_waiting(then)


@on_a_quiet_machine
def test_an_answer_is_noticed_at_once():
    server, address = listener()
    connection = link.Link("collector.example", 1, None, 60000)

    async def main():
        await connection.open()
        other, _ = server.accept()
        connection.arm()
        waits = []

        async def ask():
            for _ in range(10):
                await connection.receive()
                waits.append(ticks_ms())

        task = asyncio.create_task(ask())
        late_ms = 0
        for number in range(10):
            await asyncio.sleep_ms(7)
            start = ticks_ms()
            other.send(b"x")
            while len(waits) <= number:
                await asyncio.sleep_ms(1)
            late_ms += ticks_diff(waits[-1], start)
        await task
        assert late_ms < 600, late_ms  # the ticks alone would take 1000
        connection.close()
        other.close()

    with_names(Names(address), main)
    server.close()
