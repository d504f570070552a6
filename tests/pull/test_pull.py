"""`pull` where something goes wrong: cut off, damaged on the wire, in conflict, a laptop that went away."""

import argparse
import asyncio
import contextlib
import json
import shutil

import pytest

from host import verify
from host.board import EXAMPLE
from host.pull import command, files, link
from host.push import wire
from host.virtual import VirtualBoard
from host.virtual.world import world_for
from tests.virtual.cable import Cable
from tests.virtual.console_client import powered, until
from tests.virtual.leap import Leap

CONFIG = json.loads(EXAMPLE.read_text()) | {"schedule": {"duration_s": 5}}
CONFIG.pop("upload")
CONFIG.pop("$schema")
CONFIG["streams"]["mic"]["segment_frames"] = 16384


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A flash image with a session of 5 s of motion and sound."""
    workdir = tmp_path_factory.mktemp("recorded")
    board = VirtualBoard(world_for(CONFIG, clock="virtual", flash_kb=2048), workdir)
    board.install(config=CONFIG, secrets={}, files={"/main.py": b"print('begins anew')\n"})

    async def record():
        await board.start()
        return await asyncio.wait_for(board.wait(), 300)

    assert asyncio.run(record()) == 0
    return workdir / "flash.bin"


@pytest.fixture
def console(recorded, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "HEAR_S", 0.2)
    (tmp_path / "board").mkdir()
    shutil.copy(recorded, tmp_path / "board" / "flash.bin")
    with powered(tmp_path / "board", flash={"size_kb": 2048}) as made:
        yield made


def pull(console, capsys, out, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    code = command.run(parser.parse_args(["--port", console.port, "--out", str(out), "--json", *words]))
    return code, json.loads(capsys.readouterr().out)


def test_wire_bytes(console, tmp_path, capsys):
    code, told = pull(console, capsys, tmp_path / "out", "--no-restart")
    assert code == 0 and told["bytes"] > 150_000
    assert told["wire_bytes"] / told["bytes"] < 1.4


def test_a_pull_that_was_cut_off_goes_on(console, tmp_path, capsys, monkeypatch):
    class Cut(BaseException):
        pass

    plain_read, plain_write = wire.Counted.read, wire.Counted.write

    def read(self, size=1):
        if self.received > 100_000:
            raise Cut
        return plain_read(self, size)

    def write(self, data):
        if self.received > 100_000:
            raise Cut
        return plain_write(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(wire.Counted, "read", read)
        patch.setattr(wire.Counted, "write", write)
        with pytest.raises(Cut):
            pull(console, capsys, tmp_path / "out")
    capsys.readouterr()
    (partial,) = files.partial_folder().iterdir()
    had = partial.stat().st_size
    assert had > 0
    code, told = pull(console, capsys, tmp_path / "out", "--no-restart")
    assert code == 0 and told["known"] > 0
    assert told["wire_bytes"] < 1.4 * (told["bytes"] - had) + 12_000, "what was there came over again"
    assert not list(files.partial_folder().iterdir())


def test_a_partial_file_that_does_not_fit_is_fetched_anew(console, tmp_path, capsys):
    there = wire.Wire(console.port)
    there.interrupt()
    there.fresh()
    opened = link.Link(there)
    parts = [part for entry in opened.listing() for part in entry.parts if part.remote.endswith(".npy")]
    opened.bye()
    there.close()
    files.partial_folder().mkdir(parents=True)
    (files.partial_folder() / parts[0].sha256).write_bytes(bytes(100))
    (files.partial_folder() / parts[-1].sha256).write_bytes(bytes(parts[-1].size + 1))
    code, told = pull(console, capsys, tmp_path / "out", "--no-restart")
    assert code == 0, told
    parser = argparse.ArgumentParser()
    verify.add_arguments(parser)
    assert verify.run(parser.parse_args([str(tmp_path / "out")])) == 0


def test_a_small_file_costs_little_more_than_its_base64(console):
    """64 KB with everything around it: asking, the program that sends, the answer."""
    there = wire.Wire(console.port)
    there.interrupt()
    there.fresh()
    there.run("f=open('/x','wb')\nfor _ in range(64): n=f.write(bytes(1024))\nf.close()")
    before = there.serial.sent + there.serial.received
    there.fresh()
    opened = link.Link(there)
    assert sum(map(len, opened.read(link.Part("", "/x", 65536, ""), 0))) == 65536
    opened.bye()
    assert there.serial.sent + there.serial.received - before < 1.38 * 65536
    there.close()


def test_a_board_without_deflate_gets_the_program_as_it_is(console, monkeypatch):
    there = wire.Wire(console.port)
    there.interrupt()
    there.fresh()
    monkeypatch.setattr(link, "packed", lambda source: "raise ImportError(\"no module named 'deflate'\")")
    assert link.Link(there).listing()
    there.close()


def test_a_board_without_motelog(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "HEAR_S", 0.2)
    with powered(tmp_path / "board") as console:
        code, told = pull(console, capsys, tmp_path / "out")
    assert code == 1 and "there is no Motelog on the board" in told["error"]


def test_what_the_wire_damages_is_asked_for_again(console, tmp_path, capsys, monkeypatch):
    plain, damaged = link.Link.read, []

    def read(self, part, offset):
        for piece in plain(self, part, offset):
            if part.remote not in damaged:
                damaged.append(part.remote)
                piece = bytes([piece[0] ^ 1]) + piece[1:]
            yield piece

    monkeypatch.setattr(link.Link, "read", read)
    code, told = pull(console, capsys, tmp_path / "out", "--no-restart")
    assert code == 0 and len(damaged) == told["files"]


def test_a_file_that_never_comes_whole(console, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(link.Link, "read", lambda self, part, offset: iter([b"x"]))
    code, told = pull(console, capsys, tmp_path / "out", "--no-restart")
    assert code == 1 and "did not come over" in told["error"]


def names(folder) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_what_the_flash_has_lost_costs_no_other_file(recorded, tmp_path, capsys, monkeypatch):
    """A block of a recording is not what it was: its hash says so. The rest comes, and the damaged one stays there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "HEAR_S", 0.2)
    shutil.copytree(recorded.parent, tmp_path / "board")
    with powered(tmp_path / "board", flash={"size_kb": 2048}) as console:
        assert pull(console, capsys, tmp_path / "whole", "--no-restart")[0] == 0
    victim = next((tmp_path / "whole").glob("**/imu-000000.npy"))
    image = (tmp_path / "board" / "flash.bin").read_bytes()
    piece = victim.read_bytes()[2000:2100]  # of motion: the tone of the sound is in each of its files
    assert piece in image
    (tmp_path / "board" / "flash.bin").write_bytes(image.replace(piece, bytes(100)))
    with powered(tmp_path / "board", flash={"size_kb": 2048}) as console:
        code, told = pull(console, capsys, tmp_path / "out", "--no-restart", "--delete")
    assert code == 1 and f"{victim.name}: it did not come over" in told["error"] and len(told["refused"]) == 1
    assert names(tmp_path / "whole") - names(tmp_path / "out") == {victim.name, "imu-000000.json"}


