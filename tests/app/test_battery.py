"""An empty battery ends the recording with its files closed, and the board goes on when it is charged."""

import asyncio
import json

import pytest

from tests.app.talk import make, motion_only, sessions, talk
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
BATTERY = {"pin": 34, "empty_mv": 3300, "full_mv": 4200, "stop_pct": 20}


def test_low_the_files_are_closed_and_charged_it_starts_anew(tmp_path):
    board = make(tmp_path, motion_only(power={"battery": BATTERY}, stops={"sleep_s": 30}))
    board.world["adc"] = {"34": [[0, 2.0], [15, 1.7], [95, 1.75], [155, 1.9]]}  # 77 %, 11 %, 22 %, 55 %
    said = asyncio.run(talk(board, []))
    assert asyncio.run(board.wait()) == 70, "machine.reset()"
    low = [status for status in said if status.get("why") == "battery low"]
    assert low and {status["state"] for status in low} == {"sleeping"}
    assert {status["battery_pct"] for status in low} == {11, 22}, "22 % is not enough to go on: it was stopped at 20 %"
    (files,) = sessions(board.files()).values()
    ledger = json.loads(files["ledger.json"])
    account = ledger["streams"]["imu"]
    assert ledger["reason"] == "battery" and account["expected"] == account["stored"] > 15 * 104
    assert json.loads(board.files()["/boots.json"]) == {"count": 0, "why": "battery low"}


def test_a_port_without_adc_records_all_the_same(tmp_path):
    board = make(tmp_path, motion_only(power={"battery": BATTERY}, schedule={"duration_s": 2}))
    said = asyncio.run(talk(board, []))
    assert said[-1]["state"] == "done" and any("the battery is not watched" in line for line in board.log)
