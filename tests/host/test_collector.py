"""The collector: complete, checked, durable and never overwritten, whatever the sender does."""

import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from argparse import ArgumentParser
from contextlib import asynccontextmanager
from errno import EIO, ENOSPC
from pathlib import Path

import aiohttp
import pytest

from host import certs, collect, store
from host.collector import Collector
from host.collector.status import Devices, Refusals
from tests.host import synthetic
from tests.tools.micropython import ROOT

DEVICE, SESSION = synthetic.DEVICE, synthetic.SESSION
FILES = synthetic.session_files()
DATA = FILES["imu-000000.npy"]
PATH = f"/{DEVICE}/{SESSION}/imu-000000.npy"


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


class Peer:
    """A collector on loopback and a client for it."""

    def __init__(self, collector: Collector, port: int, client: aiohttp.ClientSession):
        self.collector, self.port, self.client = collector, port, client

    async def put(self, path: str, content: bytes, **headers: str) -> int:
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"Content-Digest": digest(content), "If-None-Match": "*", **own}
        async with self.client.put(path, data=content, headers=headers) as answer:
            self.text = await answer.text()
            return answer.status

    async def raw(self, text: bytes, end: bool = False) -> bytes:
        """Sends bytes as they are; with `end` hangs up behind them. -> everything that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        await writer.drain()
        if end:
            writer.close()
        try:
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def first_line(self, text: bytes) -> bytes:
        """Sends bytes as they are. -> the first line of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        try:
            return await asyncio.wait_for(reader.readline(), 5)
        finally:
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0.01)  # the collector sees it, too: stopping would wait for the rest of the body

    async def status(self) -> dict:
        async with self.client.get("/") as answer:
            return await answer.json()


@asynccontextmanager
async def running(root: Path, **options):
    collector = Collector(root, **options)
    port = await collector.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        yield Peer(collector, port, client)
    await collector.stop()


def with_collector(root: Path, test, **options):
    async def body():
        async with running(root, **options) as peer:
            return await test(peer)

    return asyncio.run(asyncio.wait_for(body(), 20))


def visible(root: Path) -> dict[str, bytes]:
    """Every file that a user sees, without the record of deliveries."""
    files = [path for path in root.glob("*/*/*") if path.is_file() and path.name != store.SUMS]
    return {path.name: path.read_bytes() for path in files if not path.name.startswith(".")}


def hidden(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.startswith(".")]


def head(path: str = PATH, length: int | None = len(DATA), content: bytes = DATA, extra: str = "") -> bytes:
    size = "" if length is None else f"Content-Length: {length}\r\n"
    return f"PUT {path} HTTP/1.1\r\nHost: x\r\n{size}Content-Digest: {digest(content)}\r\n{extra}\r\n".encode()


def test_a_session_arrives_and_a_second_delivery_is_recognised(tmp_path):
    async def test(peer):
        first = [await peer.put(f"/{DEVICE}/{SESSION}/{name}", content) for name, content in FILES.items()]
        again = [await peer.put(f"/{DEVICE}/{SESSION}/{name}", content) for name, content in FILES.items()]
        return first, again, await peer.status()

    first, again, status = with_collector(tmp_path, test)
    assert set(first) == {201} and set(again) == {412}
    assert visible(tmp_path) == FILES
    device = status["devices"][DEVICE]
    assert (device["segments"], device["latest_session"]) == (7, SESSION)
    assert device["bytes"] == sum(map(len, FILES.values()))
    assert (device["stored"], device["repeated"], device["refused"]) == (len(FILES), len(FILES), 0)
    command = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    done = subprocess.run(command, cwd=tmp_path / DEVICE / SESSION, capture_output=True)
    assert done.returncode == 0 and done.stdout.count(b": OK") == len(FILES)


def test_other_bytes_under_a_known_name_are_a_conflict(tmp_path):
    async def test(peer):
        assert await peer.put(PATH, DATA) == 201
        assert await peer.put(PATH, DATA[:-1] + b"!") == 409
        assert await peer.put(PATH, DATA[:-1]) == 409

    with_collector(tmp_path, test)
    assert visible(tmp_path) == {"imu-000000.npy": DATA}
    assert not hidden(tmp_path)