@pytest.mark.parametrize(
    ("call", "where", "lost"),
    [
        ('with open(path, "rb") as file:', 'path.endswith("imu-000000.npy")', {"imu-000000.npy", "imu-000000.json"}),
        ("sidecar = files.read_json(path)", 'stem == "mic-000002"', {"mic-000002.wav", "mic-000002.json"}),
        ('if files.size_of(path) and (name == "session.json"', 'name == "ledger.json"', {"ledger.json"}),
    ],
)
def test_what_the_board_cannot_read_costs_no_other_file(console, tmp_path, capsys, monkeypatch, call, where, lost):
    text = link.SERVER.read_text()
    (line,) = [line for line in text.splitlines() if call in line]
    indent = line[: len(line) - len(line.lstrip())]
    (tmp_path / "server.py").write_text(text.replace(line, f"{indent}if {where}:\n{indent} raise OSError(84)\n{line}"))
    code, whole = pull(console, capsys, tmp_path / "whole", "--no-restart")
    monkeypatch.setattr(link, "SERVER", tmp_path / "server.py")
    code, told = pull(console, capsys, tmp_path / "out", "--no-restart")
    assert code == 1 and "the board's flash" in told["error"] and len(told["refused"]) == 1
    assert names(tmp_path / "whole") - names(tmp_path / "out") == lost and told["files"] == whole["files"] - len(lost)


