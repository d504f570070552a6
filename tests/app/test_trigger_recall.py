"""The trigger on real recordings of a wrist: exercises and gestures, with the quiet of the same wrist in between.

An *event* is said without the trigger's own words: a run of frames in which some axis is `MOVES_G` or more away from
the mean of the second around it; pauses of less than a second belong to it. All of it must be stored, and `PRE_S`
before.
"""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.app.talk import motion_only, talk
from tests.app.test_trigger import stored
from tests.tools.micropython import HOW_TO_GET, ROOT, interpreter

RECORDINGS = ROOT.parent / "shared" / "data" / "imu"
QUIET = RECORDINGS / "2024-12-01T154417_other.npy"
pytestmark = [
    pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"]),
    pytest.mark.skipif(not QUIET.exists(), reason="the recordings lie in ../shared/data/imu, beside the clone"),
]
RATE = 104
COUNTS_PER_G = 16384  # the recordings are of an accelerometer of 2 g
MOVES_G = 0.25
PRE_S, HOLD_S = 1.0, 1.5
PAUSE_S = 36  # of quiet: a random piece begins within ten times its length


def quiet(n: int, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """n frames of a wrist at rest that turns slowly from one posture to the other, so that nothing jumps."""
    still = np.load(QUIET).astype(float)
    still -= still.mean(0)
    there_and_back = np.concatenate([still, still[::-1]])
    turned = np.linspace(0, 1, n)[:, None]
    return there_and_back[np.arange(n) % len(there_and_back)] + before + (after - before) * turned


def wrist(seed: int) -> np.ndarray:
    """All recordings but the quiet one, in an order by chance."""
    paths = [path for path in sorted(RECORDINGS.glob("*.npy")) if path != QUIET]
    np.random.default_rng(seed).shuffle(paths)
    moves = [np.load(path).astype(float) for path in paths]
    rows, posture = [], moves[0][:10].mean(0)
    for move in moves:
        rows += [quiet(PAUSE_S * RATE, posture, move[:10].mean(0)), move]
        posture = move[-10:].mean(0)
    rows.append(quiet(PAUSE_S * RATE, posture, posture))
    return np.concatenate(rows).round().clip(-32768, 32767).astype("<i2")


def events(recording: np.ndarray) -> list[tuple[int, int]]:
    """[(first frame, end)], see above."""
    window = np.ones(RATE) / RATE
    means = np.stack([np.convolve(axis, window, "same") for axis in recording.T.astype(float)], 1)
    moves = np.flatnonzero((np.abs(recording - means) >= MOVES_G * COUNTS_PER_G).any(1))
    moves = moves[(moves > RATE) & (moves < len(recording) - RATE)]  # the mean knows no second beyond the ends
    cuts = np.flatnonzero(np.diff(moves) >= RATE)
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(moves, cuts + 1)]


def record(folder: Path, recording: np.ndarray, kind: str, threshold: float, share: float) -> VirtualBoard:
    """A board that has recorded it."""
    np.save(folder / "wrist.npy", recording)
    trigger = {"kind": kind, "stream": "imu", "threshold": threshold, "pre_s": PRE_S, "hold_s": HOLD_S}
    schedule = {"trigger": trigger | {"random_share": share}, "duration_s": len(recording) / RATE * 0.97}
    config = motion_only(schedule=schedule)
    config["streams"]["imu"] |= {"measure": ["accel"], "accel_range_g": 2, "block_frames": 16, "ring_blocks": 24}
    board = VirtualBoard(world_for(config, clock="virtual", imu=folder / "wrist.npy"), folder / "board")
    board.install(config=config)
    asyncio.run(talk(board, [], 300))
    return board


@pytest.mark.parametrize(
    ("kind", "threshold", "seed"), [("level", 0.15, 1), pytest.param("rms", 0.08, 2, marks=pytest.mark.slow)]
)
def test_every_movement_is_stored_with_the_second_before_it(tmp_path, kind, threshold, seed):
    share = 0.3
    recording = wrist(seed)
    account, sidecars = stored(record(tmp_path, recording, kind, threshold, share))
    seen = account["expected"]
    found = [(first, end) for first, end in events(recording) if end + RATE < seen]
    assert len(found) >= 15, "each of the recordings has a movement at least"
    have = np.zeros(len(recording) + RATE, bool)
    for sidecar in sidecars:
        have[sidecar["end_frame"] - sidecar["frames"] : sidecar["end_frame"]] = True
    missed = [span for span in found if not have[span[0] - int(PRE_S * RATE) : span[1]].all()]
    assert not missed, f"{len(missed)} of {len(found)}"
    assert account["stored"] == have.sum() < 0.65 * seen, "the quiet is not stored"
    assert account["expected"] == account["stored"] + account["lost"]["sleep"]
    why = {sidecar["event"]["number"]: sidecar["event"]["why"] for sidecar in sidecars}
    triggered, random = [list(why.values()).count(what) for what in ("trigger", "random")]
    print(json.dumps({"events": len(found), "triggered": triggered, "random": random, "stored": have.sum() / seen}))
    assert random == pytest.approx(triggered * share / (1 - share), abs=1.5)
