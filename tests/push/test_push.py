"""`push`, `pull` and `monitor` on a virtual board that mpremote would not tell from a real one."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host import libs, monitor, verify
from host.board import EXAMPLE
from host.commands import Parser
from host.pull import command as pull
from host.push import command as push
from host.push import wire
from host.virtual.world import world_for
from tests.tools.micropython import HOW_TO_GET, interpreter
from tests.virtual.console_client import connected, powered, until
from tests.virtual.leap import Leap

ROOT = Path(__file__).parents[2]
CONFIG = json.loads(EXAMPLE.read_text())
IMU = CONFIG["streams"]["imu"] | {"segment_frames": 64}
MOTION = {"version": 1, "device": "wrist-01", "board": "virtual", "buses": CONFIG["buses"], "streams": {"imu": IMU},
          "storage": {"stall_ms": 30}}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(MOTION))
    return path


@pytest.fixture
def console(tmp_path):
    with powered(tmp_path / "board", **world_for(MOTION, flash_kb=2048)) as made:
        yield made


def call(command, capsys, *words):
    """-> (exit code, the JSON object, what was said on standard error)"""
    parser = Parser()
    command.add_arguments(parser)
    code = command.run(parser.parse_args([*map(str, words), "--json"]))
    captured = capsys.readouterr()
    return code, json.loads(captured.out.splitlines()[-1]), captured.err


def watch(console, capsys, monkeypatch, enough):
    """`monitor` until a status that is `enough`. -> as `call`"""
    plain = wire.Wire.lines

    def lines(self, seconds):
        for line in plain(self, seconds):
            yield line
            if (status := monitor._status(line)) and enough(status):
                return

    with monkeypatch.context() as patch:
        patch.setattr(wire.Wire, "lines", lines)
        return call(monitor, capsys, "--port", console.port, "--seconds", 120)


def has_recorded(status) -> bool:
    """More than a segment."""
    return status["state"] == "recording" and status["streams"]["imu"]["frames"] > 64


def test_from_an_empty_board_to_a_verified_data_set(config, console, tmp_path, capsys, monkeypatch):
    code, first, _ = call(push, capsys, config, "--port", console.port)
    assert code == 0, first
    row = first["boards"][0]
    assert row["status"]["state"] == "recording" and "/app/main.mpy" in row["copied"] and row["unchanged"] == 0

    code, told, _ = watch(console, capsys, monkeypatch, has_recorded)
    assert code == 0 and has_recorded(told)

    out = tmp_path / "data"
    code, pulled, _ = call(pull, capsys, "--port", console.port, "--out", out)
    assert code == 0 and pulled["files"] >= 4 and pulled["restarted"], pulled
    session = next(path for path in (out / "wrist-01").iterdir())
    assert json.loads((session / "ledger.json").read_text())["reason"] == "stop"
    parser = Parser()
    verify.add_arguments(parser)
    assert verify.run(parser.parse_args([str(out)])) == 0
    capsys.readouterr()

    code, again, _ = call(pull, capsys, "--port", console.port, "--out", out, "--delete", "--no-restart")
    assert code == 0 and again["known"] == pulled["files"] and again["deleted"] >= pulled["files"] / 2
    code, empty, _ = call(pull, capsys, "--port", console.port, "--out", out, "--no-restart")
    assert code == 0 and (empty["files"], empty["known"]) == (0, 0)
    parser = Parser()
    verify.add_arguments(parser)
    assert verify.run(parser.parse_args([str(out)])) == 0


def test_push_and_pull_on_a_32_bit_board(config, tmp_path, capsys, monkeypatch):
    micropython = interpreter("32-bit")
    if not micropython:
        pytest.skip(HOW_TO_GET["32-bit"])
    with powered(tmp_path / "board", micropython, **world_for(MOTION, flash_kb=2048)) as console:
        code, told, _ = call(push, capsys, config, "--port", console.port)
        assert code == 0 and told["boards"][0]["status"]["state"] == "recording", told
        code, _, _ = watch(console, capsys, monkeypatch, lambda status: status["state"] == "recording")
        assert code == 0
        code, told, _ = call(pull, capsys, "--port", console.port, "--out", tmp_path / "data", "--delete")
        assert code == 0 and told["deleted"] >= 3, told
    parser = Parser()
    verify.add_arguments(parser)
    assert verify.run(parser.parse_args([str(tmp_path / "data")])) == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", ["push", "pull"])
def test_the_program_is_killed_at_any_moment(config, console, tmp_path, capsys, command):
    """The real program, with kill -9; then the power goes. The same again goes through."""
    words = {"push": ["push", str(config)], "pull": ["pull", "--out", str(tmp_path / "data")]}[command]
    if command == "pull":
        call(push, capsys, config, "--port", console.port)
    environment = os.environ | {"MOTELOG_PYTHON": "system", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    console.end()
    for after_s in (1.5, 2.2, 2.9, 3.6, 4.3):
        with powered(tmp_path / "board", **world_for(MOTION, flash_kb=2048)) as board:
            program = subprocess.Popen(
                [sys.executable, str(ROOT / "deploy.py"), *words, "--port", board.port], env=environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(after_s)
            program.kill()
            program.wait()
    with powered(tmp_path / "board", **world_for(MOTION, flash_kb=2048)) as board:
        code, told, _ = call(push, capsys, config, "--port", board.port)
        assert code == 0 and told["boards"][0]["status"]["state"] == "recording", told
        code, told, _ = call(pull, capsys, "--port", board.port, "--out", tmp_path / "data")
        assert code == 0, told
    parser = Parser()
    verify.add_arguments(parser)
    assert verify.run(parser.parse_args([str(tmp_path / "data")])) == 0


def test_bug_a_prompt_that_came_late_was_taken_for_the_programs_end(config, console, capsys, monkeypatch):
    """A slow board says `>>> ` on its way out of the raw REPL long after it was asked to leave it."""
    plain_write, plain_waiting = wire.Counted.write, wire.Wire._waiting
    silent_until = 0.0

    def write(self, data):
        nonlocal silent_until
        if data.endswith(b"\x02"):
            silent_until = time.monotonic() + 0.7
        return plain_write(self, data)

    monkeypatch.setattr(wire.Counted, "write", write)
    late = lambda self: plain_waiting(self) if time.monotonic() > silent_until else b""  # noqa: E731
    monkeypatch.setattr(wire.Wire, "_waiting", late)
    code, answer, said = call(push, capsys, config, "--port", console.port)
    assert code == 0, said
    assert silent_until and answer["boards"][0]["status"]["state"] == "recording"


def test_only_what_changed_is_copied(config, console, capsys):
    call(push, capsys, config, "--port", console.port)
    code, second, _ = call(push, capsys, config, "--port", console.port)
    assert code == 0 and second["boards"][0]["copied"] == [] and second["boards"][0]["unchanged"] > 50
    config.write_text(json.dumps(MOTION | {"device": "wrist-02"}))
    _, third, _ = call(push, capsys, config, "--port", console.port, "--dry-run")
    assert third["boards"][0]["copied"] == ["/config.json"] and "status" not in third["boards"][0]
    _, fourth, _ = call(push, capsys, config, "--port", console.port)
    assert fourth["boards"][0]["copied"] == ["/config.json"] and fourth["boards"][0]["status"]["state"] == "recording"


def test_secrets_have_a_file_of_their_own_and_are_never_shown(config, console, capsys):
    (config.parent / "secrets.json").write_text('{"wifi": {"home": "pass-word-1"}}')
    code, told, err = call(push, capsys, config, "--port", console.port)
    assert code == 0 and "/secrets.json" in told["boards"][0]["copied"]
    assert "pass-word-1" not in json.dumps(told) + err
    with connected(console) as board:
        assert "pass-word-1" in board.eval("open('/secrets.json').read()")
    (config.parent / "secrets.json").unlink()
    _, told, _ = call(push, capsys, config, "--port", console.port)
    assert told["boards"][0]["removed"] == ["/secrets.json"]


def test_what_is_somebody_elses_stays(config, console, capsys):
    with connected(console) as board:
        board.fs_writefile("/main.py", b"print('mine')\n")
        board.fs_writefile("/notes.txt", b"mine, too")
    code, told, _ = call(push, capsys, config, "--port", console.port)
    assert code == 1 and "/main.py" in told["boards"][0]["error"] and "--take-over" in told["boards"][0]["error"]
    with connected(console) as board:
        assert board.eval("open('/main.py').read()") == "print('mine')\n" and not board.fs_exists("/app")
    code, told, _ = call(push, capsys, config, "--port", console.port, "--take-over")
    assert code == 0 and told["boards"][0]["kept_aside"] == ["/main.py"]
    with connected(console) as board:
        assert board.eval("open('/main.py.before-motelog').read()") == "print('mine')\n"
        assert board.eval("open('/notes.txt').read()") == "mine, too"


def test_a_file_that_the_configuration_names_lies_beside_it(config, console, capsys):
    upload = {"https": {"url": "https://127.0.0.1:9", "ca_file": "/ca.der"}}
    config.write_text(json.dumps(MOTION | {"upload": upload}))
    code, told, _ = call(push, capsys, config, "--port", console.port)
    assert code == 1 and "put ca.der beside it" in told["boards"][0]["error"]
    (config.parent / "ca.der").write_bytes(b"0123")
    code, told, _ = call(push, capsys, config, "--port", console.port, "--dry-run")
    assert code == 0 and "/ca.der" in told["boards"][0]["copied"]


@pytest.mark.parametrize(
    "upload, names",
    [({"ble": {}}, ("aioble/core", "aioble/security")), ({"ble": {}, "bundle": "stored"}, ("aioble/core", "zipfile"))],
)
def test_the_packages_that_the_configuration_needs_come_along(config, console, capsys, upload, names):
    if not all(map(libs.is_present, libs.needed({"upload": upload}))):
        pytest.skip("no board packages: get them with `python3 deploy.py libs --from DIR` (DIR: their clones)")
    config.write_text(json.dumps(MOTION | {"upload": upload}))
    code, told, _ = call(push, capsys, config, "--port", console.port, "--dry-run")
    packages = [path for path in told["boards"][0]["copied"] if path.startswith("/lib/")]
    assert code == 0 and {f"/lib/{name}.mpy" for name in names} <= set(packages)
    assert not [path for path in packages if "central" in path or "l2cap" in path]


@pytest.mark.parametrize(
    ("flash", "said"),
    [
        ({"size_kb": 256}, "flash is full"),
        ({"size_kb": 2048, "read_only": True}, "read-only"),
    ],
)
def test_a_flash_that_takes_nothing(config, tmp_path, capsys, flash, said):
    world = world_for(MOTION) | {"flash": flash}
    if "read_only" in flash:
        with powered(tmp_path / "board", **world | {"flash": {"size_kb": 2048}}) as console, connected(console):
            pass  # formatted
    with powered(tmp_path / "board", **world) as console:
        code, told, _ = call(push, capsys, config, "--port", console.port)
        assert code == 1 and said in told["boards"][0]["error"]


def test_a_damaged_file_system(config, tmp_path, capsys):
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "flash.bin").write_bytes(b"\x5a" * (1 << 20))
    with powered(tmp_path / "board", **world_for(MOTION) | {"flash": {"size_kb": 1024}}) as console:
        code, told, _ = call(push, capsys, config, "--port", console.port)
        assert code == 1 and "no working file system" in told["boards"][0]["error"]


@pytest.mark.parametrize("why", ["--dry-run", "refused"])
def test_a_board_that_is_not_changed_records_on(config, console, capsys, monkeypatch, why):
    call(push, capsys, config, "--port", console.port)
    if why == "refused":
        config.write_text(json.dumps(MOTION | {"upload": {"https": {"url": "https://127.0.0.1:9", "ca_file": "/x"}}}))
    code, _, _ = call(push, capsys, config, "--port", console.port, *([why] if why == "--dry-run" else []))
    assert code == (why == "refused")
    code, told, _ = watch(console, capsys, monkeypatch, has_recorded)
    assert code == 0 and has_recorded(told)


def test_a_laptop_that_goes_during_a_push_leaves_no_board_at_its_prompt(config, console, tmp_path, capsys, monkeypatch):
    class Gone(BaseException):
        pass

    call(push, capsys, config, "--port", console.port)

    def stage(*_):
        monkeypatch.setattr("host.push.wire.Wire.go_on", lambda self: None)
        raise Gone

    monkeypatch.setattr("host.push.onboard.stage", stage)
    leap = Leap(tmp_path / "leap", wire.GIVEN_UP_S + 1)
    monkeypatch.setattr("host.push.wire._WATCH", leap.code + wire._WATCH)
    config.write_text(json.dumps(MOTION | {"device": "wrist-02"}))
    with pytest.raises(Gone):
        call(push, capsys, config, "--port", console.port)
    console.seen.clear()  # it has recorded before, too
    leap.now()
    until(lambda: b'"recording"' in console.seen, lambda: bytes(console.seen))


def test_a_board_that_is_busy_in_a_loop(config, console, capsys):
    with connected(console) as board:
        board.exec_raw_no_follow("while True:\n    pass")
    code, told, _ = call(push, capsys, config, "--port", console.port, "--dry-run")
    assert code == 0, told


def test_bug_a_laptop_that_was_late_to_look_missed_that_the_board_was_back(console):
    """All that a soft reset prints had come before it read the first of it."""
    there = wire.Wire(console.port)
    there.interrupt()
    console.seen.clear()

    def write_and_look_late(data, plain=there.serial.write):
        there.serial.write = plain
        plain(data)
        until(lambda: console.seen.endswith(wire._RAW), lambda: bytes(console.seen))
        until(lambda: there.serial.inWaiting() == len(console.seen), "the port has it")

    there.serial.write = write_and_look_late
    there.fresh()
    assert there.run("print(6 * 7)") == "42\n"
    there.close()


def test_bug_a_board_that_was_late_with_its_prompt_was_said_not_to_record(console):
    """The prompt, not that of the new start, was taken for the program's end."""
    there = wire.Wire(console.port)
    there.interrupt()
    nothing, plain = iter(range(300)), there.serial.inWaiting  # looks, one in 2 ms
    there.serial.inWaiting = lambda: plain() if next(nothing, None) is None else 0
    there.start_program()
    assert next(line for line in there.lines(120) if line.strip()) == "MPY: soft reboot"
    there.close()


