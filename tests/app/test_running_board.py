"""A board over days and mishaps: slots on the grid, boot loops, sensors that fall silent."""

import asyncio
import json

import pytest

from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.app.talk import make, motion_only, recording, sessions, state, talk
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
MINUTE = {"windows": [{"from": "00:00", "to": "24:00", "record_s": 6, "sleep_s": 54}]}
NOON = 1796126400


def board_at(folder, config, rtc):
    world = world_for(config, clock="virtual")
    world["rtc"] = rtc
    board = VirtualBoard(world, folder)
    board.install(config=config)
    return board


def planned(board):
    found = [json.loads(files["session.json"]) for files in sessions(board.files()).values()]
    return [(meta["planned"], meta["clock_fixes"]) for meta in found]


def test_slots_on_the_grid_and_a_late_start_shortens(tmp_path):
    board = board_at(tmp_path, motion_only(schedule=MINUTE), NOON + 3)
    asyncio.run(talk(board, [(lambda s: s["spool"]["pending_segments"] >= 4 and s["state"] == "idle", "exit")]))
    slots = planned(board)
    assert [plan["from_utc_s"] for plan, _ in slots] == [NOON, NOON + 60, NOON + 120, NOON + 180][: len(slots)]
    assert [fixes[0][1] // 10**6 for _, fixes in slots[1:]] == [plan["from_utc_s"] for plan, _ in slots[1:]]
    lengths = []
    for files in sessions(board.files()).values():
        ledger = json.loads(files["ledger.json"])
        assert ledger["reason"] == "schedule"
        lengths.append(ledger["ended_t_us"] - json.loads(files["session.json"])["started_t_us"])
    assert 2.9e6 < lengths[0] < 3.4e6 and all(5.9e6 < length < 6.4e6 for length in lengths[1:])


def test_without_a_clock_the_cycle_runs_and_says_so(tmp_path):
    board = board_at(tmp_path, motion_only(schedule=MINUTE), "unset")
    asyncio.run(talk(board, [(lambda s: s["spool"]["pending_segments"] >= 3 and s["state"] == "idle", "exit")]))
    assert all(plan == {"reason": "schedule", "clock": "relative"} and not fixes for plan, fixes in planned(board))


def test_start_outside_of_the_hours_records_until_stop(tmp_path):
    board = board_at(tmp_path, motion_only(schedule=MINUTE), NOON + 10)
    asyncio.run(talk(board, [(state("idle"), "start"), (recording(3), "stop"), (state("idle"), "exit")]))
    ((plan, _),) = planned(board)
    assert plan["reason"] == "by hand"


def test_a_sensor_that_falls_silent_ends_the_recording_with_the_reason(tmp_path):
    board = make(tmp_path, motion_only(stops={"silent_s": 4}))
    board.world["i2c"]["0"][0]["faults"] = {"absent_s": [[5, 600]]}
    asyncio.run(talk(board, []))
    (files,) = sessions(board.files()).values()
    assert json.loads(files["ledger.json"])["reason"] == "silent"
    assert json.loads(board.files()["/boots.json"])["why"] == "silent"


def test_a_boot_loop_ends_in_safe_mode(tmp_path):
    board = make(tmp_path, motion_only(stops={"boots": 3}))
    for _ in range(3):
        asyncio.run(talk(board, [(recording(1), "status"), (recording(2), lambda: board._process.kill())]))
    said = asyncio.run(talk(board, [(state("safe"), "label no"), (state("safe"), "exit")]))
    assert {status["state"] for status in said if "state" in status} == {"safe"}
    assert "4 starts without a good minute" in said[0]["why"]
    assert any("the board is in safe mode" in line for line in board.log)
    said = asyncio.run(talk(board, [(recording(2), "exit")]))
    assert said[-1]["state"] == "done"


def test_a_full_flash_ends_the_recording_and_the_board_waits_for_room(tmp_path):
    board = make(tmp_path, motion_only(storage={"max_kb": 64, "when_full": "stop"}, stops={"stuck_s": 5}))
    said = asyncio.run(talk(board, [(state("waiting"), "exit")]))
    assert said[-1]["state"] == "done"
    (files,) = sessions(board.files()).values()
    ledger = json.loads(files["ledger.json"])
    account = ledger["streams"]["imu"]
    assert ledger["reason"] == "flash full" and account["lost"]["flash"] < 12 * 110
    assert account["expected"] == account["stored"] + sum(account["lost"].values())
