"""Commands on the console of a board that records, and what they leave in the data set."""

import asyncio
import json

import pytest

from host import certs, verify
from host.collector import Collector
from host.dataset import Dataset
from tests.app.talk import make, motion_only, recording, sessions, state, talk
from tests.tools.micropython import HOW_TO_GET, interpreter

pytestmark = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])


def labels(files):
    return [json.loads(line) for line in files["labels.jsonl"].splitlines()]


def test_stop_goes_on_idle_and_start_begins_another_session(tmp_path):
    board = make(tmp_path, motion_only())
    script = [
        (recording(3), "start"),
        (recording(4), "stop"),
        (state("idle"), "status"),
        (state("idle"), "start"),
        (recording(6), "exit"),
    ]
    said = asyncio.run(talk(board, script))
    assert "motelog: it is recording already" in board.log
    assert any(line.startswith('motelog: {"') and '"idle"' in line for line in board.log), board.log
    first, second = sessions(board.files()).values()
    ledgers = [json.loads(files["ledger.json"]) for files in (first, second)]
    assert [ledger["reason"] for ledger in ledgers] == ["stop", "stop"]
    for files, ledger in zip((first, second), ledgers, strict=True):
        account = ledger["streams"]["imu"]
        assert account["expected"] == account["stored"] > 3 * 104 and not account["lost"]
        sidecars = [json.loads(files[name]) for name in files if name.startswith("imu-") and name.endswith(".json")]
        assert sidecars[0]["first_frame"] == 0 and sidecars[-1]["end_frame"] == account["stored"]
    idle = [status["seconds"] for status in said if status["state"] == "idle"]
    assert len(set(idle)) == 1, "an ended recording gets no longer"
    assert said[-1]["state"] == "done"


def test_a_pause_ends_by_itself_and_is_as_long_as_the_last_one(tmp_path):
    board = make(tmp_path, motion_only())
    again = iter(range(1, 1000))
    script = [
        (recording(3), "pause"),
        (lambda status: status["state"] == "idle" and next(again) == 60, "pause"),
        (recording(2), "exit"),
    ]
    asyncio.run(talk(board, script))
    first, second = sessions(board.files()).values()
    ledgers = [json.loads(files["ledger.json"]) for files in (first, second)]
    assert [ledger["reason"] for ledger in ledgers] == ["stop"] * 2
    paused_s = (json.loads(second["session.json"])["started_t_us"] - ledgers[0]["ended_t_us"]) / 1e6
    assert paused_s == pytest.approx(60 + 120, abs=1), "60 s of the first pause, and 120 s from the second one on"


def test_a_pause_does_not_undo_a_stop(tmp_path):
    board = make(tmp_path, motion_only())
    waited = iter(range(1000))
    script = [
        (recording(3), "stop"),
        (state("idle"), "pause"),
        (lambda status: status["state"] == "idle" and next(waited) == 130, "exit"),
    ]
    asyncio.run(talk(board, script))
    assert len(sessions(board.files())) == 1


def test_labels_are_in_their_session_with_their_times(tmp_path):
    board = make(tmp_path, motion_only())
    script = [
        (recording(1), "label  a point, with unicode: \u00e4 "),
        (recording(2), "label-start walking"),
        (recording(4), "label-end walking"),
        (recording(5), "label-end running"),
        (recording(6), "stop"),
        (state("idle"), "label too late"),
        (state("idle"), "start"),
        (recording(1), "label-end walking"),
        (recording(2), "label"),
        (recording(3), "exit"),
    ]
    asyncio.run(talk(board, script))
    first, second = sessions(board.files()).values()
    point, begun, ended = labels(first)
    assert point["start_t_us"] == point["end_t_us"] and point["text"] == "a point, with unicode: \u00e4"
    assert begun == {"start_t_us": begun["start_t_us"], "end_t_us": None, "text": "walking", "who": "console"}
    assert ended["start_t_us"] == begun["start_t_us"] and ended["text"] == "walking"
    assert 0 < ended["end_t_us"] - ended["start_t_us"] < 6e6
    assert json.loads(first["session.json"])["started_t_us"] < point["start_t_us"] < begun["start_t_us"]
    assert "labels.jsonl" not in second
    log = "\n".join(board.log)
    assert log.count("no label of that text was begun") == 2
    assert "there is no recording to label" in log and "label what? a text is missing" in log