def test_a_program_that_does_not_give_way(config, console, capsys, monkeypatch):
    monkeypatch.setattr("host.push.wire.INTERRUPT_S", 1.5)
    plain = wire.Wire._read_for

    def until_it_says_something(self, seconds, ending=None):
        seen = plain(self, seconds, ending)
        while not seen:
            seen = plain(self, seconds, ending)
        return seen

    monkeypatch.setattr(wire.Wire, "_read_for", until_it_says_something)
    with connected(console) as board:
        program = "while True:\n  try:\n    while True: say('no')\n  except KeyboardInterrupt: pass"  # without garbage
        board.exec_raw_no_follow("import sys\nsay = sys.stdout.write\n" + program)
    code, told, _ = call(push, capsys, config, "--port", console.port)
    assert code == 1 and "does not give way to Ctrl-C" in told["boards"][0]["error"]


def test_no_board_two_boards_and_none_there(config, capsys, monkeypatch):
    monkeypatch.setattr("host.push.ports.usb_ports", lambda: [])
    code, told, _ = call(push, capsys, config)
    assert code == 1 and "no board found on USB" in told["error"] and "`deploy.py board`" in told["error"]
    monkeypatch.setattr("host.push.ports.usb_ports", lambda: ["/dev/ttyA", "/dev/ttyB"])
    code, told, _ = call(push, capsys, config)
    assert code == 1 and "2 boards found, /dev/ttyA, /dev/ttyB" in told["error"]
    code, told, _ = call(push, capsys, config, "--port", "auto", "/dev/ttyA")
    assert code == 1 and "--port auto stands alone" in told["error"]
    code, told, _ = call(push, capsys, config, "--port", "/dev/no-such-port")
    assert code == 1 and "cannot be opened: there is no such port" in told["boards"][0]["error"]
    code, told, _ = call(push, capsys, config, "--port", str(config))
    assert code == 1 and "that is a file, not a serial port" in told["boards"][0]["error"]


