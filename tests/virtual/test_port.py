"""The port's modules on a virtual clock: port_checks.py runs on a virtual board, each of its checks is a test here."""

import ast
import json
import time
from pathlib import Path

import pytest

from tests.virtual import on_board

SOURCE = Path(__file__).with_name("port_checks.py").read_text()
CHECKS = [node.name for node in ast.parse(SOURCE).body if getattr(node, "name", "").startswith("check_")]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    started = time.monotonic()
    code, lines = on_board.run(tmp_path_factory.mktemp("board"), SOURCE)
    results = {(parsed := json.loads(line))["check"]: parsed["error"] for line in lines if line.startswith("{")}
    return code, lines, results, time.monotonic() - started


@pytest.mark.parametrize("name", CHECKS)
def test_on_the_board(outcome, name):
    _, lines, results, _ = outcome
    assert name in results, lines
    assert not results[name], results[name]


def test_weeks_of_virtual_time_took_seconds(outcome):
    code, _, _, seconds = outcome
    assert code == 0
    assert seconds < 600  # 25 days of it
