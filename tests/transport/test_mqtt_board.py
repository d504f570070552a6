"""A whole virtual board that records and ships by MQTT through a real Mosquitto."""

import asyncio
import json

import pytest

from host.virtual import VirtualBoard
from host.virtual.world import world_for
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
    config["streams"]["mic"]["segment_frames"] = 32768
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
            collector.wait_for(lambda: collector.states[-1] == "done")
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
            collector.wait_for(lambda: collector.states[-1] == "restarting")
    assert collector.replies == [{"id": 1, "ok": True, "text": "the board starts anew"}]
    assert "offline" not in collector.states


def reboot(collector):
    collector.wait_for(lambda: "recording" in collector.states)
    collector.command(b'{"id": 1, "do": "reboot"}')


async def run(board, meanwhile=None):
    await board.start()
    try:
        if meanwhile:
            await asyncio.to_thread(meanwhile)
        return await asyncio.wait_for(board.wait(), 60)
    finally:
        await board.kill()
