"""Shipping against servers that behave and servers that do not, on real MicroPython over real TLS.

Each case shows that nothing is acknowledged that the server did not answer for, and that everything is acknowledged
exactly once when the server behaves again.
"""

import asyncio
import json
import socket
import ssl
import threading

import pytest
from aiohttp import web

from tests.tools.ports import Port
from tests.transport import naughty
from tests.transport.certificates import Authority
from tests.transport.naughty import STORED, Server, after_head, after_request, in_handshake, mid_body, status

TIMEOUTS_S = (1, 5, 15)  # of the transport where a wait ends in one: longer on a machine too busy for the first
GAPS = 4  # tries to see a gap that is the board's own, and not one that the machine makes by other work
BIG = 1_000_000  # bytes
HUGE = 5_000_000  # bytes, more than the socket buffers hold
only_64_bit = pytest.mark.parametrize("micropython", ["64-bit"], indirect=True)


def errors(result):
    return [event[1:] for event in result["events"] if event[0] == "error"]


def acks(result):
    return [event for event in result["events"] if event[0] == "ack"]


def close_after_answer(server_answers):
    """Good answers, then the connection is closed without a word."""

    async def behaviour(server, reader, writer):
        for _ in range(server_answers):
            await naughty.obey_once(server, reader, writer)

    return behaviour


async def close_at_second_head(server, reader, writer):
    await naughty.obey_once(server, reader, writer)
    await naughty.read_head(reader)


async def answer_twice(server, reader, writer):
    await naughty.obey_once(server, reader, writer, more=STORED)
    await server.stall()


async def grumble_when_idle(server, reader, writer):
    await naughty.obey_once(server, reader, writer)
    await naughty.obey_once(server, reader, writer)
    await naughty.say(writer, status(408))
    server.grumbled = True
    await server.stall()


async def store_but_do_not_tell(server, reader, writer):
    request, body = await naughty.read_request(reader)
    server.stored[request.path] = body


async def drip(server, reader, writer):
    await naughty.read_request(reader)
    for byte in STORED:
        await naughty.say(writer, bytes([byte]))
        await asyncio.sleep(0.5)


EVIL = {  # name: (behaviour of the first connection, size of the files, kind, part of the message)
    "stall in handshake": (in_handshake("stall"), 3000, "timeout", "the TLS handshake took longer"),
    "close in handshake": (in_handshake("close"), 3000, "link lost", "TLS connection ended"),
    "reset in handshake": (in_handshake("reset"), 3000, "link lost", "ECONNRESET"),
    "no TLS at all": (in_handshake(b"HTTP/1.1 400 Bad Request\r\n\r\n"), 3000, "refused", "handshake"),
    "close before request": (mid_body(0, then="close"), BIG, "link lost", ""),
    "close in head": (mid_body(30, then="close"), BIG, "link lost", ""),
    "reset in head": (mid_body(30, then="reset"), BIG, "link lost", ""),
    "stall in body": (mid_body(50_000, then="stall"), HUGE, "timeout", "sending took longer"),
    "close in body": (mid_body(50_000, then="close"), BIG, "link lost", ""),
    "reset in body": (mid_body(50_000, then="reset"), BIG, "link lost", ""),
    "stall before answer": (after_request(b"", then_stall=True), 3000, "timeout", "the server's answer"),
    "close before answer": (after_request(b""), 3000, "link lost", ""),
    "stall in answer": (after_request(STORED[:40], then_stall=True), 3000, "timeout", "the server's answer"),
    "close in answer": (after_request(STORED[:40]), 3000, "link lost", ""),
    "close in answer's body": (after_request(STORED[:-2]), 3000, "link lost", ""),
    "drip": (drip, 3000, "timeout", "the server's answer"),
    "garbage": (after_request(b"\x00\xff" * 300 + b"\r\n", then_stall=True), 3000, "garbage", "control character"),
    "not HTTP": (after_request(b"220 ready\r\n", then_stall=True), 3000, "garbage", "HTTP/1.1"),
    "endless line": (after_request(b"HTTP/1.1 201 " + b"a" * 3000, then_stall=True), 3000, "garbage", "longer than"),
    "endless head": (after_request(b"HTTP/1.1 201 A\r\n" + b"a:\r\n" * 99, then_stall=True), 3000, "garbage", "lines"),
    "endless 100s": (after_request(b"HTTP/1.1 100 A\r\n\r\n" * 20, then_stall=True), 3000, "garbage", "interim"),
    "early 401": (after_head(status(401)), BIG, "refused", "another token (401)"),
    "early 503": (after_head(status(503, "Retry-After: 1")), BIG, "refused", "in trouble (503)"),
    "early 507": (after_head(status(507)), BIG, "refused", "disk is full (507)"),
    "early garbage": (after_head(b"hello\r\n"), BIG, "garbage", "HTTP/1.1"),
    "403": (after_request(status(403)), 3000, "refused", "wrong token (403)"),
    "404": (after_request(status(404)), 3000, "refused", "no collector at this url (404)"),
    "411": (after_request(status(411)), 3000, "refused", "(411)"),
    "302": (after_request(status(302, "Location: /elsewhere")), 3000, "refused", "redirects"),
    "202": (after_request(status(202)), 3000, "refused", "not stored durably (202)"),
}


