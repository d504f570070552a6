"""A push that is cut off anywhere, by its client's end or the board's power, leaves the old version or the new one."""

import json
import shutil

import pytest

from host.push import install, plan, wire
from host.push.install import Order, Steps, push
from tests.virtual.console_client import powered

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
        return Order({"device": "d"}, None, tmp_path)

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
        for _ in range(500):
            found = [line for line in bytes(console.seen).splitlines() if line.startswith(b"@")]
            if found:
                break
            wire.time.sleep(0.02)
        status = json.loads(found[0][1:])
        assert status["whole"], status
        return status["version"]


def test_the_client_is_killed_at_a_write(old, order, tmp_path, monkeypatch):
    ends = []
    for kill_at in (3, 9, 20, 29, 35, 40, 43, 46, 49, 52, 55, 58, 61, 64, 70, 1000):
        workdir = tmp_path / f"at{kill_at}"
        workdir.mkdir()
        shutil.copy(old, workdir / "flash.bin")
        writes = 0
        plain = wire.Counted.write

        def write(self, data, plain=plain, kill_at=kill_at):
            nonlocal writes
            writes += 1
            if writes == kill_at:
                raise Cut
            return plain(self, data)

        with powered(workdir) as console, monkeypatch.context() as patch:
            patch.setattr(wire.Counted, "write", write)
            try:
                push(console.port, order(2), Steps(lambda text: None, lambda *n: None))
            except Cut:
                pass
        ends.append(boots(workdir))
        with powered(workdir) as console:  # the next push goes through
            assert push(console.port, order(2), Steps(lambda text: None, lambda *n: None))["status"]["whole"]
    assert ends == sorted(ends) and ends[0] == 1 and ends[-1] == 2


def test_the_power_goes_at_a_flash_operation(old, order, tmp_path):
    ends = []
    for cut_at in (0, 7, 15, 22, 28, 32, 36, 40, 44, 48, 54, 60):
        workdir = tmp_path / f"at{cut_at}"
        workdir.mkdir()
        shutil.copy(old, workdir / "flash.bin")
        with powered(workdir, flash={"size_kb": 1024, "cut_at": cut_at, "torn": True}) as console:
            try:
                push(console.port, order(2), Steps(lambda text: None, lambda *n: None))
            except (wire.WireError, install.Refused):
                pass
        ends.append(boots(workdir))
    assert ends == sorted(ends) and ends[0] == 1 and ends[-1] == 2
