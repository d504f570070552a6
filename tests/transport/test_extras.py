"""HTTPS beyond a plain PUT: Expect, redirections, client certificates, causes told apart, the collector's clock."""

import asyncio
import base64
import hashlib
import socket
import ssl
import threading
import time

import pytest

from tests.tools.ports import Port
from tests.transport import certificates, naughty
from tests.transport.certificates import Authority
from tests.transport.naughty import STORED, Server, after_head, after_request, in_handshake, mid_body, status

BIG = 1_000_000  # bytes
slow = pytest.mark.slow


def errors(result):
    return [event[1:] for event in result["events"] if event[0] == "error"]


def acks(result):
    return [event for event in result["events"] if event[0] == "ack"]


# Expect: 100-continue


async def store_but_do_not_tell(server, reader, writer):
    request, body = await naughty.read_request(reader)
    server.stored[request.path] = body


async def deaf_to_expect(server, reader, writer):
    """Knows no Expect: waits for the body, as HTTP/1.0 servers do."""
    server.expected = []
    while True:
        request = await naughty.read_head(reader)
        server.expected.append("expect" in request.fields)
        server.stored[request.path] = await reader.readexactly(request.length)
        await naughty.say(writer, STORED)


async def refuse_expect(server, reader, writer):
    """Answers Expect with 417, and takes the file without it."""
    while True:
        request = await naughty.read_head(reader)
        if "expect" in request.fields:
            await naughty.say(writer, status(417, "Connection: close"))
            return
        server.stored[request.path] = await reader.readexactly(request.length)
        await naughty.say(writer, STORED)


