"""Shipping to real servers: nginx with WebDAV, our collector, and our collector in front of an S3 server."""

import asyncio
import threading
import time
import types

import pytest

from host import certs
from host.collector import Collector
from host.collector.objects import ObjectStore
from tests.tools.s3 import S3
from tests.transport import certificates, nginx
from tests.transport.certificates import Authority

real_nginx = pytest.mark.skipif(nginx.find() is None, reason=nginx.HOW_TO_GET)
BIG = 300_000


def acks(result):
    return [event for event in result["events"] if event[0] == "ack"]


@pytest.fixture
def pem(authority):
    """A PEM file with the key and the certificate of a server at 127.0.0.1."""
    before = set(authority._folder.glob("server-*.pem"))
    authority.server()
    return (set(authority._folder.glob("server-*.pem")) - before).pop()


@real_nginx
def test_nginx_stores_every_file_and_a_second_put_changes_nothing(bench, tmp_path, pem):
    files = bench.files(3, BIG)
    with nginx.Nginx(tmp_path / "nginx", pem) as server:
        first = bench.ship(files, server.url)
        again = bench.ship(files, server.url)
        stored = server.stored()
    assert first["events"] == again["events"] == files.acks and stored == files.content
    assert first["status"]["connections"] == 1
    codes = [line.split('" ')[1][:3] for line in server.log.read_text().splitlines()]
    assert codes == ["201"] * 6 + ["204"] * 6  # it overwrites: docs/transport.md


@real_nginx
def test_nginx_with_client_certificates(bench, authority, tmp_path, pem):
    more = f"ssl_client_certificate {authority.pem}; ssl_verify_client on;"
    files = bench.files(2)
    with nginx.Nginx(tmp_path / "nginx", pem, more) as server:
        cert, key = certificates.client(authority)
        without = bench.ship(files, server.url, until={"failures": 1})
        foreign = certificates.client(Authority(tmp_path, "other"))
        other = bench.ship(files, server.url, until={"failures": 1}, cert=foreign[0], key=foreign[1])
        assert server.stored() == {}
        right = bench.ship(files, server.url, cert=cert, key=key)
        assert server.stored() == files.content
    assert right["events"] == files.acks
    for result in (without, other):
        assert acks(result) == [] and result["status"]["cause"] == "credentials", result["status"]


@real_nginx
def test_nginx_that_makes_no_folders_gets_nothing_acknowledged(bench, tmp_path, pem):
    with nginx.Nginx(tmp_path / "nginx", pem, create="off") as server:
        result = bench.ship(bench.files(1), server.url, until={"failures": 1})
    assert acks(result) == [] and result["left"] == 1 and result["status"]["last_error"]


@pytest.fixture
def collecting():
    """Starts a collector in a thread: (root or store, **keywords of Collector, tls=) -> an object with its `port`."""
    ends = []

    def start(root, tls=None, **options):
        up = threading.Event()
        found = types.SimpleNamespace(port=None, collector=Collector(root, **options))

        async def serve():
            found.loop, found.end = asyncio.get_running_loop(), asyncio.Event()
            found.port = await found.collector.start(ssl_context=tls)
            up.set()
            await found.end.wait()
            await found.collector.stop()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        assert up.wait(120)
        ends.append((found, thread))
        return found

    yield start
    for found, thread in ends:
        found.loop.call_soon_threadsafe(found.end.set)
        thread.join()


@pytest.fixture
def identity(tmp_path):
    return certs.make(tmp_path / "identity", ["127.0.0.1"])


def test_the_collector_lets_in_the_devices_that_it_certified(bench, collecting, identity, tmp_path):
    found = collecting(tmp_path / "out", identity.server_context(identity.ca_der()))
    url, ca = f"https://127.0.0.1:{found.port}", str(identity.ca_path)
    cert, key = map(str, identity.client("wrist-01"))
    files = bench.files(1, BIG)
    data = [files.names[0][1][0]]  # the sidecar is none
    files.names[0][1] = data
    nobody = bench.ship(files, url, ca=ca, until={"failures": 3})
    foreign = certificates.client(Authority(tmp_path, "other"))
    other = bench.ship(files, url, ca=ca, until={"failures": 3}, cert=foreign[0], key=foreign[1])
    assert not list((tmp_path / "out").rglob("*.npy"))
    right = bench.ship(files, url, ca=ca, cert=cert, key=key)
    assert right["events"] == files.acks and len(list((tmp_path / "out").rglob("*.npy"))) == 1
    for result in (nobody, other):
        assert acks(result) == [] and result["status"]["cause"] == "credentials", result["status"]


def test_the_collectors_clock_and_its_full_disk(bench, collecting, identity, tmp_path):
    found = collecting(tmp_path / "out", identity.server_context(), keep_free_bytes=1 << 60)
    files = bench.files(1, BIG)
    result = bench.ship(files, f"https://127.0.0.1:{found.port}", ca=str(identity.ca_path), until={"failures": 1})
    assert acks(result) == [] and result["status"]["cause"] == "disk_full", result["status"]
    t_us, utc_us, uncertainty, source = result["fixes"][0]
    assert source == "collector:127.0.0.1" and abs(utc_us - t_us + result["utc_us"][0] - time.time_ns() // 1000) < 60e6
    assert abs(result["utc_us"][1] - result["utc_us"][0] + t_us - utc_us) <= uncertainty


def test_what_the_collector_has_does_not_travel_again(bench, collecting, identity, tmp_path):
    found = collecting(tmp_path / "out", identity.server_context())
    files = bench.files(2, BIG)
    for _, parts in files.names:
        del parts[1]
    url, ca = f"https://127.0.0.1:{found.port}", str(identity.ca_path)
    assert bench.ship(files, url, ca=ca)["status"]["bytes"] == 2 * BIG
    again = bench.ship(files, url, ca=ca)
    assert again["events"] == files.acks and again["status"]["bytes"] <= BIG  # at most the second, until its 412 comes


def test_presigned_put_to_s3(bench, collecting, monkeypatch):
    with S3() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        store = ObjectStore(s3.url("presigned"))
        found = collecting(store, presign=True, token="sesame-sesame")
        files = bench.files(3, BIG)
        for _, parts in files.names:
            del parts[1]
        url = f"http://127.0.0.1:{found.port}"
        result = bench.ship(files, url, token="sesame-sesame")
        again = bench.ship(files, url, token="sesame-sesame")
        for name, parts in files.names:
            device, session, file = parts[0][0].split("/")
            assert store.stored_sha256(store.place(device, session, file)) == parts[0][2], name
    assert result["events"] == again["events"] == files.acks
    assert result["status"]["bytes"] == 3 * BIG  # straight to the store, and once
    assert again["status"]["bytes"] < 3 * BIG
