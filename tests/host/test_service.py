"""The collector as a service: systemd's messages, and the announcement."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from zeroconf import NonUniqueNameException

from host.collector import mdns
from host.systemd import Notifier
from tests.tools.micropython import ROOT


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """systemd's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(120)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield end


def test_collect_says_ready_lives_and_says_stopping(manager, tmp_path):
    command = [sys.executable, str(ROOT / "deploy.py"), "--system-python", "collect", "--host", "127.0.0.1",
               "--port", "0", "--out", str(tmp_path / "out"), "--cert-dir", str(tmp_path / "certs")]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"WATCHDOG_USEC": "200000"},
    )  # fmt: skip
    try:
        assert manager.recv(1000).startswith(b"READY=1\nSTATUS=collecting at https://127.0.0.1:")
        assert manager.recv(1000) == b"WATCHDOG=1"
        assert manager.recv(1000) == b"WATCHDOG=1"
        process.send_signal(signal.SIGTERM)
        while (said := manager.recv(1000)) == b"WATCHDOG=1":
            pass
        assert said == b"STOPPING=1"
        output = process.communicate(timeout=120)[0]
    finally:
        process.kill()
    assert process.returncode == 0
    assert "\x1b" not in output and "Collecting into" in output


def test_another_process_watchdog_is_not_ours(manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    notifier = Notifier()
    notifier.alive()
    notifier.stopping()
    assert manager.recv(1000) == b"STOPPING=1"


def test_without_systemd_nothing_is_said(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready("x")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonesuch/socket")
    Notifier().ready("x")


class Network:
    """In place of zeroconf: multicast is nothing that every machine has."""

    def __init__(self, fails):
        self.fails, self.announced, self.closed = fails, [], False

    async def async_register_service(self, info, allow_name_change):
        if self.fails:
            raise NonUniqueNameException
        self.announced.append(info)

    async def async_unregister_all_services(self):
        self.announced.clear()

    async def async_close(self):
        self.closed = True


@pytest.mark.parametrize("fails", [False, True])
def test_the_announcement_names_port_path_and_version(monkeypatch, fails):
    network = Network(fails)
    monkeypatch.setattr(mdns, "AsyncZeroconf", lambda **_: network)

    async def test():
        announcement = mdns.Announcement(8443, ["192.0.2.7"])
        await announcement.start()
        said = announcement.status()
        told = [(info.type, info.port, info.properties, info.parsed_addresses()) for info in network.announced]
        await announcement.stop()
        return said, told

    said, told = asyncio.run(test())
    properties = {b"path": b"/", b"version": b"1"}
    assert told == ([] if fails else [("_motelog._tcp.local.", 8443, properties, ["192.0.2.7"])])
    assert said["state"] == ("not announced" if fails else "announced") and json.dumps(said)
    assert network.closed and not network.announced
