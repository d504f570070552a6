"""`deploy.py collect` as a process: how it ends, what a kill leaves, mistakes of its caller."""

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from argparse import ArgumentParser
from pathlib import Path

import pytest

from host import collect
from tests.host.collector_peer import (
    DATA,
    DEVICE,
    PATH,
    digest,
    head,
    hidden,
    visible,
)
from tests.tools.micropython import ROOT
from tests.tools.ports import Port


class Process:
    """`collect` as a process of its own, as a user runs it."""

    def __init__(self, root: Path, certs_folder: Path, port: int = 0):
        code = (
            "import argparse, sys\nfrom host import collect\nparser = argparse.ArgumentParser()\n"
            "collect.add_arguments(parser)\nsys.exit(collect.run(parser.parse_args()))"
        )
        arguments = ["--out", root, "--cert-dir", certs_folder, "--host", "127.0.0.1", "--port", str(port), "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, **pipes)
        self.ready = json.loads(self.process.stdout.readline())
        self.port = int(self.ready["url"].rsplit(":", 1)[1])
        self.context = ssl.create_default_context(cafile=None, cadata=Path(self.ready["ca"]).read_bytes())

    def put(self, path: str, content: bytes) -> int:
        request = urllib.request.Request(
            self.ready["url"] + path, content, {"Content-Digest": digest(content), "Content-Type": "x"}, method="PUT"
        )
        try:
            return urllib.request.urlopen(request, timeout=60, context=self.context).status
        except urllib.error.HTTPError as error:
            return error.code

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.rest = self.process.communicate(timeout=60)[0]
        return self.process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_collect_ends_when_asked_to(tmp_path, number):
    collector = Process(tmp_path / "out", tmp_path / "certs")
    assert collector.put(PATH, DATA) == 201
    assert collector.end(number) == 0
    assert json.loads(collector.rest)["devices"][DEVICE]["stored"] == 1


@pytest.fixture
def held():
    with Port() as port:
        yield port


def test_a_collector_killed_in_the_middle_of_a_file_starts_clean(tmp_path, held):
    root = tmp_path / "out"
    collector = Process(root, tmp_path / "certs", held.number)
    try:
        assert collector.put(PATH, DATA) == 201
        second = PATH.replace("000000", "000001")

        async def half_a_file():
            context = collector.context
            reader, writer = await asyncio.open_connection("127.0.0.1", collector.port, ssl=context)
            writer.write(head(second) + DATA[: len(DATA) // 2])
            await writer.drain()
            for _ in range(6000):
                if any(path.stat().st_size for path in hidden(root)):
                    break
                await asyncio.sleep(0.01)
            collector.process.kill()
            writer.close()

        asyncio.run(half_a_file())
    finally:
        collector.end(signal.SIGKILL)
    assert hidden(root) and visible(root) == {"imu-000000.npy": DATA}
    collector = Process(root, tmp_path / "certs", held.number)
    try:
        assert not hidden(root)
        assert collector.put(PATH, DATA) == 412
        assert collector.put(second, DATA) == 201
    finally:
        collector.end(signal.SIGKILL)
    assert visible(root) == {"imu-000000.npy": DATA, "imu-000001.npy": DATA}


@pytest.mark.parametrize("arguments, said", [
    (["--token-file", "{tmp}/none"], "No such file"),
    (["--token-file", "{tmp}/empty"], "a token is one line"),
    (["--host", "a b"], "neither a host name"),
    (["--host", "192.0.2.1"], "address"),
    (["--port", "{taken}"], "in use"),
    (["--port", "99999"], "from 0 to 65535"),
    (["--out", "{tmp}/empty"], "is a file, not a folder"),
])  # fmt: skip
def test_mistakes_of_the_caller(tmp_path, capsys, arguments, said):
    (tmp_path / "empty").touch()
    parser = ArgumentParser()
    collect.add_arguments(parser)
    with socket.create_server(("127.0.0.1", 0)) as other:
        texts = [text.format(tmp=tmp_path, taken=other.getsockname()[1]) for text in arguments]
        given = ["--host", "127.0.0.1", "--out", str(tmp_path / "out"), "--cert-dir", str(tmp_path / "certs"), *texts]
        assert collect.run(parser.parse_args(given)) == 2
    assert said in capsys.readouterr().err
