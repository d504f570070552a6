"""What the tests of the whole product share: recordings of their own, the collector as a process, a board, and a look
at data sets that does without our reader.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np

from host import certs, demo_plan
from host.virtual import VirtualBoard
from tests.app.talk import patience
from tests.tools.ports import Port

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 600


def deploy(*words: object, **keywords) -> subprocess.CompletedProcess:
    """`deploy.py` as a user calls it, with this Python."""
    command = [sys.executable, str(ROOT / "deploy.py"), "--system-python", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, **keywords)


def motion(path: Path, frames: int, columns: int) -> np.ndarray:
    """A recording of which any two rows differ, so that a frame in the wrong place is seen."""
    counts = np.random.default_rng(frames).integers(-32768, 32768, (frames, columns)).astype("<i2")
    np.save(path, counts)
    return counts


def sound(path: Path, frames: int, rate_hz: int) -> np.ndarray:
    """White noise: shape (frames, 1)."""
    counts = np.random.default_rng(rate_hz).integers(-32768, 32768, (frames, 1)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(counts.tobytes())
    return counts


def sidecars(session: Path, stream: str) -> list[dict]:
    """In order of their numbers."""
    return [json.loads(path.read_text()) for path in sorted(session.glob(f"{stream}-[0-9]*.json"))]


def load(path: Path) -> np.ndarray:
    """int16 (n, channels) of a segment's file, by NumPy or the wave module alone."""
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        data = file.readframes(file.getnframes())
        assert len(data) == 2 * file.getnframes()
        return np.frombuffer(data, "<i2").reshape(-1, 1)


def check_stream(session: Path, stream: str, recording: np.ndarray, slack: int = 0) -> dict:
    """Each stored frame is the recording's frame of its number, in order, none twice. -> its account in ledger.json

    `slack`: by how much the frame numbers behind a loss may be off.
    """
    end, stored = 0, 0
    for sidecar in sidecars(session, stream):
        frames = load(session / sidecar["file"])
        assert len(frames) == sidecar["frames"]
        assert sidecar["first_frame"] >= end
        at = sidecar["first_frame"]
        for gap, lost, _ in [*sidecar["gaps"], (sidecar["end_frame"], 0, "end")]:
            run, frames = frames[: gap - at], frames[gap - at :]
            assert len(run) == gap - at
            assert _is_at(run, recording, at, slack), f"{sidecar['file']}: frame {at} and those behind it"
            at = gap + lost
        assert not len(frames)
        end = sidecar["end_frame"]
        stored += sidecar["frames"]
    account = json.loads((session / "ledger.json").read_text())["streams"][stream]
    assert account["stored"] == stored
    assert account["expected"] == account["stored"] + sum(account["lost"].values())
    return account


def _is_at(run: np.ndarray, recording: np.ndarray, at: int, slack: int) -> bool:
    """Does it stand in the recording, played over and over, at that place or up to `slack` frames beside it?"""
    return any(
        np.array_equal(run, recording[np.arange(at + off, at + off + len(run)) % len(recording)])
        for off in range(-slack, slack + 1)
    )


def open_all(out: Path) -> int:
    """Every data file below `out` opens. -> how many there are"""
    files = [path for path in out.rglob("*") if path.suffix in (".npy", ".wav")]
    for path in files:
        load(path)
    return len(files)


def sessions(out: Path) -> list[Path]:
    return sorted(path.parent for path in out.glob("*/*/session.json"))


class CollectorProcess:
    """`deploy.py collect` on a port that it keeps over restarts."""

    def __init__(self, folder: Path, out: Path, token: str):
        self.out = out
        self._certs = folder / "certs"
        self.ca = certs.make(self._certs, ["127.0.0.1"]).ca_der()
        self._token = folder / "token"
        self._token.write_text(token)
        self._port = Port()
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port.number}"

    def start(self) -> None:
        """Returns when it listens."""
        where = ["--out", self.out, "--host", "127.0.0.1", "--port", self._port.number, "--cert-dir", self._certs]
        words = ["--system-python", "collect", *where, "--token-file", self._token, "--json"]
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "deploy.py"), *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert json.loads(self._process.stdout.readline())["url"] == self.url

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """-9: it can do nothing about it."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def stop(self) -> dict:
        """As with Ctrl-C. -> its last status"""
        self.signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0
        return json.loads(output)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.kill()
        self._port.close()


class Rig:
    """A board with recordings of its own, and what the demo would configure; change `config` and `world` before `make`.

    `recordings`: stream -> the frames that its sensor plays, from the top again at their end.
    """

    def __init__(self, folder: Path, *, seconds: float, clock: str = "virtual", imu_rate: float = 104, columns: int = 6,
                 mic_rate: int = 8000, flash_kb: int = 2048):  # fmt: skip
        self.folder = folder
        self.seconds = seconds
        imu, mic = folder / "rec.npy", folder / "rec.wav"
        self.recordings = {"imu": motion(imu, 1237, columns), "mic": sound(mic, 50021, mic_rate)}
        args = argparse.Namespace(seconds=seconds, imu=imu, imu_rate=imu_rate, mic=mic, mic_rate=None, out=None,
                                  flash_kb=flash_kb, clock=clock)  # fmt: skip
        self._plan = demo_plan.make(args, folder)
        self.config, self.world, self.token = self._plan.config, self._plan.world, self._plan.token
        self.config["streams"]["mic"]["ibuf_bytes"] = 80000  # tests share the machine with others
        self.config["upload"]["timeout_s"] = 60
        self.out = folder / "out"
        self.board: VirtualBoard | None = None

    def make(self, collector: CollectorProcess | None = None, secrets: dict | None = None) -> VirtualBoard:
        """Build the board (again: it keeps its flash)."""
        files = {}
        if collector:
            self.config["upload"]["https"]["url"] = collector.url
            files["/ca.der"] = collector.ca
        else:
            del self.config["upload"]
        self.board = VirtualBoard(self.world, self.folder / "board")
        self.board.install(config=self.config, secrets={"https_token": self.token, **(secrets or {})}, files=files)
        return self.board

    async def run(self, *, at: list[tuple[float, Callable[[], None]]] = (), each: Callable[[dict], None] = None) -> int:
        """Let the board run to its end; `at`: what to do when it has recorded for so many seconds, while its time (a
        virtual one) stands still. -> exit code
        """
        plan = list(at)
        with patience(self.board) if plan else contextlib.nullcontext(lambda: None) as answer:
            await self.board.start()
            try:
                async for line in self.board.lines():
                    if not line.startswith("@"):
                        continue
                    if each:
                        each(self.board.status)
                    while plan and self.board.status.get("seconds", 0) >= plan[0][0]:
                        plan.pop(0)[1]()
                    if "exit" not in self.board.status:
                        answer()
                assert not plan, f"the board ended before {plan[0][0]} s: {self.board.log}"
                return await self.board.wait()
            finally:
                await self.board.kill()

    def check(self, session: Path, slack: int = 0) -> dict[str, dict]:
        """-> stream -> account, after every frame was compared with the recording."""
        return {name: check_stream(session, name, frames, slack) for name, frames in self.recordings.items()}
