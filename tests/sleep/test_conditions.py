"""A whole board with deep sleep: uploads under conditions, an empty battery, a network that is away, a loop that hangs.

Recordings begin 150 s after power-on and every 300 s from then on, each 40 s long.
"""

import json
from datetime import UTC, datetime

import pytest

from host.check import verdict
from tests.sleep import days
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
FIRST_S, RECORD_S, CYCLE_S = 150, 40, 300
BATTERY = {"pin": 34, "divider": 2, "empty_mv": 3300, "full_mv": 4200, "stop_pct": 20}
FULL, HALF, REGAINING, LOW = 2.0, 1.9, 1.75, 1.7  # volts at the pin: 77, 55, 22, 11 %


def make(folder, *, world=None, power=None, stops=None, **upload) -> days.Days:
    config = days.config(record_s=RECORD_S, sleep_s=CYCLE_S - RECORD_S, **{"max_latency_s": 1} | upload)
    config |= {"power": power or {}, "stops": stops or {}}
    return days.Days(folder, config, {"rtc": days.UTC_S - FIRST_S} | (world or {}))


def starts(board: days.Days) -> list[float]:
    """Seconds of the world at which sessions began."""
    return [us / 1e6 for us in board.began.values()]


def ledgers(board: days.Days) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(board.out.glob("tag/*/ledger.json"))]


@pytest.mark.parametrize(
    ("condition", "world"),
    [
        ({"battery_pct": 60}, {"adc": {"34": [[0, HALF], [1000, FULL]]}}),
        ({"charging": True}, {"adc": {"34": FULL}, "pins": {"5": [[0, 0], [1000, 1]]}}),
    ],
)
def test_nothing_is_sent_before_the_condition_holds(tmp_path, condition, world):
    power = {"battery": BATTERY | ({"charging_pin": 5} if "charging" in condition else {})}
    board = make(tmp_path, world=world, power=power, only_if=condition)
    board.run(1660)
    assert [round(start) for start in starts(board)] == list(range(150, 1651, 300)), "the schedule goes on"
    times = [at for at, _ in board.came]
    assert times == sorted(times) and 1000 < times[0] < 1000 + 600, "as soon as it looks again"
    assert len(board.sessions()) == 6
    assert board.board.counters()["radio_s"] < 60


def test_an_empty_battery_wakes_for_nothing_until_it_is_charged(tmp_path):
    levels = [[0, FULL], [455, LOW], [1500, REGAINING], [2300, HALF]]
    board = make(tmp_path, world={"adc": {"34": levels}}, power={"battery": BATTERY}, stops={"sleep_s": 100})
    board.run(2860)
    began = starts(board)
    assert [round(start) for start in began] == [150, 450, 2550, 2850], "22 % is not enough: it was stopped at 20 %"
    account = ledgers(board)[1]
    assert account["reason"] == "battery" and account["ended_t_us"] < 25e6, "it looks every ten seconds"
    imu = account["streams"]["imu"]
    assert imu["expected"] == imu["stored"] > 4 * 26
    assert "battery low" in board.whys
    wakes = (2300 - 460) / 100
    assert board.board.counters()["awake_s"] < 4 * 15 + 1.5 * wakes, "it looks at the battery first"


def test_a_network_that_is_away_ends_the_attempt_after_connect_s(tmp_path):
    board = make(tmp_path, world={"network": {"down_s": [[0, 1e9]]}}, connect_s=12)
    board.run(100)
    counters = board.board.counters()
    assert 12 <= counters["radio_s"] < 13 and counters["awake_s"] < 20


def test_bug_a_board_could_not_sleep_until_its_first_day(tmp_path):
    """Without windows it records all the time between two instants, and sleeps in front and behind."""
    first, last = (datetime.fromtimestamp(days.UTC_S + s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for s in (600, 700))
    config = days.config(max_latency_s=1)
    config["schedule"] = {"active": {"from": first, "until": last}, "sleep": "deep"}
    assert not verdict(json.dumps(config).encode())[1]
    board = days.Days(tmp_path, config, {"rtc": days.UTC_S})
    board.run(2000)
    assert [round(start) for start in starts(board)] == [600]
    (account,) = ledgers(board)
    assert account["reason"] == "schedule" and account["streams"]["imu"]["expected"] == pytest.approx(2626, abs=30)
    assert board.board.counters()["deep_s"] > 2000 - 100 - 60


@pytest.mark.parametrize("allowed", [True, False, None])
def test_uploads_while_it_records(tmp_path, allowed):
    """The sensor's FIFO outlasts a handshake, so that null means yes."""
    board = make(tmp_path, while_recording=allowed)
    board.run(760)
    assert len(starts(board)) == 3
    spans = [(start, start + RECORD_S) for start in starts(board)]
    while_it_records = [name for at, name in board.came if any(start < at < end for start, end in spans)]
    if allowed is False:
        assert not while_it_records
    else:
        assert [name.rsplit("/", 1)[-1] for name in while_it_records] == ["session.json"] * 3
    assert len(board.came) == 3 * 4 and len(ledgers(board)) == 3


HUNG = b"""
import time
import days_board
from hardware import board

def run():
    from app.loop import Loop

    tick = Loop.tick

    async def hang(loop):
        await tick(loop)
        if board.life.cause == 4 and board.life.now() > 160_000_000:
            time.sleep(60)

    Loop.tick = hang
    return days_board.run()
"""


def test_the_watchdog_ends_a_loop_that_hangs_and_the_reason_is_told(tmp_path):
    board = make(tmp_path, power={"watchdog_s": 5}, world={"main": "hung"})
    board.board.install(config=board.config, files={"/hung.py": HUNG})
    board.run(800)
    (first, again) = starts(board)[:2]
    assert round(first) == 150 and 165 < again < 175, "a board that hangs is fed no more"
    hung, next_one = [board.sessions()[name] for name in list(board.began)[:2]]
    assert (hung["reset_cause"], next_one["reset_cause"]) == ("deepsleep", "watchdog")
    assert next_one["planned"]["from_utc_s"] == hung["planned"]["from_utc_s"], "the same slot goes on"
    assert "watchdog" in board.whys
    first_end, second_end = ledgers(board)[:2]
    assert (first_end["reason"], second_end["reason"]) == ("power", "schedule")
    assert first_end["streams"]["imu"]["tail"][-1] == [first_end["streams"]["imu"]["stored"], None, "power"]
