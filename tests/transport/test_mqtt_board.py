"""A whole virtual board that records and ships by MQTT through a real Mosquitto."""

import asyncio
import json

import aiomqtt
import pytest

from host import verify
from host.collector import Collector
from host.collector.mqtt import MqttFront
from host.mqtt_broker import Broker
from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.app.talk import patience
from tests.app.test_flat_heap import EXAMPLE
from tests.tools import mosquitto
from tests.tools.board_libs import board_libs
from tests.tools.micropython import HOW_TO_GET, interpreter
from tests.tools.mosquitto import Mosquitto
from tests.transport.peer_collector import PeerCollector

PASSWORD = "correct horse"
needs_board = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
needs_broker = pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET)


def settings(url, seconds, **mqtt):
    """The example with short segments, by MQTT."""
    config = json.loads(EXAMPLE.read_text())
    config["schedule"] = {"duration_s": seconds}
    config["upload"] = {"mqtt": {"url": url, **mqtt}, "interval_s": 1}
    config["streams"]["imu"]["segment_frames"] = 256
    config["streams"]["mic"] |= {"segment_frames": 32768, "ibuf_bytes": 100_000}  # a busy machine is no slow board
    return config


@needs_board
@needs_broker
def test_a_recording_arrives(tmp_path):
    board_libs("umqtt/robust")
    with Mosquitto(tmp_path / "broker", users={"wrist": PASSWORD, "c": PASSWORD}) as broker:
        config = settings(broker.url, 8, user="wrist")
        device = f"motelog/{config['device']}/"
        with PeerCollector(broker.port, device, username="c", password=PASSWORD) as collector:
            board = VirtualBoard(world_for(config), tmp_path / "board")
            board.install(config=config, secrets={"mqtt_password": PASSWORD})
            assert asyncio.run(run(board)) == 0, "\n".join(board.log)
            collector.wait_for(lambda: collector.states[-1:] == ["done"])
    ledgers = [json.loads(content) for name, content in collector.stored.items() if name.endswith("ledger.json")]
    assert len(ledgers) == 1 and ledgers[0]["streams"].keys() == config["streams"].keys()
    for stream, account in ledgers[0]["streams"].items():
        assert account["expected"] == account["stored"] > 0 and account["lost"] == {}
        names = [name for name in collector.stored if name.rsplit("/", 1)[1].startswith(stream + "-")]
        assert len(names) == account["segments"] > 2
    assert set(collector.count.values()) == {1}
    assert collector.states[0] == "recording" and collector.states[-1] == "done" and "offline" not in collector.states
    assert board.status["upload"]["conflicts"] == board.status["upload"]["failures"] == 0


@needs_board
@needs_broker
def test_a_reboot_says_so_and_answers_first(tmp_path):
    board_libs("umqtt/robust")
    with Mosquitto(tmp_path / "broker") as broker:
        config = settings(broker.url, 600)
        with PeerCollector(broker.port, f"motelog/{config['device']}/") as collector:
            board = VirtualBoard(world_for(config), tmp_path / "board")
            board.install(config=config)
            assert asyncio.run(run(board, lambda: reboot(collector))) == 70, "\n".join(board.log)
            collector.wait_for(lambda: collector.states[-1:] == ["restarting"])
    assert collector.replies == [{"id": 1, "ok": True, "text": "the board starts anew"}]
    assert "offline" not in collector.states


@needs_board
@needs_broker
@pytest.mark.parametrize("sleep", ["deep", "light"])
def test_a_board_that_sleeps_says_so_and_the_broker_keeps_it(tmp_path, sleep):
    """The goodbye is out before the radio is off: not the last will."""
    board_libs("umqtt/robust")
    with Mosquitto(tmp_path / "broker") as broker:
        config = settings(broker.url, None)
        config["schedule"] = {
            "windows": [{"from": "00:00", "to": "24:00", "record_s": 6, "sleep_s": 54}], "sleep": sleep,
        }  # fmt: skip
        device = f"motelog/{config['device']}/"
        world = world_for(config, clock="virtual") | {"rtc": 1_800_000_000, "reboots": True, "port": "esp32"}
        board = VirtualBoard(world, tmp_path / "board")
        board.install(config=config)
        with PeerCollector(broker.port, device) as collector:
            asyncio.run(asyncio.wait_for(until_asleep(board, 2), 300))
            collector.wait_for(lambda: collector.states.count("sleeping") == 2)
            assert collector.states[-1] == "sleeping" and "offline" not in collector.states
            assert len([name for name in collector.stored if name.endswith("ledger.json")]) == 2
        with PeerCollector(broker.port, device) as later:
            later.wait_for(lambda: later.states == ["sleeping"])


