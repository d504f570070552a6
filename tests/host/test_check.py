"""`check` as a user meets it: a dozen broken configurations, every error at once, exit 2, and never a traceback."""

import argparse
import json
import os
from pathlib import Path

import pytest

from host import check

EXAMPLES = Path(check.__file__).parents[1] / "config/examples"


def arguments(*argv):
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    return parser.parse_args([*map(str, argv)])


@pytest.fixture
def run(capsys):
    """Runs the command: -> (exit code, the JSON it printed)."""

    def command(*argv):
        code = check.run(arguments(*argv, "--json"))
        return code, json.loads(capsys.readouterr().out)

    return command


@pytest.fixture
def edited(tmp_path):
    """Writes the demo's configuration with `{path: value}` set (... removes); -> its path."""

    def write(changes):
        config = json.loads((EXAMPLES / "virtual.json").read_text())
        for path, value in changes.items():
            owner = config
            *parents, last = path.split(".")
            for part in parents:
                owner = owner.setdefault(part, {})
            if value is ...:
                del owner[last]
            else:
                owner[last] = value
        file = tmp_path / "config.json"
        file.write_text(json.dumps(config))
        return file

    return write


NAMED = {
    "unknown key": ({"colour": "blue"}, "colour"),
    "misspelt key": ({"streams.imu.rate": 104}, "streams.imu.rate"),
    "wrong type": ({"streams.mic.ring_blocks": "8"}, "streams.mic.ring_blocks"),
    "true is no number": ({"version": True}, "version"),
    "out of range": ({"streams.mic.shift": 25}, "streams.mic.shift"),
    "impossible rate": ({"streams.imu.rate_hz": 100}, "streams.imu.rate_hz"),
    "missing pin": ({"streams.mic.ws": ...}, "streams.mic.ws"),
    "no such pin": ({"streams.mic.ws": 49}, "streams.mic.ws"),
    "pin used twice": ({"streams.mic.sd": 21}, "streams.mic.sd"),
    "unknown bus": ({"streams.imu.bus": "i2c1"}, "streams.imu.bus"),
    "unknown driver": ({"streams.imu.driver": "toaster"}, "streams.imu.driver"),
    "unknown board": ({"board": "toaster"}, "board"),
    "ring too small for the stall": ({"streams.mic.block_frames": 16}, "streams.mic.ring_blocks"),
    "I2S buffer too small for the stall": ({"streams.mic.ibuf_bytes": 3000}, "streams.mic.ibuf_bytes"),
    "password in the configuration": ({"network": {"wifi": [], "password": "hunter2hunter2"}}, "network.password"),
    "password in the address": ({"upload.https.url": "https://me:hunter2hunter2@h"}, "upload.https.url"),
    "clear text": ({"upload.https.url": "http://192.168.1.10"}, "upload.https.url"),
    "no password for the network": ({"network": {"wifi": ["home"]}}, "network.wifi.0"),
    "no streams": ({"streams": {}}, "streams"),
}


@pytest.mark.parametrize("name", NAMED)
def test_named(run, edited, name):
    changes, path = NAMED[name]
    file = edited(changes)
    code, answer = run(file)
    assert code == 2 and answer["ok"] is False and answer["config"] is None
    assert [(error["file"], error["path"]) for error in answer["errors"]] == [(str(file), path)]
    assert all(error["reason"] and error["remedy"] for error in answer["errors"])
    assert "hunter2" not in str(answer)


def test_all_errors_at_once(run, edited, capsys):
    changes = {}
    for name in ("unknown key", "impossible rate", "missing pin", "ring too small for the stall", "clear text"):
        changes.update(NAMED[name][0])
    file = edited(changes)
    paths = ["colour", "streams.imu.rate_hz", "streams.mic.ring_blocks", "streams.mic.ws", "upload.https.url"]
    assert [error["path"] for error in run(file)[1]["errors"]] == paths
    assert check.run(arguments(file)) == 2
    text = capsys.readouterr().err
    assert f"{file}: 5 errors" in text and all(path in text for path in paths)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"{", b"[]", b"null", b'"x"', b"not JSON", b"\x00\xff\xfe", b"\x7fELF" * 9, b"{}{}", b"[" * 10**6,
     b" " * 10**6, '{"version": 1}'.encode("utf-16"), b'{"a": "\xff"}', b'{"device": NaN}', b"1" * 9999],
)  # fmt: skip
def test_any_content(run, tmp_path, content):
    file = tmp_path / "config.json"
    file.write_bytes(content)
    code, answer = run(file)
    assert code == 2 and answer["errors"] and answer["config"] is None
    assert run(EXAMPLES / "virtual.json", "--secrets", file)[0] == 2


def test_what_is_no_file(run, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / "missing" / "x.json", fifo, "", "/dev/null"):
        code, answer = run(path)
        assert code == 2 and "cannot be read" in answer["errors"][0]["reason"], path
        code, answer = run(EXAMPLES / "virtual.json", "--secrets", path or tmp_path)
        assert code == 2 and len(answer["errors"]) == 1, path
    (tmp_path / "file").touch()
    assert run(tmp_path / "file" / "x.json")[0] == 2


