"""Fixtures of the shipping tests: an authority, its server certificate, and a board that ships files."""

import contextlib
import hashlib
import json
import random
import threading
from pathlib import Path

import pytest

from tests.tools.micropython import run_micropython
from tests.transport.certificates import Authority

BOARD = Path(__file__).with_name("board.py")


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "ca")


@pytest.fixture(scope="session")
def tls(authority):
    return authority.server()


class Files:
    """Segments of random bytes in a folder: `names` for the board's spool, `content` (path -> bytes) to compare."""

    def __init__(self, folder, count, size):
        self.folder = folder
        self.names = []
        self.content = {}
        rng = random.Random(size)
        for number in range(count):
            name = f"wrist-01/00001-00-0badcafe/imu-{number:06d}"
            parts = [self._add(f"{name}.npy", rng.randbytes(size)), self._add(f"{name}.json", rng.randbytes(500))]
            self.names.append([name, parts])

    def _add(self, remote_name, content):
        (self.folder / remote_name.replace("/", "_")).write_bytes(content)
        self.content["/" + remote_name] = content
        return [remote_name, len(content), hashlib.sha256(content).hexdigest()]

    @property
    def acks(self):
        return [["ack", name] for name, _ in self.names]


class Bench:
    """Ships `Files` from a MicroPython process to a server."""

    env = None
    heap = "384K"

    def __init__(self, interpreter, folder, authority):
        self._interpreter = interpreter
        self._folder = folder
        self._authority = authority

    def files(self, count=2, size=3000):
        return Files(self._folder, count, size)

    def ship(self, files, url, *, until=None, late_when=None, **options):
        """-> the dict that `board.py` prints; a file or socket left open fails the test here.

        It ends when nothing is left to ship, or when all of `until` has come ({} at once): board.py has the words, and
        "here" is a function without arguments that is asked on this side. `late_when`: so is this one, and when it
        says True, and the server's unasked word has come, the names in `late` are there to be shipped.
        """
        scenario = {
            "folder": str(files.folder), "names": files.names, "url": url, "ca": str(self._authority.der),
            "timeout_s": 20, "drain_s": 150, "continue_ms": 20_000,
        }  # fmt: skip
        signs = {"late_sign": late_when} if late_when else {}
        if until is not None:
            scenario["until"] = dict(until)
            if here := scenario["until"].pop("here", None):
                signs["sign"] = here
                scenario["until"]["sign"] = str(self._folder / "sign")
        scenario |= {"late_sign": str(self._folder / "late_sign")}
        path = self._folder / "scenario.json"
        path.write_text(json.dumps(scenario | options))
        with contextlib.ExitStack() as stack:
            for name, condition in signs.items():
                stack.enter_context(sign(self._folder / name, condition))
            done = run_micropython(
                BOARD, str(path), interpreter=self._interpreter, heap=self.heap, timeout_s=240, check=True, env=self.env
            )
        print(done.stdout)  # for the report of a failing test
        result = json.loads(done.stdout)
        assert result["left_open"] == 0
        return result


@contextlib.contextmanager
def sign(path, condition):
    """Makes the file `path` as soon as `condition()` holds, from a thread."""
    over = threading.Event()

    def look():
        while not condition():
            if over.wait(0.005):
                return
        path.touch()

    path.unlink(missing_ok=True)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def bench(micropython, tmp_path, authority):
    return Bench(micropython, tmp_path, authority)
