"""The collector's MQTT front against a real Mosquitto: what arrives, what is answered, and what bad peers get."""

import asyncio
import hashlib
import json
import logging
from errno import EIO, ENOSPC

import aiomqtt
import pytest

from host import verify
from host.collector import Collector
from host.collector.mqtt import MqttFront
from host.collector.objects import Unavailable
from host.mqtt_broker import Broker
from tests.fleet.device import Device, message
from tests.fleet.proof import names_of
from tests.host import synthetic
from tests.host.collector_peer import digest, hidden, visible
from tests.tools import mosquitto

pytestmark = pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET)
DEVICE, SESSION = synthetic.DEVICE, synthetic.SESSION
FILES = synthetic.session_files()
IN_FLIGHT = 2


def names() -> dict[str, dict[str, bytes]]:
    return names_of(FILES)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto.Mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


class Peers:
    """A collector with an MQTT front, and a client beside it."""

    def __init__(self, collector, client, broker):
        self.collector, self.client, self.broker = collector, client, broker

    async def answer(self, payload: bytes, device: str = DEVICE) -> dict:
        """Publishes a data message. -> the acknowledgement"""
        await self.client.publish(f"motelog/{device}/data", payload, qos=1)
        async with asyncio.timeout(60):
            async for said in self.client.messages:
                return json.loads(said.payload)

    async def until(self, condition) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)


def with_front(root, broker, test, in_flight=16, **options):
    async def body():
        collector = Collector(root, **options)
        front = MqttFront(collector.ingest, Broker("127.0.0.1", broker.port), in_flight=in_flight)
        collector.add_front(front)
        port = await collector.start()
        peers = Peers(collector, None, broker)
        peers.front, peers.port = front, port
        try:
            await peers.until(lambda: front.status()["state"] == "connected")
            async with aiomqtt.Client("127.0.0.1", broker.port) as peers.client:
                await peers.client.subscribe("motelog/+/ack", qos=1)
                return await test(peers)
        finally:
            await collector.stop()

    return asyncio.run(asyncio.wait_for(body(), 180))


def test_a_session_arrives_and_verifies_and_a_second_delivery_is_recognised(tmp_path, broker):
    async def test(peers):
        first, again = (Device(DEVICE, broker.port, ack_s=120) for _ in range(2))  # each name is published once
        await first.ship(SESSION, names())
        await again.ship(SESSION, names())
        return first.acknowledged, again.acknowledged, peers.collector.status()

    first, again, status = with_front(tmp_path, broker, test)
    assert first == {(SESSION, name): [201] for name in names()}
    assert again == {(SESSION, name): [412] for name in names()}
    assert visible(tmp_path) == FILES and not hidden(tmp_path)
    assert verify.verify(tmp_path).ok
    device = status["devices"][DEVICE]
    assert (device["segments"], device["stored"], device["repeated"]) == (7, len(FILES), len(names()))
    assert device["via"]["mqtt"]["stored"] == len(FILES) and set(device["via"]) == {"mqtt"}


def test_any_mixture_of_transports_makes_one_data_set(tmp_path, broker):
    import aiohttp

    async def test(peers):
        async with aiohttp.ClientSession(f"http://127.0.0.1:{peers.port}") as web:
            async def put(file):
                headers = {"Content-Digest": digest(FILES[file])}
                async with web.put(f"/{DEVICE}/{SESSION}/{file}", data=FILES[file], headers=headers) as answer:
                    return answer.status

            parts = list(names().items())
            both = []
            for name, files in parts:  # both at once: whoever is second finds it there
                payload, _ = message(DEVICE, SESSION, name, files)
                both.append(await asyncio.gather(put(next(iter(files))), peers.answer(payload)))
            again = [await put(file) for file in FILES]
        return both, again

    both, again = with_front(tmp_path, broker, test)
    assert all(status in (201, 412) and said["status"] in (201, 412) for status, said in both)
    assert set(again) == {412}
    assert visible(tmp_path) == FILES and verify.verify(tmp_path).ok


NAME, SEGMENT = list(names().items())[1]
GOOD, _ = message(DEVICE, SESSION, NAME, SEGMENT)