def test_a_port_that_somebody_else_has(config, console, capsys):
    with connected(console):
        code, told, _ = call(push, capsys, config, "--port", console.port)
    assert code == 1 and "another program has it open" in told["boards"][0]["error"]


def test_a_port_without_a_board(config, capsys, monkeypatch):
    import os

    monkeypatch.setattr("host.push.wire.INTERRUPT_S", 1)
    master, slave = os.openpty()
    code, told, _ = call(push, capsys, config, "--port", os.ttyname(slave))
    assert code == 1 and "nothing there answers" in told["boards"][0]["error"]


@pytest.mark.parametrize(
    ("patched", "said"),
    [("(1, 29, 0)[:0] + (1, 23, 0)", "too old"), (None, ".mpy files of version 5.3")],
)
def test_a_micropython_that_does_not_fit(config, console, capsys, monkeypatch, patched, said):
    from host.push import onboard

    if patched:
        facts = onboard._FACTS.replace("tuple(v.version[:3])", patched)
    else:
        facts = onboard._FACTS.replace("getattr(v, '_mpy', 0)", "v._mpy - 1")
    monkeypatch.setattr(onboard, "_FACTS", facts)
    code, told, _ = call(push, capsys, config, "--port", console.port)
    assert code == 1 and said in told["boards"][0]["error"]


