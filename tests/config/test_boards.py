"""The board files: right by their model, consistent with the chips, and every number with its source."""

import json

import pytest
from pydantic import ValidationError

from config import board_model
from config.checks import board_facts
from config.chips import CHIPS
from config.ports import port
from config.rules import BOARDS

NAMES = board_model.names()
WANTED = {
    "esp32", "xiao_esp32s3_sense", "m5stickc_plus2", "pico_w", "pico_2_w", "nano_rp2040_connect", "nano_33_ble_sense",
    "virtual",
}  # fmt: skip


def test_all_are_there():
    assert set(NAMES) >= WANTED and sorted(BOARDS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_board_carries_its_rules_only(name):
    whole = json.loads((board_model.BOARDS / f"{name}.json").read_text())
    rules = {key: whole[key] for key in board_model.RULE_KEYS}
    assert board_facts(name) == rules | {"ble": whole["firmware"]["ble"], "sleep": whole["sleep"]}


@pytest.mark.parametrize("name", NAMES)
def test_pins(name):
    board = board_model.board(name)
    exist = numbers(board.pins)
    assert exist and numbers(board.input_only) <= exist
    for blocks in (board.i2c, board.spi):
        for pins in blocks.values():
            assert all(numbers(ranges) <= exist and numbers(ranges) for ranges in pins.values())
    if name != "virtual":
        assert board.firmware.mpy_arch in ("xtensawin", "armv6m", "armv7emsp")


@pytest.mark.parametrize("name", NAMES)
def test_soldered_sensors(name):
    """They lie on pins and at addresses that the rules allow, or a note says why they are not usable."""
    board = board_model.board(name)
    for part in board.parts:
        assert part.driver is None or part.driver in CHIPS
        assert part.driver or part.note, part.what
        if not part.driver:
            continue
        pins = [part.settings[key] for key in ("scl", "sda", "clk", "data", "int_pin") if key in part.settings]
        assert set(pins) <= numbers(board.pins), part.what
        if part.settings.get("kind") == "i2c":
            roles = board.i2c[str(part.settings["id"])]
            assert all(part.settings[role] in numbers(ranges) for role, ranges in roles.items())
            assert part.settings["address"] in CHIPS[part.driver]["i2c_addresses"]


def test_machine_strings_tell_boards_apart():
    """`push` recognises a board by how its name begins: no firmware may be that of two boards without being generic."""
    found = {}
    for name in NAMES:
        found.setdefault(board_model.board(name).firmware.machine[0], []).append(name)
    assert all(len(names) == 1 for names in found.values()), found


@pytest.mark.parametrize(
    "path, value",
    [
        (("figures", "awake_ma", "low"), 99),
        (("figures", "awake_ma", "source"), "none"),
        (("sources",), {}),
        (("sleep",), []),
        (("ram_kb",), "264"),
        (("pins",), "0-22;26"),
        (("colour",), "green"),
    ],
)
def test_a_wrong_file_is_refused(path, value):
    data = json.loads((board_model.BOARDS / "pico_w.json").read_text())
    owner = data
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = value
    with pytest.raises(ValidationError):
        board_model.Board.model_validate_json(json.dumps(data))


def numbers(ranges):
    """`"0-2,5"` -> {0, 1, 2, 5}"""
    ends = [part.split("-") for part in ranges.split(",") if part]
    return {n for end in ends for n in range(int(end[0]), int(end[-1]) + 1)}


@pytest.mark.parametrize("name", NAMES)
def test_a_board_sleeps_as_its_port_can(name):
    facts = board_model.board(name)
    row = port(facts.firmware.platform)
    assert facts.sleep == (["light"] if row["light"] else []) + (["deep"] if row["deep"] else [])
