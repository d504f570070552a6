"""The collector and senders that are broken, slow or evil: nothing of them stays, nobody else is disturbed."""

import asyncio

import pytest

from host.collector.status import Devices, Refusals
from tests.host.collector_peer import (
    DATA,
    DEVICE,
    PATH,
    SESSION,
    digest,
    head,
    hidden,
    visible,
    with_collector,
)


def test_a_truncated_body_leaves_nothing(tmp_path):
    async def test(peer):
        for sent in (0, 1, len(DATA) - 1):
            answer = await peer.raw(head() + DATA[:sent], end=True)
            assert b" 201 " not in answer
        while hidden(tmp_path):
            await asyncio.sleep(0.01)
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
        line = await reader.readline()
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