@pytest.mark.parametrize("case", EVIL)
def test_evil_server_gets_nothing_acknowledged_and_everything_arrives_later(bench, tls, case):
    behaviour, size, kind, text = EVIL[case]
    files = bench.files(2, size)
    for timeout_s in TIMEOUTS_S if kind == "timeout" else [60]:
        with Server([behaviour], tls) as server:
            result = bench.ship(files, server.url, timeout_s=timeout_s)
        event, error_kind, message = result["events"][0]  # before any acknowledgement
        if text in message:
            break
    assert event == "error" and error_kind == kind and text in message
    assert kind != "timeout" or f" took longer than {timeout_s * 1000} ms" in message
    assert acks(result) == files.acks and server.stored == files.content and result["left"] == 0
    if kind != "timeout":  # a deadline this short may be missed once more on a busy machine
        assert result["status"]["last_error"] == f"{kind}: {message}"
        assert result["events"][1:] == files.acks
        assert [code for _, code in server.requests] == [201] * 4


@only_64_bit
@pytest.mark.parametrize("case", ["stall before answer", "close before answer", "early 507", "close in handshake"])
def test_evil_server_that_stays_evil_gets_nothing_acknowledged_at_all(bench, tls, case):
    behaviour, size, kind, _ = EVIL[case]
    files = bench.files(2, size)
    with Server([behaviour] * 9999, tls) as server:
        timeout_s = 0.5 if kind == "timeout" else 60
        result = bench.ship(files, server.url, until={"failures": 4}, timeout_s=timeout_s)
    assert {error[0] for error in errors(result)} == {kind}
    assert result["left"] == 2 and acks(result) == []
    assert server.connections > 3


@only_64_bit
def test_draining_ends_when_its_time_is_over(bench, tls):
    with Server([after_request(status(507))] * 9999, tls) as server:
        result = bench.ship(bench.files(), server.url, drain_s=0.5)
    assert result["left"] == 2 and 500_000 <= result["us"] < 60_000_000


def test_file_that_the_server_stored_without_telling_is_there_already(bench, tls):
    files = bench.files()
    with Server([store_but_do_not_tell], tls) as server:
        result = bench.ship(files, server.url)
    assert [code for _, code in server.requests] == [412, 201, 201, 201]
    assert result["events"][1:] == files.acks and server.stored == files.content


