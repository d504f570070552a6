"""The collector over an object store: a local folder and an S3 server, by the rules of the folder's store."""

import asyncio
import hashlib
import io
import json
import zipfile
from pathlib import Path

import aiohttp
import obstore
import pytest

from host import verify
from host.collector import Collector
from host.collector.objects import PROBE, ObjectStore, Unavailable
from host.store import Refused
from tests.host import synthetic
from tests.host.collector_peer import DATA, PATH, Peer, head
from tests.tools.s3 import S3

DEVICE, SESSION = synthetic.DEVICE, synthetic.SESSION
FILES = synthetic.session_files()


@pytest.fixture(scope="module")
def s3():
    with S3() as server:
        yield server


@pytest.fixture(params=["file", "s3"])
def url(request, tmp_path, monkeypatch):
    """An empty place in each kind of store."""
    if request.param == "file":
        return (tmp_path / "the store").as_uri()
    server = request.getfixturevalue("s3")
    for key, value in server.environment.items():
        monkeypatch.setenv(key, value)
    return server.url(f"{hashlib.sha256(str(tmp_path).encode()).hexdigest()}/deep prefix")


def objects(store: ObjectStore) -> dict[str, bytes]:
    """Everything in the store, by its name there."""
    listed = [entry["path"] for batch in obstore.list(store._store) for entry in batch]
    return {name: bytes(obstore.get(store._store, name).bytes()) for name in listed if name != PROBE}


def download(store: ObjectStore, folder: Path) -> Path:
    """A copy as `aws s3 sync` makes it."""
    for name, content in objects(store).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / PROBE).write_bytes(bytes(obstore.get(store._store, PROBE).bytes()))
    return folder


def with_workers(url: str, test, number=1, **options):
    """`test` gets a peer for each of `number` collectors that know nothing of each other."""
    async def body():
        workers = [Collector(ObjectStore(url), **options) for _ in range(number)]
        peers = []
        for worker in workers:
            port = await worker.start()
            client = aiohttp.ClientSession(f"http://127.0.0.1:{port}")
            peers.append(Peer(worker, port, client))
        try:
            return await test(*peers)
        finally:
            for peer in peers:
                await peer.client.close()
                await peer.collector.stop()

    return asyncio.run(asyncio.wait_for(body(), 300))


def test_a_session_arrives_and_its_copy_verifies(tmp_path, url):
    async def test(one, other):
        first = [await one.put(f"/{DEVICE}/{SESSION}/{name}", content) for name, content in FILES.items()]
        again = [await other.put(f"/{DEVICE}/{SESSION}/{name}", content) for name, content in FILES.items()]
        return first, again, objects(one.collector.store), download(one.collector.store, tmp_path / "copy")

    first, again, stored, copy = with_workers(url, test, 2)
    assert set(first) == {201} and set(again) == {412}
    assert stored == {f"{DEVICE}/{SESSION}/{name}": content for name, content in FILES.items()}
    report = verify.verify(copy)
    assert report.ok and {finding.level for finding in report.findings} == {"note"}


def test_of_workers_that_store_the_same_name_at_once_one_wins(url):
    async def test(*peers):
        same = await asyncio.gather(*(peer.put(PATH, DATA) for peer in peers))
        other = PATH.replace("000000", "000001")
        rivals = await asyncio.gather(*(peer.put(other, bytes([k]) * 70_000) for k, peer in enumerate(peers)))
        return same, rivals, objects(peers[0].collector.store)

    same, rivals, stored = with_workers(url, test, 3)
    assert sorted(same) == [201, 412, 412] and sorted(rivals) == [201, 409, 409]
    winner = bytes([rivals.index(201)]) * 70_000
    assert stored == {PATH[1:]: DATA, PATH[1:].replace("000000", "000001"): winner}


def test_a_sidecar_waits_for_its_data_wherever_that_arrived(url):
    place = PATH.replace("npy", "json")

    async def test(one, other):
        assert await one.put(place, FILES["imu-000000.json"]) == 424
        assert await other.put(PATH, DATA) == 201
        wrong = {**json.loads(FILES["imu-000000.json"]), "sha256": "0" * 64}
        assert await one.put(place, json.dumps(wrong).encode()) == 409
        assert await one.put(place, FILES["imu-000000.json"]) == 201
        assert await one.put("/con/x/x.npy", DATA) == 400

    with_workers(url, test, 2)


def test_large_files_and_bundles_are_stored_like_all_others(url):
    large = bytes(range(256)) * 10_000  # more than is kept in memory on its way
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("imu-000000.npy", "imu-000000.json"):
            archive.writestr(f"{DEVICE}/{SESSION}/{name}", FILES[name])
    bundle = f"/{DEVICE}/{SESSION}/bundle-imu-000000-1.zip"

    async def test(peer):
        assert await peer.put(f"/{DEVICE}/{SESSION}/x.npy", large) == 201
        assert await peer.put(bundle, file.getvalue()) == 201
        assert await peer.put(bundle, file.getvalue()) == 412
        return objects(peer.collector.store)

    stored = with_workers(url, test)
    expected = {"x.npy": large, "imu-000000.npy": DATA, "imu-000000.json": FILES["imu-000000.json"]}
    assert stored == {f"{DEVICE}/{SESSION}/{name}": content for name, content in expected.items()}


