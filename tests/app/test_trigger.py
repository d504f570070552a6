"""Events in real recordings are captured with what was before them, and what is not stored is in the ledger."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.app.talk import motion_only, sessions, talk
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
RATE = 104
PRE_S, HOLD_S = 1.0, 1.5


def rig(folder: Path, events: list[np.ndarray], quiet_s: float, kind: str, share: float) -> tuple[VirtualBoard, list]:
    """A board whose sensor plays the events with quiet, slightly noisy rests in between. -> (board, [(first, end)])"""
    chance = np.random.default_rng(len(events))
    rows, spans = [], []
    for event in events:
        rows.append(chance.integers(-40, 40, (int(quiet_s * RATE), 3)) + [0, 0, 8192])
        first = sum(map(len, rows))
        rows.append(event)
        spans.append((first, first + len(event)))
    rows.append(chance.integers(-40, 40, (int(quiet_s * RATE), 3)) + [0, 0, 8192])
    recording = np.concatenate(rows).clip(-32768, 32767).astype("<i2")
    np.save(folder / "motion.npy", recording)
    seconds = len(recording) / RATE
    trigger = {"kind": kind, "stream": "imu", "threshold": 0.25, "pre_s": PRE_S, "hold_s": HOLD_S}
    trigger["random_share"] = share
    config = motion_only(schedule={"trigger": trigger, "duration_s": seconds * 0.97})
    config["streams"]["imu"] |= {"measure": ["accel"], "block_frames": 16, "ring_blocks": 24}
    world = world_for(config, clock="virtual", imu=folder / "motion.npy")
    board = VirtualBoard(world, folder / "board")
    board.install(config=config)
    board.config = config
    return board, [recording, spans]


def shakes(n: int, seed: int) -> list[np.ndarray]:
    """Movements of 0.5 to 2 s, up to 1 g, of an accelerometer of 4 g."""
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        t = np.arange(int(chance.uniform(0.5, 2) * RATE)) / RATE
        wave = np.sin(2 * np.pi * chance.uniform(1.5, 5) * t)[:, None] * chance.uniform(4000, 8000, 3)
        made.append(wave + [0, 0, 8192])
    return made


def stored(board: VirtualBoard) -> tuple[dict, list[dict]]:
    """-> (the stream's account, its sidecars in order)."""
    (files,) = sessions(board.files()).values()
    found = [json.loads(files[name]) for name in sorted(files) if name.startswith("imu-") and name.endswith(".json")]
    return json.loads(files["ledger.json"])["streams"]["imu"], found


@pytest.mark.parametrize("kind", ["level", "rms"])
def test_every_event_with_its_time_before(tmp_path, kind):
    board, (recording, spans) = rig(tmp_path, shakes(6, 3), 8, kind, 0)
    asyncio.run(talk(board, []))
    account, sidecars = stored(board)
    assert account["expected"] == account["stored"] + sum(account["lost"].values())
    assert set(account["lost"]) == {"sleep"} and account["stored"] < 0.7 * account["expected"]
    have = np.zeros(len(recording) + 1000, bool)
    for sidecar in sidecars:
        have[sidecar["end_frame"] - sidecar["frames"] : sidecar["end_frame"]] = True
        assert sidecar["event"]["why"] == "trigger"
    for first, end in spans:
        assert have[first - int(PRE_S * RATE) : end].all(), (first, end)
    assert [n for n in sorted({sidecar["event"]["number"] for sidecar in sidecars})] == list(range(1, len(spans) + 1))


def test_a_board_that_sleeps_between_windows_stays_awake_for_its_trigger(tmp_path):
    board, _ = rig(tmp_path, shakes(2, 4), 5, "level", 0)
    config = json.loads(json.dumps(board.config))
    window = {"from": "00:00", "to": "24:00", "record_s": 12, "sleep_s": 30}
    config["schedule"] |= {"duration_s": None, "windows": [window], "sleep": "light"}
    board.world["rtc"] = 1796083200  # midnight
    board.install(config=config)
    said = asyncio.run(talk(board, [(lambda s: s.get("state") == "sleeping", "exit")]))
    assert said[-1]["state"] == "done"
    account, _ = stored(board)
    assert account["expected"] == account["stored"] + sum(account["lost"].values())


def test_the_share_of_pieces_without_an_event(tmp_path):
    board, _ = rig(tmp_path, shakes(12, 5), 45, "level", 0.5)
    asyncio.run(talk(board, [], 600))
    account, sidecars = stored(board)
    assert account["expected"] == account["stored"] + sum(account["lost"].values())
    why = {sidecar["event"]["number"]: sidecar["event"]["why"] for sidecar in sidecars}
    events, negatives = [list(why.values()).count(what) for what in ("trigger", "random")]
    assert events >= 12 and abs(negatives - events) <= 2, why
