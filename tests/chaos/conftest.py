"""Fixtures of the chaos suite: an authority, and a board on the fast path (no virtual board around it)."""

import json
from pathlib import Path

import pytest

from tests.chaos import collector
from tests.chaos.truth import Said, on_flash
from tests.tools.board_libs import board_libs
from tests.tools.micropython import SEARCH_PATH, run_micropython
from tests.transport.certificates import Authority

BOARD = Path(__file__).with_name("board.py")
TIMEOUT_S = 60  # of each wait of the board, where nothing is to be waited for in vain
DRAIN_S = 250  # where everything arrives in the end


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "ca")


@pytest.fixture(autouse=True)
def quick_fronts(monkeypatch):
    """A collector in a process of its own does it itself: `collector.quick`."""
    monkeypatch.setattr("host.collector.mqtt.RETRY_S", (0.02, 0.1))


class FastBoard:
    """A spool in `flash`, shipped by the real transport on one MicroPython; `out` is the receiver's folder."""

    def __init__(self, interpreter, folder: Path, authority: Authority):
        self._interpreter, self._folder, self._authority = interpreter, folder, authority
        self.flash, self.out = folder / "flash", folder / "out"
        self.out.mkdir()

    def record(self, segments: int, frames: int = 256) -> dict[str, bytes]:
        """-> what has to be delivered."""
        self._run("record", str(self.flash), str(segments), str(frames))
        return on_flash(self.flash)

    def https(self, port: int, drain_s: float = DRAIN_S, **options) -> Said:
        options = {"ca": str(self._authority.der), "token": collector.TOKEN, "timeout_s": TIMEOUT_S} | options
        return self._ship(f"https://127.0.0.1:{port}", drain_s, options)

    def mqtt(self, port: int, drain_s: float = DRAIN_S, scheme: str = "mqtt", **options) -> Said:
        options = {"timeout_s": TIMEOUT_S, "patience_s": 0.5} | options
        return self._ship(f"{scheme}://127.0.0.1:{port}", drain_s, options)

    def _ship(self, url: str, drain_s: float, options: dict) -> Said:
        scenario = {"root": str(self.flash), "out": str(self.out), "url": url, "drain_s": drain_s, "options": options}
        path = self._folder / "scenario.json"
        path.write_text(json.dumps(scenario))
        text = self._run(str(path))
        print(text[-3000:])  # for the report of a failing test
        return Said.read(text)

    def _run(self, *words: str) -> str:
        env = {"MICROPYPATH": f"{board_libs('umqtt/robust')}:{SEARCH_PATH}"}
        done = run_micropython(
            BOARD, *words, interpreter=self._interpreter, heap="1M", timeout_s=400, env=env, check=True
        )
        return done.stdout


@pytest.fixture
def board(micropython, tmp_path, authority):
    return FastBoard(micropython, tmp_path, authority)
