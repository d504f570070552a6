"""Wrong calls of every command: exit code 2, one sentence, a JSON object if asked for, never a traceback, nothing left
behind. And Ctrl-C.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from host.commands import main
from tests.spine import rig
from tests.tools import signals
from tests.tools.micropython import HOW_TO_GET, interpreter

needs_board = pytest.mark.skipif(interpreter("64-bit") is None, reason=HOW_TO_GET["64-bit"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder with all sorts of wrong files beside it."""
    monkeypatch.setenv("MOTELOG_PYTHON", "system")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("directory").mkdir()
    Path("garbage").write_bytes(b"garbage\n")
    Path("empty").touch()
    rows = np.arange(600).reshape(100, 6)
    np.save("good.npy", rows.astype("<i2"))
    np.save("floats.npy", rows.astype("f4"))
    np.save("big_endian.npy", rows.astype(">i2"))
    np.save("four.npy", rows[:, :4].astype("<i2"))
    np.save("none.npy", rows[:0].astype("<i2"))
    np.save("objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.savez("archive.npz", rows)
    Path("short.npy").write_bytes(Path("good.npy").read_bytes()[:500])
    for name, parameters, data in (
        ("stereo.wav", (2, 2, 16000), b"\0" * 400), ("bytes.wav", (1, 1, 16000), b"\0" * 400),
        ("none.wav", (1, 2, 16000), b""), ("slow.wav", (1, 2, 300), b"\0" * 400),
    ):  # fmt: skip
        with wave.open(name, "wb") as file:
            file.setparams((*parameters, 0, "NONE", ""))
            file.writeframes(data)
    Path("short.wav").write_bytes(Path("slow.wav").read_bytes()[:30])
    return here


DEMO = ["demo", "--clock", "virtual", "--seconds", "1"]
NPY = ["floats.npy", "big_endian.npy", "four.npy", "none.npy", "objects.npy", "archive.npz", "short.npy"]
WAV = ["stereo.wav", "bytes.wav", "none.wav", "slow.wav", "short.wav"]
NO_FILE = ["absent", "directory", "garbage", "empty", "/dev/null"]
CALLS = [
    *([*DEMO, "--imu", name] for name in NPY + NO_FILE),
    *([*DEMO, "--mic", name] for name in WAV + NO_FILE),
    *(["demo", "--seconds", text] for text in ("0", "-1", "nan", "inf", "1e99", "abc", "")),
    *([*DEMO, "--imu-rate", text] for text in ("0", "-1", "nan", "inf", "100", "1e99", "abc")),
    *([*DEMO, "--mic-rate", text] for text in ("0", "-1", "7999", "999999999", "16000.5")),
    *([*DEMO, "--flash-kb", text] for text in ("0", "-1", "255", "1000000000", "abc")),
    *([*DEMO, "--out", text] for text in ("garbage", "garbage/sub", "/dev/null", "/proc/nonesuch")),
    *([command, name] for command in ("verify", "plot") for name in NO_FILE),
    *([command] for command in ("verify", "plot", "check")),
    ["plot", "directory", "--out", "x.png"],
    *(["collect", "--port", "0", "--out", name] for name in ("garbage", "/dev/null", "/proc/nonesuch")),
    *(["collect", "--out", "directory", "--port", text] for text in ("-1", "65536", "http", "")),
    *(["collect", "--out", "directory", "--port", "0", "--host", text] for text in ("999.1.1.1", "nonesuch.invalid")),
    *(["collect", "--out", "directory", "--port", "0", "--token-file", name] for name in NO_FILE[:2] + NO_FILE[3:]),
    *(["collect", "--out", "directory", "--port", "0", "--cert-dir", name] for name in ("garbage", "/proc/nonesuch")),
    *(["collect", "--port", "0", "--store", text] for text in ("x", "ftp://x/y", "file:///dev/null", "file:///proc/x")),
    ["collect", "--out", "directory", "--store", "file:///x"],
    ["collect", "--out", "directory", "--no-https"],
    ["collect", "--out", "directory", "--port", "0", "--presign"],
    *(["collect", "--out", "directory", "--mqtt", text] for text in ("x", "mqtt://", "http://x", "mqtt://u:p@x")),
    ["collect", "--out", "directory", "--mqtt", "mqtt://x", "--group", "a/b"],
    *(["collect", "--out", "directory", "--mqtt", "mqtts://x", "--mqtt-ca", name] for name in NO_FILE),
    *(["command", *words] for words in ([], ["x"], ["x", "stop"], ["../x", "stop", "--mqtt", "mqtt://x"])),
    *(["command", "x", line, "--mqtt", "mqtt://x"] for line in ("", " ", "stop\nstart")),
    ["command", "x", "stop", "--mqtt", "mqtt://x", "--timeout", "0"],
    *(["check", name] for name in NO_FILE),
    ["check", "absent", "--secrets", "absent"],
    *(["board", "--seconds", "1", option, name] for option in ("--config", "--secrets", "--world") for name in NO_FILE),
    *(["board", "--seconds", "1", "--clock", "virtual", "--imu", name] for name in NPY + NO_FILE),
    *(["board", "--seconds", "1", "--clock", "virtual", "--mic", name] for name in WAV[:3] + WAV[4:] + NO_FILE),
    *(["board", "--clock", "virtual", "--seconds", text] for text in ("0", "-1", "nan", "inf", "1e99", "abc")),
    *(["board", "--seconds", "1", "--flash", name] for name in ("directory", "garbage", "/proc/nonesuch/x")),
    *(["board", "--seconds", "1", "--flash-kb", text] for text in ("0", "-1", "64", "1000000000")),
    *(["board", "--seconds", "1", "--clock", "virtual", "--url", text] for text in ("nonsense", "https://", "ftp://x")),
    *(["board", "--seconds", "1", "--url", "https://localhost:1", "--ca", name] for name in NO_FILE),
    ["bench", "--seconds", "0"],
    *(["libs", "--from", name] for name in NO_FILE if name != "directory"),
]  # fmt: skip


@needs_board
@pytest.mark.parametrize("words", CALLS, ids=lambda words: " ".join(words))
def test_a_wrong_call_is_a_sentence_and_exit_code_2(folder, words, capfd):
    before = sorted(os.listdir())
    takes_json = words[0] in ("demo", "verify", "plot", "check", "collect", "command", "bench")
    for extra in (["--json"] if takes_json else []), []:
        try:
            code = main([*words, *extra])
        except SystemExit as end:  # argparse
            code = end.code
        output, errors = capfd.readouterr()
        assert code == 2, (code, output, errors)
        assert "Traceback" not in output + errors and "Errno" not in output + errors
        if extra:
            said = json.loads(output)
            assert said["ok"] is False and (said.get("error") or said.get("errors"))
        told = errors + output
        assert told.strip() and max(map(len, told.splitlines())) < 400
    assert sorted(os.listdir()) == before


def test_a_port_in_use_is_named(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["collect", "--out", "directory", "--host", "127.0.0.1", "--port", str(port)]) == 2
        assert f"port {port} of 127.0.0.1" in capsys.readouterr().err


def test_the_tables_are_legible_at_80_columns(capsys):
    from rich.console import Console

    from host import collect, verify

    device = {"last_seen": "2026-01-02T03:04:05+00:00", "latest_session": "00012-00-1a2b3c4d", "segments": 12345,
              "bytes": 123456789, "stored": 12345, "repeated": 123, "refused": 45,
              "reported": {"state": "recording"}}  # fmt: skip
    console = Console(width=80)
    console.print(collect._table({"free_bytes": 10**11, "devices": {"wrist-01": device, "new": collect_never(device)}}))
    row = {"device": "wrist-01", "session": "00012-00-1a2b3c4d", "stream": "imu", "state": "complete", "segments": 12,
           "expected": 1234567, "stored": 1200000, "lost": {"retention": 34567}, "unknown": 0, "rate_hz": 104,
           "rate_measured_hz": 106.389}  # fmt: skip
    verify.show(verify.Report(Path("."), [row], []), console)
    output = capsys.readouterr().out
    for word in (
        "00012-00-1a2b3c4d",
        "12345",
        "123.46",
        "refused",
        "recording",
        "expected",
        "1234567",
        "34567",
        "retention",
        "106.389 Hz",
    ):
        assert word in output, output
    assert max(map(len, output.splitlines())) <= 80


def collect_never(device):
    return device | {"last_seen": None, "latest_session": None}


@needs_board
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("number", "start"), [
    (signal.SIGINT, signals.attend), (signal.SIGINT, signals.ignore), (signal.SIGTERM, signals.ignore),
], ids=["SIGINT", "SIGINT-in-the-background", "SIGTERM-in-the-background"])  # fmt: skip
@pytest.mark.parametrize("words", [
    ["demo", "--seconds", "60", "--out", "o", "--json"],
    ["board", "--config", str(rig.ROOT / "config/examples/virtual.json"), "--seconds", "60"],
    ["collect", "--port", "0", "--host", "127.0.0.1", "--out", "o", "--json"],
], ids=lambda words: words[0])  # fmt: skip
def test_an_interrupted_command_leaves_nothing_behind(folder, tmp_path, words, number, start):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, str(rig.ROOT / "deploy.py"), "--system-python", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"TMPDIR": str(temporary)}, preexec_fn=start,
    )  # fmt: skip
    for line in process.stdout:
        if "session 0" in line or '"url"' in line:
            break
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == (130 if words[0] == "demo" else 0), output
    assert "Traceback" not in output
    assert not list(temporary.iterdir())
    assert not [entry for entry in Path("/proc").glob("[0-9]*/cwd") if _is_below(entry, tmp_path)]


def _is_below(link, folder):
    """Does a process of which `/proc/<pid>/cwd` is `link` (not our own) work in `folder`?"""
    try:
        return link.parent.name != str(os.getpid()) and Path(os.readlink(link)).is_relative_to(folder)
    except OSError:
        return False  # it has ended, or is somebody else's


def test_an_output_that_nobody_reads_is_no_traceback(folder):
    command = f"{sys.executable} {rig.ROOT / 'deploy.py'} --system-python check absent --json | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
