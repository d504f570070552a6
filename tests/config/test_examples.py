"""Every example is in order, and says so without a secret of its own."""

import json
from pathlib import Path

import pytest

from config.loader import check_secrets
from host.check import check_files

EXAMPLES = Path(__file__).resolve().parents[2] / "config/examples"
SECRETS = EXAMPLES / "secrets.example.json"
CONFIGS = sorted(set(EXAMPLES.glob("*.json")) - {SECRETS})


def test_there_are_examples():
    wanted = {"virtual", "gesture_imu", "sound_events", "machine_vibration", "tool_use"}
    assert {path.stem for path in CONFIGS} >= wanted


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_example(path):
    config, errors = check_files(path, SECRETS)
    assert errors == []
    assert config["streams"]
    schema = path.parent / json.loads(path.read_text())["$schema"]
    assert schema.resolve() == EXAMPLES.parent / "schema.json"


def test_the_architecture_shows_a_right_one(tmp_path):
    text = (EXAMPLES.parents[1] / "docs/architecture.md").read_text()
    block = text.split("## Configuration", 1)[1].split("```json\n", 1)[1].split("```", 1)[0]
    file = tmp_path / "config.json"
    file.write_text(block)
    config, errors = check_files(file, SECRETS)
    assert errors == []
    assert config == json.loads(block)


def test_secrets_example():
    secrets, errors = check_secrets(SECRETS.read_bytes())
    assert errors == [] and secrets["wifi"] and secrets["https_token"]


def test_the_demo_needs_no_secrets():
    assert check_files(EXAMPLES / "virtual.json")[1] == []
