"""Recording in light sleep, on the virtual board: nothing is lost, and the board is seldom awake."""

import asyncio
import json

import numpy as np
import pytest

from host.virtual import VirtualBoard
from tests.spine import rig

PROGRAM = """
import asyncio
from app import main, status
from app.doze import Doze
from app.guard import Boots
from app.power import Power

async def record(board):
    board.begin_session(by_hand=False)
    doze = Doze(board.power, board.streams, 300)
    while board.session.seconds() < SECONDS:
        left = SECONDS - board.session.seconds()
        await doze.rest(max(1, int(left * 1000)))
    await board.session.end("duration")
    print("@" + __import__("json").dumps({"seconds": board.session.seconds(), "failure": board.session.failure}))

def run():
    board = main._board(Boots(), 0)
    board.power = Power({}, board.clock, status.log)
    asyncio.run(record(board))
"""
IMU = {"driver": "lsm6dsox", "bus": "i2c0", "address": 106, "accel_range_g": 4, "gyro_range_dps": 500, "measure": None}


@pytest.mark.parametrize(("rate_hz", "awake_share", "ratio"), [(26, 0.02, 1.07), (104, 0.06, 1.07), (208, 0.15, 0.97)])
def test_sensors_fill_their_fifos_while_the_board_sleeps(tmp_path, rate_hz, awake_share, ratio):
    seconds = 120
    recording = rig.motion(tmp_path / "rec.npy", 1237, 6)
    imu = IMU | {"rate_hz": rate_hz, "block_frames": 32, "ring_blocks": 8, "segment_frames": 4096}
    bus = {"kind": "i2c", "id": 0, "scl": 22, "sda": 21}
    config = {"version": 1, "device": "d", "board": "virtual", "buses": {"i2c0": bus}, "streams": {"imu": imu}}
    chip = {"chip": "lsm6dsox", "address": 106, "source": {"file": str(tmp_path / "rec.npy")}, "rate_ratio": ratio}
    flash = {"size_kb": 2048, "erase_us": 300000}
    world = {"clock": "virtual", "rtc": 1800000000, "main": "program", "flash": flash, "i2c": {"0": [chip]}}
    board = VirtualBoard(world, tmp_path / "board")
    program = PROGRAM.replace("SECONDS", str(seconds)).encode()
    board.install(config=config, files={"/program.py": program})

    async def main():
        await board.start()
        return await board.wait()

    assert asyncio.run(asyncio.wait_for(main(), 600)) == 0, "\n".join(board.log)
    assert board.status["failure"] is None and seconds <= board.status["seconds"] < seconds + 1
    session = _session(board, tmp_path / "out")
    account = rig.check_stream(session, "imu", recording)
    assert account["lost"] == {} and account["expected"] == pytest.approx(seconds * rate_hz * ratio, abs=rate_hz)
    counters = board.counters()
    busy = counters["awake_s"] - 0.3 * counters["flash_erases"]  # what the model's flash stalls is not ours to save
    assert busy < awake_share * seconds and counters["light_s"] > 0.6 * seconds, counters
    sidecar = rig.sidecars(session, "imu")[-1]
    assert sidecar["rate_measured_hz"] == pytest.approx(rate_hz * ratio, rel=0.003)
    assert np.diff([anchor[1] for anchor in sidecar["anchors"]]).min() > 0


def _session(board, out):
    """The session's files, flat, as they are on the laptop."""
    for name, content in board.files().items():
        if name.startswith("/data/d/0"):
            _, _, _, session, *_, file = name.split("/")
            (out / session).mkdir(parents=True, exist_ok=True)
            (out / session / file).write_bytes(content)
    (session,) = out.iterdir()
    assert json.loads((session / "ledger.json").read_text())["reason"] == "duration"
    return session
