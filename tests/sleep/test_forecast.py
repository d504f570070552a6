"""The planner's forecast against the counters of a simulated board that sleeps between recordings."""

import json

import pytest

from host.check import verdict
from host.planner import plan
from host.planner.figures import DAY_S
from tests.sleep import days
from tests.tools.micropython import HOW_TO_GET, interpreter

WITHIN = 0.1


@pytest.mark.parametrize(
    ("hours", "upload_every_s"), [(2, 3000), pytest.param(24, 6 * 3600, marks=pytest.mark.slow)]
)
def test_forecast_and_counters(tmp_path, hours, upload_every_s):
    if not interpreter("64-bit"):
        pytest.skip(HOW_TO_GET["64-bit"])
    config = days.config(max_latency_s=upload_every_s)
    board = days.Days(tmp_path, config)
    board.run(hours * 3600)
    counted = board.board.counters()
    forecast = plan(verdict(json.dumps(config).encode())[0])
    ran = len(board.began) / forecast.duty.recordings  # days
    (way,) = forecast.used
    assert len(board.began) >= hours * 6 and counted["radio_s"] and counted["sent_bytes"]
    assert forecast.duty.awake_s * ran == pytest.approx(counted["awake_s"], rel=WITHIN)
    assert forecast.duty.deep_s * ran == pytest.approx(counted["deep_s"], rel=WITHIN)
    assert forecast.duty.light_s * ran == pytest.approx(counted["light_s"], rel=WITHIN)
    assert forecast.duty.wakeups * ran == pytest.approx(counted["wakeups"], abs=1)
    assert forecast.files.programmed * ran == pytest.approx(counted["flash_program_bytes"], rel=WITHIN)
    assert forecast.files.erases * ran == pytest.approx(counted["flash_erases"], rel=WITHIN)
    sent = sum(1 for name in board.arrived() if name.endswith("session.json"))  # recordings that have arrived
    share = sent / forecast.duty.recordings
    assert forecast.files.stored * share == pytest.approx(counted["sent_bytes"], rel=WITHIN)
    uploads = round(forecast.duty.uploads * share)  # whole ones, in so short a time
    needs = forecast.ways[way]
    joining = (needs.connect_s.typical + needs.tls_s.typical) * uploads / forecast.duty.uploads
    bare = forecast.files.stored / needs.wire_bytes  # the simulation's collector takes files without HTTP around them
    assert joining + needs.transfer_s.typical * bare * share == pytest.approx(counted["radio_s"], rel=WITHIN)
    assert ran * DAY_S == pytest.approx(hours * 3600, rel=WITHIN)