def changed(**changes) -> bytes:
    line, _, body = GOOD.partition(b"\n")
    return json.dumps(json.loads(line) | changes).encode() + b"\n" + body


ALL = json.loads(GOOD.partition(b"\n")[0])["files"]


def listing(file=ALL[0][0], size=ALL[0][1], sha256=ALL[0][2]) -> list:
    return [file, size, sha256]


WRONG = {
    "another device's name": changed(name=f"other/{SESSION}/{NAME}"),
    "a name upwards": changed(name=f"{DEVICE}/../{NAME}"),
    "an absolute name": changed(name="/etc/passwd"),
    "a name of Windows": message(DEVICE, "con", "aux", {"aux.npy": b"x"})[0],
    "a NUL": message(DEVICE, SESSION, "x\0", {"x\0.npy": b"x"})[0],
    "a file upwards": changed(files=[listing("../../imu-000000.npy"), ALL[1]]),
    "another name's file": changed(files=[listing("imu-000001.npy"), ALL[1]]),
    "no files": changed(files=[]),
    "files that are none": changed(files=[1, None]),
    "too many files": changed(files=[["imu-000000.npy", 0, "0" * 64]] * 17),
    "one size too small": changed(files=[listing(size=100), ALL[1]]),
    "a size below zero": changed(files=[listing(size=-1), ALL[1]]),
    "a size that is none": changed(files=[listing(size=True), ALL[1]]),
    "a size beyond all": changed(files=[listing(size=10**30), ALL[1]]),
    "no hash": changed(files=[listing(sha256="x"), ALL[1]]),
    "another hash": changed(files=[listing(sha256="0" * 64), ALL[1]]),
    "a truncated body": GOOD[:-1],
    "a longer body": GOOD + b"x",
    "an ending that is not stored": message(DEVICE, SESSION, "x.exe", {"x.exe": b"x"})[0],
}
UNANSWERABLE = [b"", b"\n", b"{}\n", b"[]\n", b'{"name": 1}\n', b"garbage", b"x" * 5000, b"[" * 4000 + b"\n", b"\xff\n"]


def test_wrong_messages_are_refused_by_their_hash_and_store_nothing(tmp_path, broker, caplog):
    caplog.set_level(logging.WARNING)

    async def test(peers):
        for what, payload in WRONG.items():
            for _ in range(3):
                said = await peers.answer(payload)
                assert said["status"] == 400, (what, said)
                assert said["sha256"] == hashlib.sha256(payload.partition(b"\n")[0]).hexdigest()
        for payload in UNANSWERABLE:
            await peers.client.publish(f"motelog/{DEVICE}/data", payload, qos=1)
        for topic in (f"motelog/{'x' * 65}/data", "motelog/con/data", "motelog/../data", "motelog//data"):
            await peers.client.publish(topic, GOOD, qos=1)
        await peers.client.publish(f"motelog/{DEVICE}/data", GOOD, qos=0)
        assert not visible(tmp_path)
        said = await peers.answer(GOOD)
        assert said["status"] == 201
        return peers.collector.status()

    status = with_front(tmp_path / "deep" / "root", broker, test)
    assert set(status["devices"]) == {DEVICE}
    assert status["devices"][DEVICE]["refused"] == 3 * len(WRONG) + len(UNANSWERABLE)
    assert visible(tmp_path / "deep" / "root") == SEGMENT
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    told = [record.getMessage() for record in caplog.records if "said once" in record.getMessage()]
    assert len(told) == len(set(told)) < 2 * len(WRONG)


def test_other_bytes_are_a_conflict_and_too_large_is_said(tmp_path, broker):
    async def test(peers):
        assert (await peers.answer(GOOD))["status"] == 201
        other = {file: content + b" " for file, content in SEGMENT.items()}
        assert (await peers.answer(message(DEVICE, SESSION, NAME, other)[0]))["status"] == 409
        large = message(DEVICE, SESSION, "x", {"x.npy": bytes(20_001)})[0]
        assert (await peers.answer(large))["status"] == 413
        sidecar_only = message(DEVICE, SESSION, "imu-000001", {"imu-000001.json": FILES["imu-000001.json"]})[0]
        assert (await peers.answer(sidecar_only))["status"] == 424

    with_front(tmp_path, broker, test, max_bytes=20_000)
    assert visible(tmp_path) == SEGMENT