def test_a_configuration_for_another_board(config, console, capsys):
    config.write_text(json.dumps(MOTION | {"board": "esp32"}))
    code, told, _ = call(push, capsys, config, "--port", console.port)
    assert code == 1 and "for the board esp32 (esp32), but this is linux" in told["boards"][0]["error"]


def test_two_boards_at_once_have_names_of_their_own(config, tmp_path, capsys):
    world = world_for(MOTION, flash_kb=2048)
    with (
        powered(tmp_path / "a", **world, unique_id="0000000000aa") as a,
        powered(tmp_path / "b", **world, unique_id="0000000000bb") as b,
    ):
        code, told, _ = call(push, capsys, config, "--port", a.port, b.port)
        assert code == 0 and [row["device"] for row in told["boards"]] == ["wrist-01-00aa", "wrist-01-00bb"]


def test_two_boards_of_the_same_number_do_not_share_a_name(config, tmp_path, capsys):
    world = world_for(MOTION, flash_kb=2048) | {"unique_id": "0000000000aa"}
    with powered(tmp_path / "a", **world) as a, powered(tmp_path / "b", **world) as b:
        code, told, _ = call(push, capsys, config, "--port", a.port, b.port, "--dry-run")
    errors = [row["error"] for row in told["boards"] if "error" in row]
    assert code == 1 and len(errors) == 1 and "it would be called wrist-01-00aa" in errors[0]


