"""`mpremote mip install` of the whole checkout: the real mpremote, an index and a GitHub of our own."""

import json
import re
import subprocess
import sys

import pytest

from host import libs
from host.packages import PACKAGE
from host.virtual.world import world_for
from tests.push.test_push import MOTION, ROOT
from tests.tools.mip_index import Index
from tests.virtual.console_client import connected, mpremote, powered, until


@pytest.fixture
def index(tmp_path):
    if not all(map(libs.is_present, libs.locked())):
        pytest.skip("no board packages: get them with `python3 deploy.py libs --from DIR` (DIR: their clones)")
    with Index(tmp_path) as made:
        yield made


@pytest.mark.slow
def test_the_whole_with_its_dependencies_records(index, tmp_path):
    """The commands of docs/boards.md; the board compiles everything itself."""
    with powered(tmp_path / "board", **world_for(MOTION, flash_kb=2048)) as console:
        done = subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", console.port, "mip", "install", "--index", index.url,
             "package.json"],
            cwd=ROOT, env=index.environment(), capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        declared = json.loads(PACKAGE.read_text())
        installed = re.findall(r"Installing: /lib/(\S+)", done.stdout)
        assert {target for target, _ in declared["urls"]} < set(installed)
        assert {"aioble/core.mpy", "umqtt/robust.mpy", "npyfile.py", "zipfile.py"} < set(installed)
        assert f"/jonnor/micropython-npyfile/{declared['deps'][3][1]}/npyfile.py" in index.asked
        (tmp_path / "config.json").write_text(json.dumps(MOTION))
        mpremote(console.port, "cp", "config.json", ":config.json", cwd=tmp_path)
        (tmp_path / "main.py").write_text("from app.main import run\nrun()\n")
        mpremote(console.port, "cp", "main.py", ":main.py", cwd=tmp_path)
        console.seen.clear()
        mpremote(console.port, "reset", cwd=tmp_path)
        status = re.compile(rb'@({.*"frames": [1-9].*})')
        until(lambda: status.search(bytes(console.seen)), lambda: bytes(console.seen))
        assert json.loads(status.search(bytes(console.seen))[1])["state"] == "recording"
        with connected(console) as board:
            space = board.eval("__import__('os').statvfs('/')[:4]")
        assert (space[2] - space[3]) * space[0] < 1_400_000, "docs/boards.md says how much it takes"