def test_unreadable(run, tmp_path, monkeypatch):
    file = tmp_path / "config.json"
    file.write_text("{}")

    def deny(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", deny)  # a file without rights is readable to root, who may run this
    code, answer = run(file)
    assert code == 2 and "permission denied" in answer["errors"][0]["reason"]


def test_what_only_the_model_finds_counts(run, monkeypatch):
    monkeypatch.setattr(check, "field_errors", lambda value, kind: {"device": "no", "board": "no"})
    code, answer = run(EXAMPLES / "virtual.json")
    assert code == 2 and {error["path"] for error in answer["errors"]} == {"device", "board"}


def test_in_order(run, capsys):
    code, answer = run(EXAMPLES / "virtual.json")
    assert code == 0 and answer["ok"] is True and answer["errors"] == []
    assert answer["config"]["storage"]["reserve_kb"] == 64  # a default
    assert check.run(arguments(EXAMPLES / "virtual.json")) == 0
    assert "imu: lsm6dsox at 104 Hz" in capsys.readouterr().out


def test_the_forecast(run, capsys):
    code, answer = run(EXAMPLES / "virtual.json", "--battery-mah", 1000)
    days = answer["plan"]["battery"]["days"]
    assert code == 0 and 0 < days["low"] <= days["typical"] <= days["high"]
    assert {"ram", "stall", "flash", "upload", "energy", "duty", "warnings"} <= answer["plan"].keys()
    code, answer = run(EXAMPLES / "virtual.json", "--battery-mah", 1000, "--days", 100)
    assert code == 2 and [error["path"] for error in answer["errors"]] == ["schedule"] and answer["plan"] is None
    assert check.run(arguments(EXAMPLES / "virtual.json", "--assumptions", "--battery-mah", "1000")) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("RAM", "Stalls", "mAh per day", "1000 mAh lasts", "Assumptions", "Warning"))


@pytest.mark.parametrize("words", [("--days", "0"), ("--days", "x"), ("--battery-mah", "-5"), ("--days", "nan")])
def test_wrong_goals(words, capsys):
    with pytest.raises(SystemExit) as error:
        arguments(EXAMPLES / "virtual.json", *words)
    assert error.value.code == 2 and words[0] in capsys.readouterr().err


def test_a_proposal(run, edited):
    code, answer = run(edited({"streams.mic.ibuf_bytes": 3000}))
    assert code == 2 and answer["proposal"] == [{"path": "streams.mic.ibuf_bytes", "was": 3000, "value": 3840}]


def test_secrets_beside_the_configuration(run, edited):
    file = edited({"network": {"wifi": ["home"]}})
    secrets = file.with_name("secrets.json")
    secrets.write_text('{"wifi": {"home": "hunter2hunter2"}}')
    code, answer = run(file)
    assert code == 0 and "hunter2" not in str(answer)
    secrets.write_text('{"wifi": {"home": "hunter2"}}')
    code, answer = run(file)
    assert code == 2 and "hunter2" not in str(answer)
    assert {(error["file"], error["path"]) for error in answer["errors"]} >= {(str(secrets), "wifi.home")}
    other = file.with_name("other.json")
    other.write_text('{"wifi": {"home": null}}')
    assert run(file, "--secrets", other)[0] == 0


def test_a_secret_that_would_reach_the_data_set(run, edited):
    file = edited({"device": "hunter2hunter2"})
    file.with_name("secrets.json").write_text('{"https_token": "hunter2hunter2"}')
    code, answer = run(file)
    assert code == 2 and [error["path"] for error in answer["errors"]] == ["device"]
    assert "hunter2" not in str(answer)


@pytest.mark.parametrize(("url", "count"), [("mqtt://192.168.1.2", 1), ("mqtt://127.0.0.1", 0), ("mqtt://[::1]:1", 0)])
def test_clear_text_by_mqtt_is_a_warning(run, edited, monkeypatch, capsys, url, count):
    monkeypatch.setattr(check, "is_present", lambda package: True)
    file = edited({"upload": {"mqtt": {"url": url}}, "streams.mic.segment_frames": 65536})
    code, answer = run(file)
    assert code == 0 and answer["errors"] == [] and len(answer["warnings"]) == count
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    check.run(parser.parse_args([str(file)]))
    assert capsys.readouterr().out.count("everybody on the network can read") == count


@pytest.mark.parametrize(("ack", "count"), [("broker", 1), ("collector", 0)])
def test_bug_that_a_broker_drops_what_nobody_reads_passed_without_a_word(run, edited, monkeypatch, ack, count):
    monkeypatch.setattr(check, "is_present", lambda package: True)
    mqtt = {"url": "mqtt://127.0.0.1", "ack": ack}
    code, answer = run(edited({"upload": {"mqtt": mqtt}, "streams.mic.segment_frames": 65536}))
    assert code == 0 and ["nobody has subscribed" in warning for warning in answer["warnings"]] == [True] * count
