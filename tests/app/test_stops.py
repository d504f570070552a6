"""What ends a recording that has gone wrong, by the limits of the configuration's defaults, and what does not."""

import asyncio
import json

import pytest

from tests.app.talk import make, motion_only, recording, sessions, state, talk
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
FAILS_S = 5  # from then on something fails


def ended(board) -> tuple[str, float, dict]:
    """-> why the only session ended, after how many seconds, and the account of its stream."""
    (files,) = sessions(board.files()).values()
    ledger = json.loads(files["ledger.json"])
    started_us = json.loads(files["session.json"])["started_t_us"]
    return ledger["reason"], (ledger["ended_t_us"] - started_us) / 1e6, ledger["streams"]["imu"]


def check_restart(board, why):
    """The board starts anew, and knows why when it does."""
    assert asyncio.run(board.wait()) == 70, "machine.reset()"
    said = asyncio.run(talk(board, [(recording(1), "exit")]))
    assert {status["why"] for status in said if "why" in status} == {why}


def test_no_frames_for_15_seconds(tmp_path):
    board = make(tmp_path, motion_only(stops={"errors": None}))
    board.world["i2c"]["0"][0]["faults"] = {"absent_s": [[FAILS_S, 600]]}
    asyncio.run(talk(board, []))
    reason, seconds, account = ended(board)
    assert reason == "silent" and FAILS_S + 15 <= seconds < FAILS_S + 18
    assert account["stored"] == pytest.approx(FAILS_S * 104, rel=0.1)
    board.world["i2c"]["0"][0]["faults"] = {}
    check_restart(board, "silent")


def test_so_many_errors_with_nothing_stored_in_between(tmp_path):
    board = make(tmp_path, motion_only(stops={"errors": 40}))
    board.world["i2c"]["0"][0]["faults"] = {"absent_s": [[FAILS_S, 600]]}
    said = asyncio.run(talk(board, []))
    reason, seconds, _ = ended(board)
    assert reason == "errors" and FAILS_S < seconds < FAILS_S + 15
    counted = [status["streams"]["imu"].get("bus_errors", 0) for status in said if status.get("state") == "recording"]
    assert 0 < max(counted) < 2 * 40 and len(counted) > FAILS_S
    board.world["i2c"]["0"][0]["faults"] = {}
    check_restart(board, "errors")


def test_errors_between_which_frames_are_stored_end_nothing(tmp_path):
    board = make(tmp_path, motion_only(stops={"errors": 10}, schedule={"duration_s": 60}))
    board.world["i2c"]["0"][0]["faults"] = {"every": 50}
    said = asyncio.run(talk(board, []))
    assert said[-1]["state"] == "done" and said[-1]["streams"]["imu"]["bus_errors"] > 10
    reason, _, account = ended(board)
    assert reason == "duration" and account["expected"] == account["stored"] + sum(account["lost"].values())


REFUSES = b"""
import errno
import patient
from hardware import board
from storage.segment import SegmentWriter

write = SegmentWriter.write

def refuse(writer, view, start, n):
    if board.clock.now() > 5_000_000:
        raise OSError(errno.EIO)
    return write(writer, view, start, n)

def run():
    SegmentWriter.write = refuse
    return patient.run()
"""


@pytest.mark.parametrize("then", ["restart", "sleep"])
def test_no_write_for_30_seconds(tmp_path, then):
    """Frames come, and the flash takes none."""
    board = make(tmp_path, motion_only(stops={"then": then, "sleep_s": 50}), files={"/refuses.py": REFUSES})
    installed = board.environment

    def environment(**how):
        board.world["main"] = "refuses"
        return installed(**how)

    board.environment = environment
    said = asyncio.run(talk(board, []))
    reason, seconds, account = ended(board)
    assert reason == "stuck" and FAILS_S + 30 <= seconds < FAILS_S + 34
    assert account["expected"] == account["stored"] + sum(account["lost"].values())
    assert account["lost"]["flash"] > 29 * 104
    asleep = [status for status in said if status.get("state") == "sleeping"]
    assert bool(asleep) == (then == "sleep") and {status["why"] for status in asleep} <= {"stuck"}
    board.environment = installed
    check_restart(board, "stuck")


def test_a_board_that_is_awake_feeds_its_watchdog(tmp_path):
    board = make(tmp_path, motion_only(power={"watchdog_s": 3}, schedule={"duration_s": 20}))
    said = asyncio.run(talk(board, [(state("shipping"), "status")]))
    assert said[-1]["state"] == "done" and asyncio.run(board.wait()) == 0


def test_a_command_that_comes_again_and_again_is_no_boot_loop(tmp_path):
    """`reboot` within a good minute, more often than `stops.boots` allows."""
    board = make(tmp_path, motion_only(stops={"boots": 3}))
    for _ in range(5):
        said = asyncio.run(talk(board, [(recording(1), "reboot")]))
        assert "recording" in {status.get("state") for status in said}
    (files, *_) = sessions(board.files()).values()
    assert json.loads(files["ledger.json"])["reason"] == "reboot"


def test_a_minute_makes_a_start_a_good_one(tmp_path):
    board = make(tmp_path, motion_only())
    asyncio.run(talk(board, [(recording(3), lambda: board._process.kill())]))
    assert json.loads(board.files()["/boots.json"])["count"] == 1
    asyncio.run(talk(board, [(recording(62), lambda: board._process.kill())]))
    assert json.loads(board.files()["/boots.json"])["count"] == 0


BUG = b"""
import patient
from app import main

def run():
    def broken(board):
        raise ValueError("a bug of ours")

    main._run = broken
    return patient.run()
"""


def test_a_bug_starts_the_board_anew_and_is_told(tmp_path):
    board = make(tmp_path, motion_only(), files={"/bug.py": BUG})
    installed = board.environment

    def environment(**how):
        board.world["main"] = "bug"
        return installed(**how)

    board.environment = environment
    for _ in range(10):
        asyncio.run(talk(board, []))
        assert asyncio.run(board.wait()) == 70, "machine.reset()"
    assert json.loads(board.files()["/boots.json"]) == {"count": 10, "why": "ValueError: a bug of ours"}
    said = asyncio.run(talk(board, [(state("safe"), "exit")]))
    assert any("a bug of ours" in line for line in board.log), said
