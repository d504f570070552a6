"""A push that is cut off anywhere, by its client's end or the board's power, leaves the old version or the new one."""

import contextlib
import json
import re
import shutil

import pytest

from host.push import install, plan, wire
from host.push.install import Order, Steps, push
from host.virtual.board import POWER_CUT
from tests.virtual.cable import Cable
from tests.virtual.console_client import powered, until
from tests.virtual.leap import Leap

MAIN = """
from app import a, b
def run():
    whole = {V} == a.V == b.V
    print('@{{"state": "recording", "version": %d, "whole": %s}}' % ({V}, "true" if whole else "false"))
"""


class Cut(BaseException):
    """The client is killed: nothing of it runs any more."""


def version(number: int) -> dict[str, bytes]:
    files = {"/main.py": plan.STUB.read_bytes(), "/app/main.py": MAIN.format(V=number).encode()}
    files |= {f"/app/{name}.py": f"V = {number}".encode() for name in "ab"}
    return files | {f"/app/only{number}.py": b"x" * 3000}


@pytest.fixture
def order(tmp_path, monkeypatch):
    def make(number):
        monkeypatch.setattr(plan, "wanted_files", lambda config, secrets, arch: version(number))
        return Order({"device": "d", "board": "virtual"}, None, tmp_path)

    return make


@pytest.fixture
def old(order, tmp_path):
    """A flash image with version 1."""
    with powered(tmp_path / "first") as console:
        assert push(console.port, order(1), Steps(lambda text: None, lambda *n: None))["status"]["version"] == 1
    return tmp_path / "first" / "flash.bin"


def boots(workdir) -> int:
    """-> the version that the board has after a power cycle; it is whole."""
    with powered(workdir) as console:
        return told_by(console)


def told_by(console) -> int:
    """-> the version that the board says it has; it is whole."""
    until(lambda: re.search(rb"@{.*}", bytes(console.seen)), lambda: bytes(console.seen))
    status = json.loads(re.search(rb"@({.*})", bytes(console.seen))[1])
    assert status["whole"], (status, bytes(console.seen))
    return status["version"]


def start_from(old, workdir) -> None:
    workdir.mkdir()
    shutil.copy(old, workdir / "flash.bin")


def push_quietly(console, order) -> dict:
    return push(console.port, order(2), Steps(lambda text: None, lambda *n: None))


def test_the_client_is_killed_at_a_byte(old, order, tmp_path, monkeypatch):
    """Bytes are counted from the soft reset on: how often a laptop has to ask until the board listens, and how many
    bytes it writes at once, is not the same twice.
    """
    sent, kill_at, plain = 0, None, wire.Counted.write

    def write(self, data):
        nonlocal sent
        sent += len(data)
        if kill_at is not None and sent >= kill_at:
            plain(self, data[: max(0, len(data) - (sent - kill_at))])
            raise Cut
        return plain(self, data)

    def fresh(self, plain=wire.Wire.fresh):
        nonlocal sent
        plain(self)
        sent = 0

    monkeypatch.setattr(wire.Counted, "write", write)
    monkeypatch.setattr(wire.Wire, "fresh", fresh)
    start_from(old, tmp_path / "whole")
    with powered(tmp_path / "whole") as console:
        push_quietly(console, order)
    total, ends = sent, []
    for kill_at in (*range(1, total - 6000, total // 6), *range(total - 6000, total - 100, 700), total - 1):
        workdir = tmp_path / f"at{kill_at}"
        start_from(old, workdir)
        sent = 0
        with powered(workdir) as console:
            with contextlib.suppress(Cut):  # the program that sets the clock is a few bytes longer at some times of day
                push_quietly(console, order)
        ends.append(boots(workdir))
        kill_at = None
        with powered(workdir) as console:
            assert push_quietly(console, order)["status"]["whole"], "the next push goes through"
    assert ends == sorted(ends) and ends[0] == 1 and ends[-1] == 2


@pytest.mark.parametrize("battery", [True, False], ids=["battery", "powered by the cable"])
def test_the_cable_is_pulled(old, order, tmp_path, monkeypatch, battery):
    """A sentence; and a board that boots a whole version by itself, on a battery when nobody has come for a while."""
    leap = Leap(tmp_path / "leap", wire.GIVEN_UP_S + 1)
    monkeypatch.setattr(wire, "_WATCH", leap.code + wire._WATCH)
    start_from(old, tmp_path / "board")
    ends = []
    for after in (2500, 5000, 7500, 10000, 12000) if battery else (1, 40, 500, 5000, 12000):
        with powered(tmp_path / "board") as console:
            with Cable(console.port, after) as cable:
                with pytest.raises(wire.WireError, match="the board is gone: unplugged"):
                    push_quietly(cable, order)
                assert cable.pulled.wait(120)
            if battery:
                console.seen.clear()
                leap.now()
                ends.append(told_by(console))
                leap.over()
        if not battery:
            ends.append(boots(tmp_path / "board"))
    assert ends == sorted(ends) and ends[0] == 1
    with powered(tmp_path / "board") as console:
        assert push_quietly(console, order)["status"]["version"] == 2


def test_the_power_goes_at_a_flash_operation(old, order, tmp_path):
    """The dense part is the switch: the journal's rename, then those of the files."""
    ends = []
    for cut_at in (0, 15, 28, *range(36, 60)):
        workdir = tmp_path / f"at{cut_at}"
        start_from(old, workdir)
        failed = None
        with powered(workdir, flash={"size_kb": 1024, "cut_at": cut_at, "torn": True}) as console:
            try:
                push_quietly(console, order)
            except (wire.WireError, install.Refused) as error:
                failed = error
        assert console.codes == [POWER_CUT if failed else 0], failed
        ends.append(boots(workdir))
    assert ends == sorted(ends) and ends[0] == 1 and ends[-1] == 2 and not failed