def test_what_is_wrong_here_is_not_blamed_on_the_board(tmp_path, broker, monkeypatch, caplog):
    failures = [(OSError(ENOSPC, "full"), 507), (OSError(EIO, "Input/output error"), 500), (Unavailable("gone"), 503)]

    async def test(peers):
        for failure, status in failures:
            with monkeypatch.context() as patch:
                patch.setattr(peers.collector.store, "publish", lambda _, error=failure: (_ for _ in ()).throw(error))
                assert (await peers.answer(GOOD))["status"] == status
        with monkeypatch.context() as patch:  # a defect: no answer, and no place lost
            patch.setattr(peers.collector.store, "publish", None)
            for _ in range(2 * IN_FLIGHT):
                await peers.client.publish(f"motelog/{DEVICE}/data", GOOD, qos=1)
            await peers.until(lambda: caplog.text.count("a message of 'wrist-01'") == 2 * IN_FLIGHT)
        assert (await peers.answer(GOOD))["status"] == 201

    with_front(tmp_path, broker, test, in_flight=IN_FLIGHT)
    assert visible(tmp_path) == SEGMENT and not hidden(tmp_path)


def test_the_boards_own_status_and_last_will_are_shown(tmp_path, broker):
    async def test(peers):
        devices = peers.collector.ingest.devices
        await peers.client.publish(f"motelog/{DEVICE}/status", b'{"state": "recording"}', qos=1, retain=True)
        await peers.until(lambda: devices[DEVICE].reported == {"state": "recording"})
        for bad in (b"x", b"[]", b"{" * 20_000, b"\xff"):
            await peers.client.publish(f"motelog/{DEVICE}/status", bad, qos=1)
        await peers.client.publish("motelog/con/status", b"{}", qos=1)
        await peers.client.publish(f"motelog/{DEVICE}/status", b'{"state": "offline"}', qos=1, retain=True)
        await peers.until(lambda: devices[DEVICE].reported == {"state": "offline"})
        await peers.client.publish(f"motelog/{DEVICE}/status", b"", qos=1, retain=True)  # nothing for other tests
        return peers.collector.status()["devices"]

    assert set(with_front(tmp_path, broker, test)) == {DEVICE}


def test_a_broker_that_goes_away_is_named_and_found_again(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()

    async def test(peers):
        peers.broker.kill()
        await peers.until(lambda: peers.front.status()["state"] == "connecting")
        assert peers.front.status()["why"]
        peers.broker.start()
        await peers.until(lambda: peers.front.status()["state"] == "connected")
        device = Device(DEVICE, peers.broker.port)
        await device.ship(SESSION, names())
        return device.acknowledged

    with mosquitto.Mosquitto(folder) as own:
        assert with_front(tmp_path / "out", own, test) == {(SESSION, name): [201] for name in names()}


def test_the_broker_is_told_only_when_the_data_is_stored_and_so_holds_back_the_rest(tmp_path, broker):
    async def test(peers):
        ingest, arrived, go_on = peers.collector.ingest, [], asyncio.Event()
        deliver = ingest.deliver

        async def slowly(*delivery):
            arrived.append(delivery)
            await go_on.wait()
            return await deliver(*delivery)

        ingest.deliver = slowly
        for name, files in names().items():
            await peers.client.publish(f"motelog/{DEVICE}/data", message(DEVICE, SESSION, name, files)[0], qos=1)
        await peers.until(lambda: len(arrived) == IN_FLIGHT)
        await peers.client.publish("motelog/another/status", b'{"state": "idle"}', qos=1)
        await peers.until(lambda: "another" in peers.collector.status()["devices"])  # one more would have come before
        assert len(arrived) == IN_FLIGHT == peers.front.status()["in_flight"]
        go_on.set()
        await peers.until(lambda: len(visible(tmp_path)) == len(FILES))

    with_front(tmp_path, broker, test, in_flight=IN_FLIGHT)
