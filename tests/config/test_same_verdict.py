"""Laptop and board give the same verdict: the model and the folded rules, and the loader on three interpreters."""

import copy
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.loader import check, check_secrets
from config.model import field_errors, filled
from config.rules import RULES
from config.strictjson import JSONError, parse
from config.validate import validate
from host.check import verdict
from tests.config.test_checks import BASE
from tests.config.texts import CHANGED_TEXTS, DAMAGED_TEXTS, RIGHT_TEXTS, SECRETS_TEXTS, limits, members
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter
from tests.tools.worker import BoardWorker

SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
CONFIGS = st.tuples(st.just("config"), CHANGED_TEXTS)
SECRETS = st.tuples(st.just("secrets"), SECRETS_TEXTS)
DAMAGED = st.tuples(st.sampled_from(["config", "secrets"]), DAMAGED_TEXTS)


@pytest.fixture(scope="module", params=WIDTHS)
def board(request):
    found = interpreter(request.param)
    if not found:
        pytest.skip(HOW_TO_GET[request.param])
    with BoardWorker(Path(__file__).with_name("board_check.py"), found, heap="384K") as worker:
        yield worker


def same(a, b):
    """Equal, but for the last digits of floats: interpreters read 0.1 with different care."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-12)
    return type(a) is type(b) and a == b


@given(case=CONFIGS)
@SETTINGS
def test_board_and_laptop(board, case):
    agree(board, *case)


@given(case=SECRETS | DAMAGED)
@SETTINGS
def test_board_and_laptop_on_secrets_and_damaged_files(board, case):
    agree(board, *case)


def agree(board, kind, text):
    """Same verdict, same paths; and the same configuration when there is nothing wrong."""
    ours, errors = verdict(text, kind)
    theirs, values = board.ask({"kind": kind, "hex": text.hex()})
    assert {path for path, _, _ in errors} == {path for path, _, _ in theirs}
    if not errors:
        assert same(ours, values)


@given(case=CONFIGS | CONFIGS | SECRETS)
@SETTINGS
def test_model_and_folded_rules(case):
    kind, text = case
    try:
        value, _ = parse(text)
    except JSONError:
        return
    errors = []
    out = validate(RULES[kind], value, "", errors)
    assert {path for path, _, _ in errors} == set(field_errors(value, kind))
    if not errors:
        assert out == filled(value, kind)


WAYS = {"https": {"url": "https://h"}, "mqtt": {"url": "mqtts://h"}, "ble": {}}
WIFI = {"network": {"wifi": ["home"]}, "upload": WAYS}
EVERYTHING = {
    "config": {"$schema": "x", **validate(RULES["config"], {**copy.deepcopy(BASE), **WIFI}, "", [])},
    "secrets": {
        "wifi": {"home": "long enough", "open": None}, "https_token": "0123456789", "mqtt_password": "0123456789",
    },
}  # fmt: skip
PROBES = [
    None, True, False, 0, 0.0, 1.0, 4.0, 16.0, 0.2, 0.5, -1, 10**14,
    "", "8", "i2c0", "A", "_", "a b", "/", "caf\u00e9", "h" * 8, "a" * 17, "a" * 33, "a" * 65, "a" * 300,
    [], [1], [True], ["gyro"], ["a"] * 3, ["a"] * 8, ["a"] * 9,
    {}, {"a": 1}, {"": "long enough"}, {"kind": "i2c"}, {"driver": 1},
]  # fmt: skip


@pytest.mark.parametrize("kind", EVERYTHING)
def test_model_and_folded_rules_at_every_place(kind):
    """Each member in turn is replaced by everything of the wrong type, and by what lies at and beyond the limits."""
    complete = copy.deepcopy(EVERYTHING[kind])
    tried = 0
    for owner, key in members(complete):
        right = owner[key]
        for probe in PROBES + list(limits(RULES[kind])):
            owner[key] = probe
            errors = []
            validate(RULES[kind], complete, "", errors)
            assert {path for path, _, _ in errors} == set(field_errors(complete, kind)), (key, probe)
            tried += 1
        owner[key] = right
    assert complete == EVERYTHING[kind] and tried > 100


@given(text=RIGHT_TEXTS)
@SETTINGS
def test_right_ones_are_accepted(text):
    assert check(text)[1] == []


@given(case=CONFIGS | CONFIGS | SECRETS)
@SETTINGS
def test_every_error_says_what_and_how(case):
    kind, text = case
    _, errors = (check if kind == "config" else check_secrets)(text)
    assert all(isinstance(path, str) and reason and remedy for path, reason, remedy in errors)
    assert len({path for path, _, _ in errors}) == len(errors)