async def ask_then_refuse(server, reader, writer):
    """The final answer comes a while after 100, in the middle of the body."""
    await naughty.read_head(reader)
    await naughty.say(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
    await reader.readexactly(10_000)
    await naughty.say(writer, status(413))
    await server.stall()


def test_a_file_that_arrived_unseen_does_not_travel_again(bench, tls):
    files = bench.files(2, BIG)
    with Server([store_but_do_not_tell], tls) as server:
        result = bench.ship(files, server.url)
    assert [code for _, code in server.requests] == [412, 201, 201, 201]
    assert acks(result) == files.acks and server.stored == files.content
    assert result["status"]["bytes"] == sum(map(len, files.content.values()))  # each once


def test_what_was_shipped_before_the_board_was_started_anew_does_not_travel_again(bench, tls):
    files = bench.files(1, BIG)
    with Server([], tls) as server:
        server.stored.update(files.content)
        result = bench.ship(files, server.url)
    assert acks(result) == files.acks and result["status"]["bytes"] == 500  # the sidecar is small enough to be sent


def test_a_server_that_knows_no_expect_gets_the_file_after_a_second(bench, tls):
    files = bench.files(2, BIG)
    with Server([deaf_to_expect], tls) as server:
        result = bench.ship(files, server.url, continue_ms=1000)
    assert result["events"] == files.acks and server.stored == files.content
    assert server.expected == [True, False, False, False]  # only what may be there
    assert result["us"] > 900_000


def test_a_server_that_refuses_expect_gets_the_file_without(bench, tls):
    files = bench.files(2, BIG)
    with Server([refuse_expect] * 2, tls) as server:
        result = bench.ship(files, server.url)
    assert result["events"] == files.acks and server.stored == files.content


def test_an_answer_behind_100_ends_the_sending(bench, tls):
    files = bench.files(2, BIG)
    with Server([ask_then_refuse], tls) as server:
        result = bench.ship(files, server.url)
    assert acks(result) == [files.acks[1], files.acks[0]] and server.stored == files.content


def test_other_bytes_under_the_name_are_told_without_the_body(bench, tls):
    files = bench.files(2, BIG)
    with Server([], tls) as server:
        server.stored["/" + files.names[0][1][0][0]] = b"other"
        result = bench.ship(files, server.url)
    assert acks(result) == files.acks[1:] and list(result["conflicts"]) == [files.names[0][0]]
    assert result["status"]["bytes"] == BIG + 500 and result["status"]["cause"] in (None, "conflict")


# Redirections


def sent_elsewhere(other, *, code=307, always=True, location="{url}/bucket{path}?X-Amz-Signature=a%2Fb&x=1"):
    """Sends data files (those above 4 KB) to `other`, sidecars are taken here."""

    async def behaviour(server, reader, writer):
        while True:
            request = await naughty.read_head(reader)
            server.heads.append(request.fields)
            if request.length > 4096:
                if "expect" not in request.fields:
                    await reader.readexactly(request.length)
                    server.bodies += 1
                where = location.format(url=other.url, path=request.path)
                await naughty.say(writer, status(code, f"Location: {where}"))
                if "expect" in request.fields:
                    return
            else:
                if "expect" in request.fields:
                    await naughty.say(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
                server.stored[request.path] = await reader.readexactly(request.length)
                await naughty.say(writer, STORED)

    return behaviour


class Two:
    """A server that redirects to another one."""

    def __init__(self, tls, other_plan=(), **how):
        self.other = Server(other_plan, tls)
        self.first = Server([sent_elsewhere(self.other, **how)] * 99, tls)
        self.first.heads, self.first.bodies = [], 0

    def __enter__(self):
        self.other.__enter__()
        self.first.__enter__()
        return self

    def __exit__(self, *exception):
        self.first.__exit__()
        self.other.__exit__()


@pytest.mark.parametrize("code", [307, 308])
def test_files_are_put_where_the_server_sends_us_and_travel_once(bench, tls, code):
    files = bench.files(3, 50_000)
    with Two(tls, code=code) as two:
        result = bench.ship(files, two.first.url, token="s3cret")
    assert result["events"] == files.acks
    data = {path: content for path, content in files.content.items() if path.endswith(".npy")}
    there = {path.removeprefix("/bucket").split("?")[0]: content for path, content in two.other.stored.items()}
    assert there == data and two.first.stored == {k: v for k, v in files.content.items() if k not in data}
    assert all(path.endswith("?X-Amz-Signature=a%2Fb&x=1") for path in two.other.stored)
    assert two.first.bodies == 0 and result["status"]["bytes"] == sum(map(len, files.content.values()))
    assert all(head["authorization"] == "bearer s3cret" for head in two.first.heads)


def test_the_token_goes_to_nobody_else(bench, tls):
    seen = []

    async def look(server, reader, writer):
        while True:
            request, body = await naughty.read_request(reader)
            seen.append(request.fields)
            await naughty.say(writer, STORED)

    files = bench.files(2, 50_000)
    with Two(tls, [look] * 9) as two:
        result = bench.ship(files, two.first.url, token="s3cret")
    assert result["events"] == files.acks and len(seen) == 2
    assert all("authorization" not in head and head["host"] == f"127.0.0.1:{two.other.port}" for head in seen)
    assert "s3cret" not in str(seen)


NOWHERE = {  # Location: part of the reason
    "http://127.0.0.1/x": "no https address",
    "ftp://127.0.0.1/x": "no https address",
    "https://": "no https address",
    "https://user@127.0.0.1/x": "no https address",
    "//other.example/x": "no https address",
    "{path}": "where we are",
    "https://127.0.0.1:99999/x": "no https address",
    "x": "no https address",
}


@slow
@pytest.mark.parametrize("location", NOWHERE)
def test_a_redirection_to_nowhere_is_not_followed(bench, tls, location):
    files = bench.files(1, 50_000)
    with Two(tls, location=location) as two:
        result = bench.ship(files, two.first.url, until={"failures": 1})
    assert acks(result) == [] and NOWHERE[location] in errors(result)[0][1] and two.other.connections == 0
    assert result["status"]["cause"] == "server"


def test_a_redirection_to_a_server_that_we_do_not_trust(bench, tls, tmp_path):
    stranger = Authority(tmp_path, "stranger").server()
    files = bench.files(1, 50_000)
    with Two(tls) as two:
        two.other.tls = stranger
        result = bench.ship(files, two.first.url, until={"failures": 1})
    assert acks(result) == [] and two.other.stored == {} and result["status"]["cause"] == "certificate"


def exists(*fields):
    """Says 412, with or without a proof."""
    return after_head(status(412, *fields), then_close=False)


def proof(content):
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"none": (), "amz": (f"x-amz-checksum-sha256: {digest}",), "rfc": (f"Content-Digest: sha-256=:{digest}:",)}


@pytest.mark.parametrize("kind", ["amz", "rfc"])
def test_there_already_counts_elsewhere_when_it_is_proven(bench, tls, kind):
    files = bench.files(1, 50_000)
    fields = proof(next(iter(files.content.values())))[kind]
    with Two(tls, [exists(*fields)] * 9) as two:
        result = bench.ship(files, two.first.url)
    assert result["events"] == files.acks


@pytest.mark.parametrize("fields", [(), proof(b"other bytes")["amz"], proof(b"other bytes")["rfc"]])
def test_there_already_counts_for_nothing_elsewhere_without_a_proof(bench, tls, fields):
    files = bench.files(1, 50_000)
    with Two(tls, [exists(*fields)] * 999) as two:
        result = bench.ship(files, two.first.url, until={"refused": 1})
    assert acks(result) == [] and result["left"] == 1 and result["conflicts"] == {}
    assert "does not say with which content (412)" in str(result["refused"]) and result["status"]["cause"] == "refused"


@pytest.mark.parametrize(
    "trouble",
    [status(409), status(403), status(503), status(307, "Location: /again"), mid_body(20_000, then="close")],
    ids=["409", "403", "503", "307", "cut"],
)
def test_trouble_elsewhere_is_tried_again(bench, tls, trouble):
    files = bench.files(2, 50_000)
    behaviour = after_request(trouble) if isinstance(trouble, bytes) else trouble
    with Two(tls, [behaviour]) as two:
        result = bench.ship(files, two.first.url)
    assert sorted(acks(result)) == files.acks and result["left"] == 0
    assert len(two.other.stored) == 2 and result["conflicts"] == {}


def test_conditional_request_conflict_is_tried_again(bench, tls):
    xml = b"<?xml version='1.0'?><Error><Code>ConditionalRequestConflict</Code></Error>"
    answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(xml), xml)
    files = bench.files(1, 50_000)
    with Server([after_request(answer)], tls) as server:
        result = bench.ship(files, server.url)
    assert acks(result) == files.acks and result["conflicts"] == {}


