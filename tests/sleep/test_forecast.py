"""The planner's forecast against the counters of a simulated board that sleeps between recordings."""

import json
from unittest import mock

import numpy as np
import pytest

from config.board_model import board as facts_of
from host.check import verdict
from host.planner import plan
from host.planner.figures import DAY_S, MOVES_S
from host.planner.plan import Plan
from tests.sleep import days
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
WITHIN = 0.1


def forecast_of(board: days.Days) -> Plan:
    """Of its configuration, with the flash of its world."""
    facts = facts_of("virtual")
    erase_ms = dict.fromkeys(("low", "typical", "high"), board.board.world["flash"]["erase_us"] / 1000)
    erase = facts.figures.erase_ms.model_copy(update=erase_ms)
    facts = facts.model_copy(update={"figures": facts.figures.model_copy(update={"erase_ms": erase})})
    with mock.patch("host.planner.plan.board", lambda name: facts):
        return plan(verdict(json.dumps(board.config).encode())[0])


def forecast_and_count(board: days.Days) -> dict[str, tuple[float, float]]:
    """{what: (forecast, counted)} for the time that the board has run: as many days as it made recordings."""
    counted = board.board.counters()
    forecast = forecast_of(board)
    ran = len(board.began) / forecast.duty.recordings  # days
    arrived = sum(1 for name in board.arrived() if name.endswith("session.json"))  # recordings
    share = arrived / forecast.duty.recordings
    needs = forecast.ways[forecast.used[0]]
    uploads = round(forecast.duty.uploads * share)  # whole ones, in so short a time
    joining = (needs.connect_s.typical + needs.tls_s.typical) * uploads / forecast.duty.uploads
    bare = forecast.files.stored / needs.wire_bytes  # the simulation's collector takes files without HTTP around them
    seconds = sum(counted[name] for name in ("awake_s", "light_s", "deep_s"))
    return {
        "seconds": (ran * DAY_S, seconds),
        "awake_s": (forecast.duty.awake_s * ran, counted["awake_s"]),
        "light_s": (forecast.duty.light_s * ran, counted["light_s"]),
        "deep_s": (forecast.duty.deep_s * ran, counted["deep_s"]),
        "wakeups": (forecast.duty.wakeups * ran, counted["wakeups"]),
        "programmed bytes": (forecast.files.programmed * ran, counted["flash_program_bytes"]),
        "erases": (forecast.files.erases * ran, counted["flash_erases"]),
        "sent bytes": (forecast.files.stored * share, counted["sent_bytes"]),
        "radio_s": (joining + needs.transfer_s.typical * bare * share, counted["radio_s"]),
    }


def check(found: dict[str, tuple[float, float]], within: float = WITHIN) -> None:
    """All of it within so much."""
    off = {what: forecast / counted - 1 for what, (forecast, counted) in found.items() if counted or forecast}
    print({what: f"{deviation:+.1%}" for what, deviation in off.items()})
    few = 1 / found["wakeups"][1]  # one more or less
    assert all(abs(part) <= (within + few if what == "wakeups" else within) for what, part in off.items()), found


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("hours", "rate_hz", "record_s", "sleep_s", "upload_every_s", "segment_frames"),
    [
        (2, 26, 60, 540, 3000, 8192),
        pytest.param(2, 12.5, 30, 570, 3600, 8192, marks=SLOW),
        (1, 52, 10, 110, 900, 512),
        pytest.param(2, 52, 120, 480, 3600, 2048, marks=SLOW),
        pytest.param(2, 104, 30, 270, 1800, 8192, marks=SLOW),
        pytest.param(3, 104, 300, 900, 3600, 4096, marks=SLOW),
        pytest.param(2, 208, 45, 555, 3600, 8192, marks=SLOW),
        pytest.param(4, 26, 600, 1200, 3600, 8192, marks=SLOW),
        pytest.param(24, 26, 60, 540, 6 * 3600, 8192, marks=SLOW),
    ],
)
def test_forecast_and_counters(tmp_path, hours, rate_hz, record_s, sleep_s, upload_every_s, segment_frames):
    config = days.config(rate_hz=rate_hz, record_s=record_s, sleep_s=sleep_s, max_latency_s=upload_every_s)
    config["streams"]["imu"]["segment_frames"] = segment_frames
    board = days.Days(tmp_path, config)
    board.run(hours * 3600)
    assert len(board.began) >= hours * 3600 // (record_s + sleep_s) and board.board.counters()["radio_s"]
    check(forecast_and_count(board))


SOURCE_HZ = 52
PER_G = 8192


def moving(moves: int, every_s: int) -> np.ndarray:
    """So many movements, each as long as the planner supposes, one at the beginning of every `every_s` seconds."""
    t = np.arange(every_s * SOURCE_HZ) / SOURCE_HZ - 5
    shake = np.where((t >= 0) & (t < MOVES_S.typical), 0.7 * PER_G * np.sin(2 * np.pi * 3 * t), 0)
    rest = np.zeros_like(t)
    return np.tile(np.stack([shake, rest, rest + PER_G, rest, rest, rest], axis=1), (moves, 1)).round().astype("<i2")


@pytest.mark.parametrize(
    ("moves", "every_s", "hold_s"),
    [(10, 240, 20), pytest.param(20, 300, 10, marks=SLOW), pytest.param(6, 1800, 60, marks=SLOW)],
)
def test_forecast_and_counters_of_a_board_that_motion_wakes(tmp_path, moves, every_s, hold_s):
    """How often it moves, and for how long, is given to both: what is compared is the planner's arithmetic."""
    np.save(tmp_path / "moves.npy", moving(moves, every_s))
    config = days.config(rate_hz=52) | {"upload": None}
    trigger = {"kind": "motion", "stream": "imu", "threshold_g": 0.1, "hold_s": hold_s}
    config["schedule"] = {"trigger": trigger | {"events_per_day": DAY_S / every_s}, "sleep": "deep"}
    config["streams"]["imu"] |= {"int_pin": 7, "segment_frames": 2048}
    source = {"file": str(tmp_path / "moves.npy"), "rate_hz": SOURCE_HZ}
    chip = {"chip": "lsm6dsox", "address": 106, "int_pin": 7, "source": source, "rate_ratio": 1.01}
    board = days.Days(tmp_path / "board", config, {"i2c": {"0": [chip | {"motion": {"counts_per_g": PER_G}}]}})
    board.run((moves - 1) * every_s)  # and the sleep behind the last one, which the next one ends
    forecast, counted = forecast_of(board), board.board.counters()
    ran = moves * every_s / DAY_S
    found = {name: (getattr(forecast.duty, name) * ran, counted[name]) for name in ("awake_s", "light_s", "deep_s")}
    found["recordings"] = (forecast.duty.recordings * ran, len(board.began))
    found["wakeups"] = (forecast.duty.wakeups * ran, counted["wakeups"])
    found["programmed bytes"] = (forecast.files.programmed * ran, counted["flash_program_bytes"])
    found["erases"] = (forecast.files.erases * ran, counted["flash_erases"])
    assert len(board.began) == moves, "each by its own interrupt"
    check(found)