@needs_board
@needs_broker
def test_a_board_that_was_stopped_is_not_called_sleeping(tmp_path):
    """It stays awake and connected for the next `start`, also with sleep configured."""
    board_libs("umqtt/robust")
    with Mosquitto(tmp_path / "broker") as broker:
        config = settings(broker.url, None)
        config["schedule"] = {
            "windows": [{"from": "00:00", "to": "24:00", "record_s": 43200, "sleep_s": 60}], "sleep": "light",
        }  # fmt: skip
        board = VirtualBoard(world_for(config, clock="virtual") | {"rtc": 1_800_000_000}, tmp_path / "board")
        board.install(config=config)
        with PeerCollector(broker.port, f"motelog/{config['device']}/") as collector:
            asyncio.run(asyncio.wait_for(until_shipped_after_stop(board, collector), 120))
            assert "sleeping" not in collector.states


async def until_shipped_after_stop(board, collector):
    """Until a `stop` is followed by the session's ledger and the word that the board is idle."""
    await board.start()
    has_stopped = False
    try:
        async for line in board.lines():
            status = json.loads(line[1:]) if line.startswith("@") else {}
            if status.get("state") == "recording" and not has_stopped:
                has_stopped = True
                await board.type("stop")
            has_ledger = any(name.endswith("ledger.json") for name in [*collector.stored])
            if has_ledger and collector.states[-1:] == ["idle"]:
                return
    finally:
        await board.kill()


async def until_asleep(board, times):
    """Until it says so that often: there it waits for an answer, and so does its time, until its power is cut."""
    with patience(board) as answer:
        await board.start()
        try:
            async for line in board.lines():
                status = json.loads(line[1:]) if line.startswith("@") else {}
                times -= status.get("state") == "sleeping"
                if not times:
                    return
                if status and "exit" not in status:  # those are the port's own
                    answer()
        finally:
            await board.kill()


@needs_board
@needs_broker
def test_small_segments_travel_in_bundles(tmp_path):
    """Through the real collector: each member a file of its own, acknowledged together."""
    board_libs("umqtt/robust")
    board_libs("zipfile")
    with Mosquitto(tmp_path / "broker") as broker:
        config = settings(broker.url, 8)
        config["upload"] |= {"bundle": "stored", "interval_s": 600}  # at the end, all at once
        config["streams"] = {"imu": config["streams"]["imu"] | {"segment_frames": 64}}
        board = VirtualBoard(world_for(config), tmp_path / "board")
        board.install(config=config)
        code, names = asyncio.run(collected(board, broker, tmp_path / "out", config["device"]))
        assert code == 0, "\n".join(board.log)
    assert board.status["upload"]["conflicts"] == board.status["upload"]["failures"] == 0
    assert board.status["spool"]["pending_segments"] == 0
    bundles = [name for name in names if "/bundle-imu-" in name]
    assert bundles and len(names) == len(set(names)) < 10  # 16 segments went in these
    report = verify.verify(tmp_path / "out")
    assert report.ok and not report.findings and report.streams[0]["stored"] > 700
    assert len(list((tmp_path / "out").rglob("imu-*.npy"))) > 10 and not list((tmp_path / "out").rglob("*.zip"))


async def collected(board, broker, out, device):
    """The board's program beside a collector. -> its exit code, names in the order in which they were sent."""
    collector = Collector(out)
    front = MqttFront(collector.ingest, Broker("127.0.0.1", broker.port))
    collector.add_front(front)
    await collector.start()
    names = []
    try:
        while front.status()["state"] != "connected":
            await asyncio.sleep(0.02)
        async with aiomqtt.Client("127.0.0.1", broker.port) as watcher:
            await watcher.subscribe(f"motelog/{device}/data", qos=1)
            code = await run(board)
            await watcher.publish(f"motelog/{device}/data", b"the end", qos=1)
            async for message in watcher.messages:
                if message.payload == b"the end":
                    return code, names
                names.append(json.loads(message.payload.split(b"\n", 1)[0])["name"])
    finally:
        await collector.stop()


def reboot(collector):
    collector.wait_for(lambda: "recording" in collector.states)
    collector.command(b'{"id": 1, "do": "reboot"}')


async def run(board, meanwhile=None):
    await board.start()
    try:
        if meanwhile:
            await asyncio.to_thread(meanwhile)
        return await asyncio.wait_for(board.wait(), 300)
    finally:
        await board.kill()