CHUNKED = b"HTTP/1.1 201 A\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nsto\r\n004\r\nred\n\r\n0\r\nT: x\r\n\r\n"
GOOD = {  # name: (plan, answer to a stored file, connections)
    "keep-alive": ([], STORED, 1),
    "Connection: close": ([close_after_answer(1)] * 9, status(201, "connection: Close"), 6),
    "closed without a word": ([close_after_answer(1)] * 9, STORED, 6),
    "closed after two": ([close_after_answer(2)] * 9, STORED, 3),
    "closed at the next request": ([close_at_second_head], STORED, 2),
    "two answers to one request": ([answer_twice], STORED, 2),
    "HTTP/1.0": ([close_after_answer(1)] * 9, b"HTTP/1.0 200 OK\r\n\r\n", 6),
    "body until close": ([close_after_answer(1)] * 9, b"HTTP/1.1 201 Created\r\n\r\nstored\n", 6),
    "204": ([], b"HTTP/1.1 204 \r\n\r\n", 1),
    "chunked": ([], CHUNKED, 1),
    "100 first": ([], b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\nA: b\r\n\r\n" + STORED, 1),
}


@pytest.mark.parametrize("case", GOOD)
def test_good_server_in_any_manner_gets_everything_without_an_error(bench, tls, case):
    plan, answer, connections = GOOD[case]
    files = bench.files(3, 20_000)
    with Server(plan, tls, answer) as server:
        result = bench.ship(files, server.url)
    assert result["events"] == files.acks  # in order, and no error
    assert server.stored == files.content
    assert server.connections == result["status"]["connections"] == connections
    assert result["left"] == 0


def test_kept_connection_that_speaks_unasked_is_renewed(bench, tls):
    files = bench.files(2)
    first, second = files.names
    with Server([grumble_when_idle], tls) as server:
        server.grumbled = False
        result = bench.ship(
            files, server.url, names=[first], late=[second], late_when=lambda: server.grumbled, runs=True,
            until={"left": 0, "here": lambda: len(server.stored) == 4},
        )  # fmt: skip
    assert result["events"] == files.acks and result["sockets"] == [1, 0]
    assert server.connections == 2 and server.stored == files.content


def test_kept_connection_and_the_fresh_one_closed_is_one_failure(bench, tls):
    files = bench.files()
    with Server([close_at_second_head, mid_body(9, then="close")], tls) as server:
        result = bench.ship(files, server.url)
    assert len(errors(result)) == 1 and server.stored == files.content


def test_answer_byte_by_byte(bench, tls):
    async def slowly(server, reader, writer):
        await naughty.read_request(reader)
        for byte in b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater":
            await naughty.say(writer, bytes([byte]))
            await asyncio.sleep(0.001)

    files = bench.files(1)
    with Server([slowly], tls) as server:
        result = bench.ship(files, server.url)
    assert [error[1] for error in errors(result)] == [
        "wrist-01/00001-00-0badcafe/imu-000000.npy: the server is in trouble (503: later)"
    ]


@pytest.mark.parametrize("then_close", [False, True])
def test_early_412_stops_the_sending(bench, tls, then_close):
    files = bench.files(2, BIG)
    with Server([after_head(status(412), then_close=then_close)], tls) as server:
        server.stored[f"/{files.names[0][1][0][0]}"] = files.content[f"/{files.names[0][1][0][0]}"]
        result = bench.ship(files, server.url)
    if not then_close:  # otherwise the answer may be lost in the reset, and the file is sent again
        assert errors(result) == []
        assert result["status"]["bytes"] < 2 * BIG
        assert [code for _, code in server.requests] == [201, 201, 201]
    assert acks(result) == files.acks
    assert server.stored == files.content


def test_interim_answers_in_the_middle_of_the_body_do_not_stop_the_sending(bench, tls):
    async def impatient(server, reader, writer):
        for _ in range(2):
            await naughty.say(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.02)
        await naughty.obey(server, reader, writer)

    files = bench.files(2, BIG)
    with Server([impatient], tls) as server:
        result = bench.ship(files, server.url)
    assert result["events"] == files.acks and server.stored == files.content and server.connections == 1


def test_conflict_is_never_acknowledged_and_does_not_block_the_others(bench, tls):
    files = bench.files(3)
    path = "/" + files.names[1][1][0][0]
    with Server([], tls) as server:
        server.stored[path] = b"other bytes"
        result = bench.ship(files, server.url)
    assert result["events"] == [files.acks[0], files.acks[2]]
    assert result["left"] == 1
    assert list(result["conflicts"]) == [files.names[1][0]] and "other bytes" in str(result["conflicts"])
    assert server.stored[path] == b"other bytes"
    assert result["us"] < 140_000_000  # not waited for, until drain_s


@pytest.mark.parametrize("code", [400, 413, 418])
def test_file_refused_at_first_gets_its_turn_after_the_others(bench, tls, code):
    files = bench.files(3)
    with Server([after_request(status(code))], tls) as server:
        result = bench.ship(files, server.url)
    assert result["events"] == [files.acks[1], files.acks[2], files.acks[0]]
    assert server.stored == files.content and result["refused"] == {}
    assert f"({code})" in result["status"]["last_error"]


def test_file_refused_early_while_the_body_is_in_flight(bench, tls):
    files = bench.files(2, BIG)
    with Server([after_head(status(413))], tls) as server:
        result = bench.ship(files, server.url)
    assert result["events"] == [files.acks[1], files.acks[0]] and server.stored == files.content


@pytest.mark.parametrize("damage", ["gone", "short"])
def test_file_that_the_board_cannot_read_does_not_block_the_others(bench, tls, damage):
    files = bench.files(2, 9000)
    file = files.folder / files.names[0][1][0][0].replace("/", "_")
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:5000])
    with Server([], tls) as server:
        result = bench.ship(files, server.url, until={"left": 1, "refused": 1})
    assert result["events"] == [files.acks[1]] and result["left"] == 1
    assert files.names[0][0] in str(result["refused"])


def wrong_host(authority, tmp_path):
    return authority.server("collector.example"), "expected"


def unknown_authority(authority, tmp_path):
    return Authority(tmp_path, "ca").server(), "not correctly signed by the trusted CA"


def expired(authority, tmp_path):
    return authority.server(start=-20, end=-10), "expired"


def not_yet_valid(authority, tmp_path):
    return authority.server(start=10, end=20), "clock of this board"


