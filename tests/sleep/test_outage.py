"""What cannot be uploaded keeps no radio on, and costs no recording."""

import pytest

from tests.sleep import days
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])
HOUR = 3600
EVER = [[0, 1e9]]


def run(folder, hours, world=None, ca=b"-", **config):
    board = days.Days(folder, days.config(**config), world or {}, ca=ca)
    board.run(hours * HOUR)
    planned = hours * HOUR // (config["record_s"] + config["sleep_s"]) if "record_s" in config else hours * 6
    assert len(board.began) >= planned - 1, "the schedule goes on"
    assert not board.sessions(), "nothing has arrived"
    return board.board.counters()


def test_without_a_certificate_the_radio_stays_off(tmp_path):
    assert run(tmp_path, 0.5, ca=None, max_latency_s=1)["radio_s"] == 0


def test_a_dead_collector_is_asked_ever_less_often(tmp_path):
    counters = run(tmp_path, 1, {"away_s": EVER}, max_latency_s=1)
    assert 1 < counters["radio_s"] < 0.01 * HOUR, counters


def test_pauses_shorter_than_an_attempt_are_failures_too(tmp_path):
    """Each attempt to join a network that is not there is cut off by the next recording."""
    pace = {"record_s": 20, "sleep_s": 40, "while_recording": False}
    counters = run(tmp_path, 0.5, {"network": {"down_s": EVER}}, max_latency_s=1, **pace)
    assert 20 < counters["radio_s"] < 0.1 * HOUR / 2, counters