def test_nothing_is_deleted_that_is_in_conflict(console, tmp_path, capsys):
    out = tmp_path / "out"
    code, told = pull(console, capsys, out, "--no-restart")
    assert code == 0
    victim = next(out.glob("*/*/imu-000000.npy"))
    victim.write_bytes(b"something else")
    code, told = pull(console, capsys, out, "--delete", "--no-restart")
    assert code == 1 and "imu-000000.npy" in told["refused"][0]
    victim.unlink()
    code, told = pull(console, capsys, out, "--delete", "--no-restart")
    assert code == 0 and told["files"] == 1, "the board still had it"
    code, told = pull(console, capsys, out, "--no-restart")
    assert (told["files"], told["known"]) == (0, 0)


def test_a_ledger_that_the_board_has_changed_since_does_not_stop_a_pull(console, tmp_path, capsys):
    out = tmp_path / "out"
    pull(console, capsys, out, "--no-restart")
    ledger = next(out.glob("*/*/ledger.json"))
    ledger.write_text(ledger.read_text() + " ")
    code, told = pull(console, capsys, out, "--no-restart")
    assert code == 0 and told["files"] == 0 and not told["refused"]


def hurried(tmp_path, monkeypatch) -> Leap:
    """The patience of the board's part of a pull can be over at once."""
    text = link.SERVER.read_text()
    assert "SILENCE_MS = 20000" in text
    leap = Leap(tmp_path / "leap", 21)
    (tmp_path / "server.py").write_text(leap.code + text)
    monkeypatch.setattr(link, "SERVER", tmp_path / "server.py")
    return leap


def begins_anew(console) -> None:
    until(lambda: b"begins anew" in console.seen, lambda: bytes(console.seen))


@pytest.mark.parametrize("battery", [True, False], ids=["battery", "powered by the cable"])
def test_the_cable_is_pulled(recorded, tmp_path, capsys, monkeypatch, battery):
    """A sentence; a board that goes on by itself; the next pull fetches the rest."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "HEAR_S", 0.2)
    leap = hurried(tmp_path, monkeypatch)
    shutil.copytree(recorded.parent, tmp_path / "board")
    with contextlib.ExitStack() as power:
        console = power.enter_context(powered(tmp_path / "board", flash={"size_kb": 2048}))
        for after in (30_000, 150_000):
            with Cable(console.port, after) as cable:
                code, told = pull(cable, capsys, tmp_path / "out")
                assert code == 1 and "the board is gone: unplugged" in told["error"]
                assert cable.pulled.wait(120)
            if battery:
                console.seen.clear()
                leap.now()
                begins_anew(console)
                leap.over()
            else:
                power.close()
                console = power.enter_context(powered(tmp_path / "board", flash={"size_kb": 2048}))
                begins_anew(console)
        code, told = pull(console, capsys, tmp_path / "out")
        assert code == 0, told
    assert told["known"] > 0 and told["files"] > 0
    assert not [found for found in verify.verify(tmp_path / "out").findings if found.level == "error"]


def test_a_board_whose_laptop_went_away_begins_anew(console, tmp_path, monkeypatch):
    leap = hurried(tmp_path, monkeypatch)
    there = wire.Wire(console.port)
    there.interrupt()
    there.fresh()
    link.Link(there)
    there.close()
    console.seen.clear()
    leap.now()
    begins_anew(console)


def test_the_program_starts_again_afterwards(console, tmp_path, capsys):
    code, told = pull(console, capsys, tmp_path / "out")
    assert code == 0 and told["restarted"]
    until(lambda: b"soft reboot\r\nbegins anew" in console.seen, lambda: bytes(console.seen))