def test_a_wrong_configuration_reaches_no_board(config, capsys):
    config.write_text('{"version": 1}')
    code, told, _ = call(push, capsys, config, "--port", "/dev/no-such-port")
    assert code == 2 and "config.json" in told["error"]


def test_a_push_ends_safe_mode(config, console, capsys):
    call(push, capsys, config, "--port", console.port)
    with connected(console) as board:
        board.fs_writefile("/boots.json", b'{"count": 20, "why": null}')
    code, told, _ = call(push, capsys, config, "--port", console.port)
    assert code == 0 and told["boards"][0]["status"]["state"] == "recording"


FILL = """
import os
while True:
    try:
        with open('/mine', 'ab') as f: f.write(bytes(2000))
    except OSError: break
"""


def test_a_flash_that_is_full_in_the_middle_keeps_the_old_version(config, tmp_path, capsys, monkeypatch):
    """Where it was not foreseen: the count of free blocks is a guess on some file systems."""
    monkeypatch.setattr("host.push.plan.Plan.flash_bytes", lambda self, block: 0)
    with powered(tmp_path / "board", **world_for(MOTION, flash_kb=1024)) as console:
        call(push, capsys, config, "--port", console.port)
        with connected(console) as board:
            board.exec(FILL)
        config.write_text(json.dumps(MOTION | {"device": "x" * 30}))
        code, told, _ = call(push, capsys, config, "--port", console.port)
        assert code == 1 and "flash is full: `deploy.py pull --delete` makes room" in told["boards"][0]["error"]
        with connected(console) as board:
            assert "wrist-01" in board.eval("open('/config.json').read()")
            assert not [name for name in board.eval("__import__('os').listdir('/')") if name.endswith(".new")]
            board.fs_rmfile("/mine")
        code, told, _ = call(push, capsys, config, "--port", console.port)
        assert code == 0 and told["boards"][0]["device"] == "x" * 30


@pytest.mark.slow
def test_a_damaged_flash_is_a_sentence_whatever_is_damaged(config, tmp_path, capsys, monkeypatch):
    """Blocks of an installation at random: push mends it, or says what is to be done; never a trace."""
    monkeypatch.setattr("host.push.wire.INTERRUPT_S", 3)  # LittleFS can turn in a circle
    world = world_for(MOTION, flash_kb=1024)
    with powered(tmp_path / "whole", **world) as console:
        call(push, capsys, config, "--port", console.port)
    image = (tmp_path / "whole" / "flash.bin").read_bytes()
    used = [i for i in range(len(image) // 4096) if image[i * 4096 : i * 4096 + 64].strip(b"\xff")]
    config.write_text(json.dumps(MOTION | {"device": "wrist-02"}))
    for seed in range(12):
        chance, broken = random.Random(seed), bytearray(image)
        for i in chance.sample(used, 1 + seed * 2):
            broken[i * 4096 : (i + 1) * 4096] = chance.choice((bytes(4096), chance.randbytes(4096)))
        (tmp_path / f"at{seed}").mkdir()
        (tmp_path / f"at{seed}" / "flash.bin").write_bytes(broken)
        with powered(tmp_path / f"at{seed}", **world) as console:
            code, told, _ = call(push, capsys, config, "--port", console.port)
        if code:
            expected = "file system", "Ctrl-C", "did not arrive", "does not record", "RuntimeError: flash"
            assert any(words in told["boards"][0]["error"] for words in expected), (seed, told)
        else:
            assert told["boards"][0]["status"]["state"] in ("recording", "waiting"), (seed, told)
