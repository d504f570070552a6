"""The power-cut campaign's fast part; the whole of it is in test_powercut.py."""

from powercut import campaign
from recording import SCENARIOS, record

HEAP = "40M"


def _fast(scenario, start, every=331):
    tried, violations = campaign(scenario, every, start)
    print(scenario, tried, "cuts,", len(violations), "violations")
    assert tried > 10 and not violations, violations


def test_shipping():
    _fast("shipping", 7)


def test_retention():
    _fast("retention", 31)


def test_acknowledged_segments_are_kept():
    _fast("kept", 97)


def test_a_very_bad_sensor():
    _fast("gaps", 3, 97)


def test_scenarios_do_what_they_are_for():
    """Otherwise the campaign would prove nothing: segments are acknowledged, dropped, cut short, and full of gaps."""
    for scenario in SCENARIOS:
        _, trace, oracle = record(scenario)
        sidecars = [note["sidecar"] for note in oracle.segments.values()]
        reasons = {sidecar["reason"] for sidecar in sidecars}
        acknowledged = [note for note in oracle.segments.values() if "acked" in note]
        retention = max([sidecar["ledger"]["lost"].get("retention", 0) for sidecar in sidecars])
        assert len(trace) > 300
        if scenario == "gaps":
            assert "gaps" in reasons and "stop" in reasons
            continue
        assert "full" in reasons and "stop" in reasons and len(sidecars) > 10 and len(acknowledged) > 3
        assert (retention > 0) == (scenario in ("retention", "kept")), (scenario, retention)
