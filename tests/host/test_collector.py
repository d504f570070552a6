"""The collector: complete, checked, durable and never overwritten."""

import asyncio
import json
import os
import ssl
import subprocess
from errno import EIO, ENOSPC

import aiohttp
import pytest

from host import certs, store
from host.collector import Collector
from tests.host import synthetic
from tests.host.collector_peer import (
    DATA,
    DEVICE,
    FILES,
    PATH,
    SESSION,
    digest,
    head,
    hidden,
    visible,
    with_collector,
)


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
        assert b" 201 " in await reader.readline()
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
