"""The virtual board, a real Mosquitto and the collector: recorded, shipped over MQTT, verified; and a command."""

import asyncio
import json
from pathlib import Path

import pytest

from host import command, verify
from host.collector import Collector
from host.collector.mqtt import MqttFront
from host.mqtt_broker import Broker
from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.tools import mosquitto
from tests.tools.micropython import HOW_TO_GET, interpreter

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "virtual.json"
pytestmark = [
    pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET),
    pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"]),
]


async def record(folder: Path, port: int) -> tuple[dict, dict, VirtualBoard]:
    """-> (the answer to a command, the collector's status, the board)"""
    config = json.loads(EXAMPLE.read_text())
    config["schedule"] = {"duration_s": 8}
    config["upload"] = {"mqtt": {"url": f"mqtt://127.0.0.1:{port}", "status_s": 1}, "interval_s": 1}
    for name, frames in {"imu": 256, "mic": 16384}.items():
        config["streams"][name]["segment_frames"] = frames
    config["streams"]["mic"]["ibuf_bytes"] = 100_000  # a busy machine is no slow board
    collector, broker = Collector(folder / "out"), Broker("127.0.0.1", port)
    collector.add_front(MqttFront(collector.ingest, broker))
    await collector.start(port=None)
    board = VirtualBoard(world_for(config, clock="real"), folder / "board", heap_kb=768)  # what fits: elsewhere
    board.install(config=config)
    said = None
    try:
        await board.start()
        async for _ in board.lines():
            if said is None and board.status.get("state") == "recording":
                said = asyncio.create_task(command.send(broker, config["device"], "label walking", 120))
        assert await board.wait() == 0, "\n".join(board.log)
        async with asyncio.timeout(120):  # the broker has the last words; the collector gets them
            while collector.status()["devices"][config["device"]]["reported"]["state"] == "recording":
                await asyncio.sleep(0.02)
            return await said, collector.status(), board
    finally:
        await board.kill()
        await collector.stop()


def test_a_recording_arrives_over_mqtt_and_verifies(tmp_path):
    (tmp_path / "broker").mkdir()
    with mosquitto.Mosquitto(tmp_path / "broker") as broker:
        said, status, board = asyncio.run(asyncio.wait_for(record(tmp_path, broker.port), 300))
    assert said["ok"] is True, said
    (device,) = status["devices"].values()
    assert device["via"]["mqtt"]["stored"] == device["stored"] > 8 and device["refused"] == 0
    assert device["reported"]["state"] not in ("recording", None)
    report = verify.verify(tmp_path / "out")
    assert report.ok, [finding for finding in report.findings if finding.level == "error"]
    assert {stream["state"] for stream in report.streams} == {"complete"}
    assert all(stream["stored"] == stream["expected"] > 0 for stream in report.streams), report.streams