def test_of_two_deliveries_at_once_one_wins(tmp_path):
    async def test(peer):
        same = await asyncio.gather(*(peer.put(PATH, DATA) for _ in range(4)))
        other = PATH.replace("000000", "000001")
        rivals = await asyncio.gather(*(peer.put(other, bytes([k]) * 70_000) for k in range(4)))
        return same, rivals

    same, rivals = with_collector(tmp_path, test)
    assert sorted(same) == [201, 412, 412, 412]
    assert sorted(rivals) == [201, 409, 409, 409]
    winner = rivals.index(201)
    assert visible(tmp_path) == {"imu-000000.npy": DATA, "imu-000001.npy": bytes([winner]) * 70_000}
    assert len((tmp_path / DEVICE / SESSION / store.SUMS).read_text().splitlines()) == 2


def test_the_answer_comes_when_all_bodies_have_come_at_the_same_time(tmp_path):
    """Both are past the question whether the file is there: the hard link alone decides."""
    waiting = asyncio.Barrier(2)

    async def both_here(path):
        await waiting.wait()

    async def test(peer):
        return await asyncio.gather(peer.put(PATH, DATA), peer.put(PATH, DATA[::-1]))

    assert sorted(with_collector(tmp_path, test, before_put=both_here)) == [201, 409]
    assert visible(tmp_path)["imu-000000.npy"] in (DATA, DATA[::-1])


@pytest.mark.parametrize("wrong", [
    digest(DATA + b"!"), "sha-256=:AAAA:", "sha-256=:!:", "sha-512=:AAAA:", "", "sha-256=abc",
])  # fmt: skip
def test_a_wrong_or_missing_digest_is_refused(tmp_path, wrong):
    async def test(peer):
        assert await peer.put(PATH, DATA, Content_Digest=wrong) == 400

    with_collector(tmp_path, test)
    assert not visible(tmp_path) and not hidden(tmp_path)


def test_sha256_is_found_among_other_digests(tmp_path):
    async def test(peer):
        assert await peer.put(PATH, DATA, Content_Digest=f"sha-512=:AAAA:, {digest(DATA)}, md5=:AAAA:") == 201

    with_collector(tmp_path, test)


def test_a_truncated_body_leaves_nothing(tmp_path):
    async def test(peer):
        for sent in (0, 1, len(DATA) - 1):
            answer = await peer.raw(head() + DATA[:sent], end=True)
            assert b" 201 " not in answer
        await asyncio.sleep(0.05)
        assert not hidden(tmp_path)
        assert await peer.put(PATH, DATA) == 201

    with_collector(tmp_path, test)


def test_a_silent_sender_is_cut_off(tmp_path):
    async def test(peer):
        answers = await asyncio.gather(
            peer.raw(head(length=1_000_000) + DATA[:100]), peer.raw(b""), peer.raw(b"PUT /"), peer.raw(head()[:-2])
        )
        assert answers[0].startswith(b"HTTP/1.1 408")
        assert answers[1:] == [b"", b"", b""]

    with_collector(tmp_path, test, stall_s=0.2)
    assert not visible(tmp_path) and not hidden(tmp_path)


def test_a_dribbling_sender_is_cut_off(tmp_path):
    async def test(peer):
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(head(length=200))
        answer = asyncio.create_task(reader.readline())
        for _ in range(100):
            writer.write(b"x")
            await asyncio.sleep(0.02)
            if answer.done():
                break
        assert answer.done() and answer.result().startswith(b"HTTP/1.1 408")
        writer.close()

    with_collector(tmp_path, test, stall_s=0.3)


