"""What is generated is current, and the generator refuses what the board could not check."""

from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from config import generate
from config.rules import BOARDS, RULES
from config.validate import validate


def test_schema_is_current():
    assert (generate.HERE / "schema.json").read_text() == generate.schema_text(), "run python -m config.generate"


def test_rules_are_current():
    assert (generate.HERE / "rules.py").read_text() == generate.rules_text(), "run python -m config.generate"


@pytest.mark.parametrize(
    "kind",
    [
        int | str | None,
        int,
        Annotated[str, Field(max_length=9, pattern="^a+$")],
        Annotated[float, Field(gt=0, le=1)],
        dict[str, int],
        list[Annotated[int, Field(ge=0, le=1)]],
    ],
)
def test_what_the_board_cannot_check_is_refused(kind):
    class Model(BaseModel):
        model_config = {"extra": "forbid"}
        field: kind

    with pytest.raises((ValueError, KeyError, AttributeError)):
        generate.fold(Model.model_json_schema(), {})


def test_every_field_is_described():
    schema = generate.MODELS["config"].model_json_schema()
    plain = {"kind", "driver", "id", "scl", "sda", "storage", "network", "schedule", "sck", "miso", "mosi", "https"}
    for name, model in {**schema["$defs"], "Config": schema}.items():
        assert model.get("description"), name
        for field, rule in model["properties"].items():
            assert field in plain or rule.get("description"), f"{name}.{field}"


@pytest.mark.parametrize("name", BOARDS)
def test_boards_are_consistent(name):
    board = BOARDS[name]
    some = {
        "ram_kb": 1, "data_kb": 1, "pins": "", "input_only": "", "i2c": {}, "spi": {}, "i2s": [],
        "ws_follows_sck": True, "wifi": True,
    }  # fmt: skip
    assert board.keys() == some.keys()
    for key, value in some.items():
        assert isinstance(board[key], type(value)) or (key == "data_kb" and board[key] is None), key
    exist = numbers(board["pins"])
    assert exist and numbers(board["input_only"]) <= exist
    for blocks, roles in ((board["i2c"], {"scl", "sda"}), (board["spi"], {"sck", "mosi", "miso"})):
        for pins in blocks.values():
            assert pins.keys() <= roles
            assert all(numbers(ranges) <= exist and numbers(ranges) for ranges in pins.values())


def numbers(ranges):
    """`"0-2,5"` -> {0, 1, 2, 5}"""
    ends = [part.split("-") for part in ranges.split(",") if part]
    return {n for end in ends for n in range(int(end[0]), int(end[-1]) + 1)}


def test_defaults_are_not_shared():
    texts = {"version": 1, "device": "a", "board": "virtual", "streams": {}}
    first = validate(RULES["config"], texts, "", [])
    first["network"]["wifi"].append("home")
    assert validate(RULES["config"], texts, "", [])["network"] == {"wifi": []}