def test_a_store_that_went_away_is_the_collectors_fault(tmp_path):
    store = ObjectStore((tmp_path / "store").as_uri())

    async def test(peer):
        def gone(*_):
            raise Unavailable("gone")

        peer.collector.store.stored_sha256 = gone
        assert await peer.put(PATH, DATA) == 503

    with_workers(store.url, test)


def test_a_store_that_overwrites_is_refused_before_anything_is_lost(tmp_path, monkeypatch):
    put = obstore.put

    def careless(store, path, file, mode):
        return put(store, path, file, mode="overwrite")

    monkeypatch.setattr(obstore, "put", careless)
    with pytest.raises(OSError, match="overwrites"):
        ObjectStore((tmp_path / "store").as_uri()).prepare()


def test_a_bucket_that_is_not_there_is_said_in_one_line(s3, monkeypatch):
    for key, value in s3.environment.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(OSError) as caught:
        ObjectStore("s3://nonesuch-bucket/x").prepare()
    assert "nonesuch-bucket" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "x", "ftp://x/y", "s3:", "s3://", "file://host/x", "file:x", "http://x/y"])
def test_urls_that_are_none(url):
    with pytest.raises(ValueError, match=r"^\S.*(store|slashes)") as caught:
        ObjectStore(url)
    assert "\n" not in str(caught.value)


# Presigned uploads


def expect(length: int = len(DATA), path: str = PATH) -> bytes:
    return head(path, length, extra="Expect: 100-continue\r\n")


@pytest.fixture
def s3_url(s3, tmp_path, monkeypatch):
    for key, value in s3.environment.items():
        monkeypatch.setenv(key, value)
    return s3.url(hashlib.sha256(str(tmp_path).encode()).hexdigest())


async def location(peer) -> str:
    """Where a PUT of DATA is sent to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
    writer.write(expect())
    answer = (await asyncio.wait_for(reader.read(), 60)).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 307 ")
    return next(line.partition(" ")[2] for line in answer.splitlines() if line.startswith("Location: "))


def test_data_goes_straight_to_the_store_and_the_sidecar_proves_it(s3_url):
    async def test(peer):
        url = await location(peer)
        headers = {"If-None-Match": "*", "Content-Type": "application/octet-stream"}
        async with peer.client.put(url, data=DATA, headers=headers) as answer:
            assert answer.status == 200
        async with peer.client.put(url, data=DATA[::-1], headers=headers) as answer:
            assert answer.status == 412
        assert b" 412 " in await peer.first_line(expect())
        assert await peer.put(PATH.replace("npy", "json"), FILES["imu-000000.json"]) == 201
        assert await peer.put(f"/{DEVICE}/{SESSION}/session.json", FILES["session.json"]) == 201
        return objects(peer.collector.store)

    stored = with_workers(s3_url, test, presign=True)
    names = ("imu-000000.npy", "imu-000000.json", "session.json")
    assert stored == {f"{DEVICE}/{SESSION}/{name}": FILES[name] for name in names}


def test_bytes_that_are_not_the_announced_ones_stay_without_their_sidecar(s3_url):
    async def test(peer):
        headers = {"If-None-Match": "*", "Content-Type": "application/octet-stream"}
        async with peer.client.put(await location(peer), data=DATA[::-1], headers=headers) as answer:
            assert answer.status == 200
        assert b" 409 " in await peer.first_line(expect())
        assert await peer.put(PATH.replace("npy", "json"), FILES["imu-000000.json"]) == 409

    with_workers(s3_url, test, presign=True)


def test_only_data_is_sent_elsewhere(s3_url):
    async def test(peer):
        session = expect(len(FILES["session.json"]), f"/{DEVICE}/{SESSION}/session.json")
        assert b" 100 " in await peer.first_line(session)
        assert b" 413 " in await peer.first_line(expect(10 << 30, PATH.replace("000000", "000009")))

    with_workers(s3_url, test, presign=True)


def test_who_does_not_ask_first_is_sent_elsewhere_behind_its_body(s3_url):
    async def test(peer):
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        for _ in range(2):  # the connection lives on
            writer.write(head() + DATA)
            assert b" 307 " in await asyncio.wait_for(reader.readline(), 60)
            await reader.readuntil(b"PUT it there\n")
        writer.close()
        assert objects(peer.collector.store) == {}

    with_workers(s3_url, test, presign=True)


def test_a_folder_signs_nothing(tmp_path):
    store = ObjectStore((tmp_path / "store").as_uri())
    store.prepare()
    with pytest.raises(OSError, match="no URL can be signed"):
        store.sign_put(store.place(DEVICE, SESSION, "x.npy"), 60)


def test_names_are_checked_as_everywhere(tmp_path):
    store = ObjectStore((tmp_path / "store").as_uri())
    for name in ("..", "a/b", "", "nul", "x\0"):
        with pytest.raises(Refused):
            store.place(name, SESSION, "x.npy")
