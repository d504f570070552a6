"""A whole virtual board records motion and sound while its link to the collector breaks again and again: every frame
of the recordings is in the data set, and no ring overflowed.
"""

import asyncio
import json

import pytest

from host import verify
from host.virtual import VirtualBoard
from tests.chaos.collector import TOKEN, Receiver
from tests.chaos.wire import Chance, Cut, Wire
from tests.spine.rig import Rig, sessions
from tests.tools import mosquitto
from tests.tools.board_libs import board_libs
from tests.tools.micropython import HOW_TO_GET, interpreter
from tests.tools.mosquitto import Mosquitto

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
SECONDS = 6
HOWS = ("reset", "close", 0.3)
FAULTS = [Cut("up", 4), Cut("up", 5, "before", "close"), Cut("down", 4, "before"), Cut("up", 6, "last")]  # at first


def prepared(folder) -> Rig:
    rig = Rig(folder, seconds=SECONDS, clock="real")
    rig.config["streams"]["imu"]["segment_frames"] = 64
    rig.config["streams"]["mic"]["segment_frames"] = 4096
    return rig


def breaking(port: int, speaks: str, seed: int) -> Wire:
    return Wire(port, speaks, FAULTS, default=Chance(seed, 0.05, HOWS))


def every_frame_arrived(rig: Rig, wire: Wire) -> None:
    status = rig.board.status["upload"]
    assert {fault for fault, _ in wire.hits} >= set(FAULTS) and status["failures"] >= 3 and not status["conflicts"]
    (session,) = sessions(rig.out)
    for name, account in rig.check(session).items():
        assert account["expected"] == account["stored"] > 0 and not account["lost"], (name, account)
    assert verify.verify(rig.out).ok


def test_https(tmp_path, authority):
    rig = prepared(tmp_path)
    with Receiver(rig.out, authority) as receiver, breaking(receiver.port, "tls", 1) as wire:
        rig.token = TOKEN
        wire.url, wire.ca = f"https://127.0.0.1:{wire.port}", authority.der.read_bytes()
        rig.make(wire)
        assert asyncio.run(rig.run()) == 0, rig.board.log
    every_frame_arrived(rig, wire)


@pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET)
def test_mqtt(tmp_path, authority):
    board_libs("umqtt/robust")
    rig = prepared(tmp_path)
    with Mosquitto(tmp_path / "broker") as broker, Receiver(rig.out, authority, broker.port), \
            breaking(broker.port, "mqtt", 2) as wire:  # fmt: skip
        rig.config["upload"] = {"mqtt": {"url": f"mqtt://127.0.0.1:{wire.port}"}, "interval_s": 1}
        rig.board = VirtualBoard(rig.world, tmp_path / "board")
        rig.board.install(config=rig.config)
        assert asyncio.run(rig.run()) == 0, "\n".join(rig.board.log) + json.dumps(rig.board.status)
    every_frame_arrived(rig, wire)