def test_safe_mode_records_nothing_until_the_reboot(tmp_path):
    board = make(tmp_path, motion_only())
    script = [(recording(2), "safe-mode"), (state("safe"), "start"), (state("safe"), "reboot")]
    said = asyncio.run(talk(board, script))
    assert asyncio.run(board.wait()) == 70, "machine.reset()"
    assert [status for status in said if status.get("state") == "safe"][-1]["why"] == "by command"
    assert "motelog: the board is in safe mode (by command): reboot leaves it" in board.log
    (only,) = sessions(board.files()).values()
    assert json.loads(only["ledger.json"])["reason"] == "safe-mode"


def test_reconfigure_refuses_with_the_reason_and_switches_from_the_next_boot_on(tmp_path):
    config = motion_only()
    board = make(tmp_path, config)
    wrong = json.loads(json.dumps(config))
    wrong["streams"]["imu"]["rate_hz"] = 105
    right = json.loads(json.dumps(config)) | {"schedule": {"duration_s": 2}}
    script = [
        (recording(1), "reconfigure {"),
        (recording(2), "reconfigure " + json.dumps(wrong)),
        (recording(3), "reconfigure " + json.dumps(right)),
        (recording(5), "exit"),
    ]
    asyncio.run(talk(board, script))
    log = "\n".join(board.log)
    assert "refused: streams.imu.rate_hz the lsm6dsox has no rate of 105 Hz" in log, log
    assert log.count("refused: ") == 2 and "is used from the next boot on" in log
    (only,) = sessions(board.files()).values()
    account = json.loads(only["ledger.json"])["streams"]["imu"]
    assert account["expected"] == account["stored"], "checking a configuration costs no sample"
    asyncio.run(talk(board, []))
    ledger = json.loads(list(sessions(board.files()).values())[1]["ledger.json"])
    assert ledger["reason"] == "duration"


def test_labels_reach_the_data_set_and_leave_the_flash(tmp_path):
    identity = certs.make(tmp_path / "certs", ["127.0.0.1"])
    (tmp_path / "out").mkdir()

    async def deliver():
        collector = Collector(tmp_path / "out", token="a-token-for-labels")
        port = await collector.start("127.0.0.1", 0, identity.server_context())
        https = {"url": f"https://127.0.0.1:{port}", "ca_file": "/ca.der"}
        how = {"secrets": {"https_token": "a-token-for-labels"}, "files": {"/ca.der": identity.ca_der()}}
        config = motion_only(upload={"https": https, "interval_s": 0.5})
        board = make(tmp_path / "board", config, **how)
        script = [
            (recording(2), "label one"),
            (lambda s: recording(4)(s) and not s["spool"]["pending_segments"], "label two"),
            (recording(6), "exit"),
        ]
        try:
            await talk(board, script)
        finally:
            await collector.stop()
        return board

    board = asyncio.run(deliver())
    (session,) = Dataset(tmp_path / "out").sessions
    lines = (session.path / "labels.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["one", "two"]
    report = verify.verify(tmp_path / "out")
    assert report.ok and not report.findings, report.findings
    assert not sessions(board.files()), "everything was acknowledged"


def test_half_a_line_on_the_console_holds_up_nothing(tmp_path):
    """What a terminal sends before Enter is pressed: reading on for the rest of the line stopped the recorder."""
    board = make(tmp_path, motion_only())
    script = [
        (recording(2), lambda: board._process.stdin.write(b"\x01ex")),
        (recording(7), lambda: board._process.stdin.write(b"it\r\n")),  # time has gone on in between
    ]
    said = asyncio.run(talk(board, script))
    assert said[-1]["state"] == "done" and asyncio.run(board.wait()) == 0
    (files,) = sessions(board.files()).values()
    account = json.loads(files["ledger.json"])["streams"]["imu"]
    assert account["expected"] == account["stored"] > 3 * 104 and not account["lost"]