# Client certificates


def demanding(authority, trusted, version):
    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(trusted.pem)
    context.maximum_version = version
    return context


VERSIONS = [pytest.param(ssl.TLSVersion.TLSv1_2, marks=slow), ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_certificate_lets_us_in(bench, authority, version):
    cert, key = certificates.client(authority)
    files = bench.files(2, 50_000)
    with Server([], demanding(authority, authority, version)) as server:
        result = bench.ship(files, server.url, cert=cert, key=key)
    assert result["events"] == files.acks and server.stored == files.content


class Strict:
    """A server as OpenSSL's own are: says with a TLS alert why it ends a handshake (asyncio's does not)."""

    def __init__(self, context):
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            link.settimeout(60)  # for who is gone
            tls = self._context.wrap_socket(link, server_side=True, do_handshake_on_connect=False)
            try:
                tls.do_handshake()
            except OSError:
                pass
            try:  # what is not read would become a reset, and that could overtake the alert
                tls.shutdown(socket.SHUT_WR)
                while socket.socket.recv(tls, 4096):
                    pass
            except OSError:
                pass
            tls.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("which", "server"), [("none", "alert"), ("of another authority", "alert"), ("of another authority", "closes")]
)
def test_without_the_right_client_certificate_the_cause_is_credentials(
    bench, authority, tmp_path, version, which, server
):
    options = {}
    if which != "none":
        options["cert"], options["key"] = certificates.client(Authority(tmp_path, "other"))
    context = demanding(authority, authority, version)
    with Server([], context) if server == "closes" else Strict(context) as listening:
        result = bench.ship(bench.files(1, 50_000), listening.url, until={"failures": 3}, **options)
    assert acks(result) == [] and result["status"]["cause"] == "credentials", result["status"]


# Causes


@slow
def test_each_cause_is_told(bench, tls, authority, tmp_path):
    behaviours = {
        "credentials": [after_request(status(401))] * 999,
        "disk_full": [after_request(status(507))] * 999,
        "collector_down": [after_request(status(503))] * 999,
        "server": [after_request(status(404))] * 999,
        "link": [mid_body(1000, then="reset")] * 999,
        "certificate": [Authority(tmp_path, "x").server()] * 999,
    }
    for cause, plan in behaviours.items():
        with Server(plan, tls) as server:
            result = bench.ship(bench.files(1), server.url, until={"failures": 3})
        assert result["status"]["cause"] == cause, result["status"]
    with Server([], tls) as server:
        result = bench.ship(bench.files(1), server.url)
    assert result["status"]["cause"] is None


@pytest.mark.parametrize("days", [{"start": 1, "end": 9}, {"start": -9, "end": -1}])
@pytest.mark.parametrize(("year", "cause"), [(2024, "clock"), (2025, "certificate")])
def test_a_certificate_that_is_out_of_date_on_a_board_that_does_not_know_the_date(bench, authority, year, cause, days):
    with Server([], authority.server(**days)) as server:
        result = bench.ship(bench.files(1), server.url, until={"failures": 1}, year=year)
    assert acks(result) == [] and server.stored == {} and result["status"]["cause"] == cause, result["status"]
    words = "(the clock of this board is not set)" if cause == "clock" else "(or the clock of this board is wrong)"
    assert words in result["status"]["last_error"]


