"""What is generated is current, and the generator refuses what the board could not check."""

from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from config import generate
from config.rules import RULES
from config.validate import validate


def test_schema_is_current():
    assert (generate.HERE / "schema.json").read_text() == generate.schema_text(), "run python -m config.generate"


def test_rules_are_current():
    assert (generate.HERE / "rules.py").read_text() == generate.rules_text(), "run python -m config.generate"


def test_reference_is_current():
    assert generate.REFERENCE.read_text() == generate.reference_text(), "run python -m config.generate"


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


def test_defaults_are_not_shared():
    texts = {"version": 1, "device": "a", "board": "virtual", "streams": {}}
    first = validate(RULES["config"], texts, "", [])
    first["network"]["wifi"].append("home")
    assert validate(RULES["config"], texts, "", [])["network"]["wifi"] == []