@pytest.mark.parametrize("make", [wrong_host, unknown_authority, expired, not_yet_valid])
def test_bad_certificate_gets_no_data(bench, authority, tls, tmp_path, make):
    context, text = make(authority, tmp_path)
    files = bench.files()
    with Server([context], tls) as server:
        result = bench.ship(files, server.url)
    event, kind, message = result["events"][0]
    assert event == "error" and kind == "refused"
    assert "the certificate of 127.0.0.1 is not trusted" in message and text in message
    assert result["events"][1:] == files.acks
    assert [code for _, code in server.requests] == [201] * 4  # the first connection brought none


def test_name_in_the_certificate_and_a_token(bench, authority):
    tokens = []

    async def guard(server, reader, writer):
        request, _ = await naughty.read_request(reader)
        tokens.append(request.fields["authorization"])
        await naughty.say(writer, STORED)

    files = bench.files(1)
    with Server([guard] * 2, authority.server("localhost")) as server:
        result = bench.ship(files, f"https://localhost:{server.port}", token="s3cret", ca=str(authority.pem))
    assert acks(result) == files.acks
    assert tokens == ["bearer s3cret"] * 2
    assert "s3cret" not in json.dumps(result)


def test_nobody_listens(bench):
    with Port() as port:
        result = bench.ship(bench.files(), f"https://127.0.0.1:{port.number}", until={"failures": 4})
    assert errors(result)[0] == ["refused", f"127.0.0.1:{port.number}: ECONNREFUSED"]
    assert result["status"]["failures"] > 3 and result["left"] == 2


def test_connection_request_is_not_answered(bench):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        held = []
        for _ in range(3):  # the queue is full after these: the kernel drops the board's
            held.append(socket.socket())
            held[-1].setblocking(False)
            held[-1].connect_ex(address)
        result = bench.ship(bench.files(), f"https://127.0.0.1:{address[1]}", until={"failures": 1}, timeout_s=0.3)
        for sock in held:
            sock.close()
    assert errors(result)[0] == ["timeout", f"connecting to 127.0.0.1:{address[1]} took longer than 300 ms"]


STALLS = {
    "handshake": in_handshake("stall"),
    "body": mid_body(50_000, then="stall"),
    "answer": after_request(b"", then_stall=True),
}


@pytest.mark.parametrize("stage", STALLS)
def test_cancelling_leaves_nothing_open_and_acknowledges_nothing(bench, tls, stage):
    files = bench.files(1, BIG)
    with Server([STALLS[stage]], tls) as server:
        result = bench.ship(files, server.url, until={"here": lambda: server.stalls}, timeout_s=60)
    assert result["events"] == [] and result["sockets"] == [1, 0]  # one was open, then none
    assert result["us"] < 50_000_000


@only_64_bit
@pytest.mark.parametrize("stage", STALLS)
def test_stalled_server_does_not_hold_up_the_board(bench, tls, stage):
    def gap_us():
        with Server([STALLS[stage]] * 9999, tls) as server:
            result = bench.ship(bench.files(1, 200_000), server.url, timeout_s=0.4, until={"failures": 3}, tick=True)
        assert errors(result)[0][0] == "timeout" and server.stalls
        return result["gap_us"]

    assert any(gap_us() < 50_000 for _ in range(GAPS))


class Aiohttp:
    """A collector made with aiohttp, as the real one is; in a thread of its own."""

    def __init__(self, tls):
        self.stored = {}
        self._tls = tls

    async def _put(self, request):
        self.stored[request.path] = await request.read()
        return web.Response(status=201, text="stored\n")

    async def _run(self, ready):
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=10 * BIG)
        app.router.add_put("/{path:.*}", self._put)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{runner.addresses[0][1]}/motelog/"
        ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def __enter__(self):
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)))
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.mark.parametrize("version", ["plain", "TLS 1.2", "any TLS"])
def test_big_segments_to_aiohttp_within_the_heap_and_without_holding_up_the_board(bench, authority, version):
    context = None if version == "plain" else authority.server()
    if version == "TLS 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    files = bench.files(2, BIG)
    for _ in range(GAPS):
        with Aiohttp(context) as server:
            result = bench.ship(files, server.url, tick=True, collect=True)
        if result["gap_us"] < 50_000:
            break
    assert result["events"] == files.acks
    assert server.stored == {"/motelog" + path: content for path, content in files.content.items()}
    assert result["status"]["connections"] == 1
    assert result["status"]["bytes"] == sum(map(len, files.content.values()))
    assert 0 < result["heap"] <= 26 * 1024  # of 64 bits
    assert result["turns"] >= 2 * BIG // 4096  # at least one between any two pieces
    assert result["gap_us"] < 50_000