def test_ten_gigabytes_are_refused_before_they_are_read(tmp_path):
    async def test(peer):
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(head(length=10 << 30))
        line = await asyncio.wait_for(reader.readline(), 2)
        writer.close()
        assert b" 413 " in line
        assert await peer.put(PATH, DATA) == 413
        assert "the limit is 100" in peer.text

    with_collector(tmp_path, test, max_bytes=100)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("request_head, status", [
    (head(length=None), b"411"),
    (head(length=None, extra="Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", b"411"),
    (head(extra="Content-Encoding: gzip\r\n"), b"415"),
    (head(extra="Content-Range: bytes 0-1/2\r\n"), b"415"),
    (head(length=-1), b"400"),
    (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
    (b"GET /wrist-01 HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
    (b"nonsense\r\n\r\n", b"400"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", b"400"),
])  # fmt: skip
def test_requests_that_are_none(tmp_path, request_head, status):
    async def test(peer):
        assert status in await peer.first_line(request_head)

    with_collector(tmp_path, test)
    assert not visible(tmp_path)


@pytest.mark.parametrize("path", [
    "/../../etc/passwd.npy", "/a/../b.npy", "/a/b/../c.npy", "/a/b/..", "/a/b/.x.npy", "/a/./x.npy", "//b/x.npy",
    "/a//x.npy", "/a/b/c/x.npy", "/b/x.npy", "/x.npy", "/", "/a/b/", "/%2e%2e/b/x.npy", "/a/b/%2e%2e%2fx.npy",
    "/a/b/x%00.npy", "/a/b/x.npy?y", "/a/b\\c/x.npy", "/a/b/x\x01.npy", "/CON/b/x.npy", "/a/nul.txt/x.npy",
    "/a/b/com1.npy", "/a/b/aux.json", "/a./b/x.npy", "/a/b/SHA256SUMS", "/a/b/x.exe", "/a/b/imu-000000.ack", "/a/b/x",
    "/-a/b/x.npy", "/a/b/é.npy", f"/{'a' * 65}/b/x.npy", "http://x/a/b/x.npy", "/a/b/x.npy#", "/a/b/x.npy.",
])  # fmt: skip
def test_names_that_are_none(tmp_path, path):
    root = tmp_path / "deep" / "root"

    async def test(peer):
        text = head("@").replace(b"@", path.encode()) + DATA
        assert (await peer.first_line(text)).endswith(b" 400 Bad Request\r\n")

    with_collector(root, test)
    assert [path for path in tmp_path.rglob("*") if path != root] == [tmp_path / "deep"]


def test_nothing_is_written_through_a_symbolic_link(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / SESSION).mkdir(parents=True)
    (root / "linked").mkdir(parents=True)
    (root / DEVICE).symlink_to(outside)
    (root / "linked" / SESSION).symlink_to(outside)

    async def test(peer):
        assert await peer.put(PATH, DATA) == 400
        assert await peer.put(f"/linked/{SESSION}/imu-000000.npy", DATA) == 400
        assert "symbolic link" in peer.text

    with_collector(root, test)
    assert not [path for path in outside.rglob("*") if path.is_file()]


def test_the_token_is_demanded(tmp_path):
    async def test(peer):
        assert await peer.put(PATH, DATA) == 401
        for wrong in ("Bearer wrong", "Bearer secre", "secret", "Basic secret", "Bearer sécret"):
            assert await peer.put(PATH, DATA, Authorization=wrong) == 401
        async with peer.client.get("/") as answer:
            assert answer.status == 401
        assert await peer.put(PATH, DATA, Authorization="Bearer secret") == 201

    with_collector(tmp_path, test, token="secret")


def test_what_is_refused_again_and_again_is_logged_once(tmp_path, caplog):
    async def test(peer):
        for _ in range(5):
            assert await peer.put(PATH, DATA, Content_Digest=digest(b"")) == 400
            assert await peer.put("/x/nul/x.npy", DATA) == 400
        return await peer.status()

    status = with_collector(tmp_path, test)
    assert len(caplog.records) == 2
    assert set(status["devices"]) == {DEVICE} and status["devices"][DEVICE]["via"]["https"]["refused"] == 5


def test_made_up_names_do_not_fill_the_memory():
    devices = Devices(most=3)
    for number in range(10):
        devices.refused("https", f"device-{number}")
    devices.refused("https", "device-0")
    assert {name: device["refused"] for name, device in devices.as_dict().items()} == {
        "device-0": 2, "device-1": 1, "device-2": 1,
    }  # fmt: skip
    refusals = Refusals(remembered=2)
    for what in ("a", "b", "c", "c"):
        refusals.say("mqtt", "x", what, 400, "why")
    assert len(refusals._known) == 2


def test_a_refused_sender_that_reads_only_after_its_last_byte_finds_the_answer(tmp_path):
    async def test(peer):
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(head(length=2_000_000))
        for _ in range(20):
            writer.write(bytes(100_000))
            await writer.drain()
            await asyncio.sleep(0.01)
        assert b" 401 " in await reader.readline()
        writer.close()

    with_collector(tmp_path, test, token="secret")


def test_a_sidecar_is_a_commit_mark(tmp_path):
    sidecar = FILES["imu-000000.json"]
    place = PATH.replace("npy", "json")

    def with_changes(**changes) -> bytes:
        return json.dumps({**json.loads(sidecar), **changes}).encode()

    async def test(peer):
        assert await peer.put(place, sidecar) == 424
        assert await peer.put(PATH, DATA) == 201
        assert await peer.put(place, with_changes(sha256="0" * 64)) == 409
        for file in ("imu-000001.npy", "../x.npy", None):
            assert await peer.put(place, with_changes(file=file)) == 422
        for change in ({"device": "x"}, {"session": "x"}):
            assert await peer.put(place, with_changes(**change)) == 422
        for content in (b"", b"{", b"[]", b"1", b'{"a": NaN}', b"\xff", b"[" * 100_000, sidecar + b"x"):
            assert await peer.put(place, content) == 422
        assert await peer.put(f"/{DEVICE}/{SESSION}/session.json", b"{}") == 422
        assert await peer.put(place, b" " * (store.MAX_JSON_BYTES + 1)) == 413
        assert await peer.put(place, sidecar) == 201

    with_collector(tmp_path, test)
    assert visible(tmp_path) == {"imu-000000.npy": DATA, "imu-000000.json": sidecar}
    assert not hidden(tmp_path)


def test_with_expect_nothing_is_sent_that_is_not_wanted(tmp_path):
    expect = head(extra="Expect: 100-continue\r\n")

    async def test(peer):
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(expect)
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        writer.write(DATA)
        assert b" 201 " in await reader.readline()
        writer.close()
        assert b" 412 " in await peer.first_line(expect)

    with_collector(tmp_path, test)


def test_a_known_file_is_answered_early_and_the_connection_lives_on(tmp_path):
    async def test(peer):
        assert await peer.put(PATH, DATA) == 201
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(head())
        assert b" 412 " in (await reader.readuntil(b"\r\n\r\n"))
        assert b"already" in await reader.readline()
        writer.write(DATA + head(PATH.replace("000000", "000001")) + DATA)
        assert b" 201 " in await asyncio.wait_for(reader.readline(), 2)
        writer.close()

    with_collector(tmp_path, test)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    async def test(peer):
        write = store.Upload.write

        def full(upload, chunk):
            raise OSError(ENOSPC, os.strerror(ENOSPC))

        monkeypatch.setattr(store.Upload, "write", full)
        assert await peer.put(PATH, DATA) == 507
        monkeypatch.setattr(store.Upload, "write", write)
        for call in ("fsync", "link"):
            with monkeypatch.context() as patch:
                patch.setattr(store.os, call, lambda *_: full(None, None))
                assert await peer.put(PATH, DATA) == 507
        with monkeypatch.context() as patch:
            patch.setattr(store.os, "link", lambda *_: (_ for _ in ()).throw(OSError(EIO, "Input/output error")))
            assert await peer.put(PATH, DATA) == 500
        assert not visible(tmp_path) and not hidden(tmp_path)
        assert await peer.put(PATH, DATA) == 201

    with_collector(tmp_path, test)


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path):
    async def test(peer):
        assert await peer.put(PATH, DATA) == 507

    with_collector(tmp_path, test, keep_free_bytes=1 << 60)
    assert not list(tmp_path.iterdir())


def test_a_delivery_that_was_published_but_not_recorded_is_recorded_when_it_comes_again(tmp_path):
    folder = synthetic.deliver(tmp_path, FILES)
    lines = (folder / store.SUMS).read_text().splitlines(keepends=True)
    (folder / store.SUMS).write_text("".join(lines[:-1]) + lines[-1][:30])  # killed in the middle of the last line

    async def test(peer):
        assert await peer.put(f"/{DEVICE}/{SESSION}/ledger.json", FILES["ledger.json"]) == 412

    with_collector(tmp_path, test)
    assert (folder / store.SUMS).read_text() == "".join(lines)


def test_status_counts_what_an_earlier_run_stored(tmp_path):
    synthetic.deliver(tmp_path, FILES)

    async def test(peer):
        return await peer.status()

    device = with_collector(tmp_path, test)["devices"][DEVICE]
    assert (device["segments"], device["last_seen"], device["latest_session"]) == (7, None, SESSION)
    assert device["bytes"] == sum(map(len, FILES.values()))


def test_a_stalled_collector_goes_on(tmp_path):
    stalled = asyncio.Event()

    async def stall(path):
        stalled.set()
        await asyncio.sleep(0.2)

    async def test(peer):
        delivery = asyncio.create_task(peer.put(PATH, DATA))
        await stalled.wait()
        assert not visible(tmp_path)
        assert await delivery == 201

    with_collector(tmp_path, test, before_put=stall)


def test_stop_waits_for_a_delivery_that_is_under_way(tmp_path):
    begun = asyncio.Event()

    async def slow(path):
        begun.set()
        await asyncio.sleep(0.2)

    async def test(peer):
        delivery = asyncio.create_task(peer.put(PATH, DATA))
        await begun.wait()
        await peer.collector.stop()
        assert await delivery == 201

    with_collector(tmp_path, test, before_put=slow)


def test_tls(tmp_path):
    identity = certs.make(tmp_path / "certs", ["127.0.0.1"])

    async def test():
        collector = Collector(tmp_path / "out")
        port = await collector.start(ssl_context=identity.server_context())
        context = ssl.create_default_context(cadata=identity.ca_der())
        async with aiohttp.ClientSession(f"https://127.0.0.1:{port}") as client:
            headers = {"Content-Digest": digest(DATA)}
            async with client.put(PATH, data=DATA, headers=headers, ssl=context) as answer:
                assert answer.status == 201
        await collector.stop()

    asyncio.run(test())
    assert visible(tmp_path / "out") == {"imu-000000.npy": DATA}


class Process:
    """`collect` as a process of its own, as a user runs it."""

    def __init__(self, root: Path, certs_folder: Path, port: int = 0):
        code = (
            "import argparse, sys\nfrom host import collect\nparser = argparse.ArgumentParser()\n"
            "collect.add_arguments(parser)\nsys.exit(collect.run(parser.parse_args()))"
        )
        arguments = ["--out", root, "--cert-dir", certs_folder, "--host", "127.0.0.1", "--port", str(port), "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, **pipes)
        self.ready = json.loads(self.process.stdout.readline())
        self.port = int(self.ready["url"].rsplit(":", 1)[1])
        self.context = ssl.create_default_context(cafile=None, cadata=Path(self.ready["ca"]).read_bytes())

    def put(self, path: str, content: bytes) -> int:
        request = urllib.request.Request(
            self.ready["url"] + path, content, {"Content-Digest": digest(content), "Content-Type": "x"}, method="PUT"
        )
        try:
            return urllib.request.urlopen(request, timeout=5, context=self.context).status
        except urllib.error.HTTPError as error:
            return error.code

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.rest = self.process.communicate(timeout=10)[0]
        return self.process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_collect_ends_when_asked_to(tmp_path, number):
    collector = Process(tmp_path / "out", tmp_path / "certs")
    assert collector.put(PATH, DATA) == 201
    assert collector.end(number) == 0
    assert json.loads(collector.rest)["devices"][DEVICE]["stored"] == 1


def test_a_collector_killed_in_the_middle_of_a_file_starts_clean(tmp_path):
    root = tmp_path / "out"
    collector = Process(root, tmp_path / "certs")
    try:
        assert collector.put(PATH, DATA) == 201
        second = PATH.replace("000000", "000001")

        async def half_a_file():
            context = collector.context
            reader, writer = await asyncio.open_connection("127.0.0.1", collector.port, ssl=context)
            writer.write(head(second) + DATA[: len(DATA) // 2])
            await writer.drain()
            for _ in range(200):
                if any(path.stat().st_size for path in hidden(root)):
                    break
                await asyncio.sleep(0.01)
            collector.process.kill()
            writer.close()

        asyncio.run(half_a_file())
    finally:
        collector.end(signal.SIGKILL)
    assert hidden(root) and visible(root) == {"imu-000000.npy": DATA}
    collector = Process(root, tmp_path / "certs", collector.port)
    try:
        assert not hidden(root)
        assert collector.put(PATH, DATA) == 412
        assert collector.put(second, DATA) == 201
    finally:
        collector.end(signal.SIGKILL)
    assert visible(root) == {"imu-000000.npy": DATA, "imu-000001.npy": DATA}


@pytest.mark.parametrize("arguments, said", [
    (["--token-file", "{tmp}/none"], "No such file"),
    (["--token-file", "{tmp}/empty"], "a token is one line"),
    (["--host", "a b"], "neither a host name"),
    (["--host", "192.0.2.1"], "address"),
    (["--port", "{taken}"], "in use"),
    (["--port", "99999"], "from 0 to 65535"),
    (["--out", "{tmp}/empty"], "is a file, not a folder"),
])  # fmt: skip
def test_mistakes_of_the_caller(tmp_path, capsys, arguments, said):
    (tmp_path / "empty").touch()
    parser = ArgumentParser()
    collect.add_arguments(parser)
    with socket.create_server(("127.0.0.1", 0)) as other:
        texts = [text.format(tmp=tmp_path, taken=other.getsockname()[1]) for text in arguments]
        given = ["--host", "127.0.0.1", "--out", str(tmp_path / "out"), "--cert-dir", str(tmp_path / "certs"), *texts]
        assert collect.run(parser.parse_args(given)) == 2
    assert said in capsys.readouterr().err