def test_nobody_there_and_no_such_name(bench):
    once = {"failures": 1}
    with Port() as port:
        result = bench.ship(bench.files(1), f"https://127.0.0.1:{port.number}", until=once)
    assert result["status"]["cause"] == "collector_down"
    result = bench.ship(bench.files(1), "https://no-such-host.invalid", until=once)
    assert result["status"]["cause"] == "dns" and "cannot resolve the name" in result["status"]["last_error"]


class Page:
    """Plain HTTP on a port of its own: answers every request with `answer`; `asked` are their first lines."""

    def __init__(self, answer):
        self._answer, self.asked = answer, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            with link:
                self.asked.append(link.recv(2000).split(b"\r\n")[0])
                link.sendall(self._answer)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


PAGES = {  # answer: whether that is a portal
    b"HTTP/1.1 302 Found\r\nLocation: http://login.cafe.example/?u=1\r\nContent-Length: 0\r\n\r\n": True,
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"<html>Welcome" + b"x" * 30_000: True,
    b"HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 0\r\n\r\n": True,
    b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/motelog\r\nContent-Length: 0\r\n\r\n": False,
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n": False,
    b"SSH-2.0-OpenSSH_9.2\r\n": False,
    b"": False,
}


@pytest.mark.parametrize("how", ["certificate", pytest.param("closed", marks=slow), pytest.param("silent", marks=slow)])
@pytest.mark.parametrize("page", PAGES, ids=["302", "200", "511", "301 to itself", "404", "ssh", "closes"])
def test_a_captive_portal_is_told_from_a_server_with_a_bad_certificate(bench, tls, tmp_path, page, how):
    plan = {
        "certificate": [Authority(tmp_path, "portal").server()],
        "closed": [in_handshake("close")],
        "silent": [in_handshake("stall")],
    }[how]
    with Server(plan * 99, tls) as server, Page(page) as portal:
        timeout_s = 0.3 if how == "silent" else 60
        result = bench.ship(
            bench.files(1), server.url, until={"failures": 1}, timeout_s=timeout_s, portal_port=portal.port
        )
    assert portal.asked and all(line.startswith(b"GET /motelog-") for line in portal.asked)
    assert (result["status"]["cause"] == "captive_portal") == PAGES[page], result["status"]
    assert ("log in first" in result["status"]["last_error"]) == PAGES[page]


def test_a_server_that_has_spoken_is_no_portal(bench, tls):
    with Server([after_request(status(503))] + [in_handshake("close")] * 9, tls) as server, Page(b"") as portal:
        result = bench.ship(bench.files(1), server.url, portal_port=portal.port)
    assert portal.asked == [] and result["status"]["failures"] == 10


# The collector's clock


def clocked(offset_us, error_us, inside_s=0.0):
    async def behaviour(server, reader, writer):
        while True:
            request = await naughty.read_head(reader)
            heard = time.time_ns() // 1000 + offset_us
            if "expect" in request.fields:
                await naughty.say(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
            await reader.readexactly(request.length)
            await asyncio.sleep(inside_s)
            now = time.time_ns() // 1000 + offset_us
            await naughty.say(writer, status(201, f"Motelog-Clock: {heard} {now} {error_us}"))

    return behaviour


@pytest.mark.parametrize("inside_s", [0, 1])
def test_the_collectors_clock_is_a_fix(bench, tls, inside_s):
    offset_us = 86_400_000_000
    with Server([clocked(offset_us, 1234, inside_s)], tls) as server:
        result = bench.ship(bench.files(1), server.url)
    assert result["fixes"]
    t_us, utc_us = result["utc_us"]
    for fix_t, fix_utc, uncertainty, source in result["fixes"]:
        true = utc_us - t_us + fix_t + offset_us
        assert abs(fix_utc - true) <= uncertainty and uncertainty >= 1234 and source == "collector:127.0.0.1"
    assert min(fix[2] for fix in result["fixes"]) < 400_000  # what the server takes does not count


@slow
@pytest.mark.parametrize("text", ["", "1 2", "a b c", "-1 2 3", "1 2 3 4", "9" * 900, "1 2 3", "2000000000000000 1 0"])
def test_a_clock_that_is_none_is_no_fix(bench, tls, text):
    with Server([], tls, status(201, f"Motelog-Clock: {text}")) as server:
        result = bench.ship(bench.files(1), server.url)
    assert result["fixes"] == [] and len(acks(result)) == 1
