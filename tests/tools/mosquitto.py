"""A real Mosquitto for tests: its own port, its own folder, ended by its process."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.tools.ports import Port

HOW_TO_GET = "no Mosquitto: `apt-get install mosquitto` (only its programs are used, no service)"
START_S = 60  # for what hangs
TLS = """\
cafile {}
certfile {}
keyfile {}
require_certificate {}
"""


def program() -> str | None:
    """Debian keeps it where ordinary users' PATH does not look."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """`with Mosquitto(folder) as broker`: listens at 127.0.0.1:`port` when entered, `url` says how. `kill()` is -9;
    `start()` again keeps the port.

    `lines`: more for its file of settings. `users`: name -> password; None: everybody, unless `lines` say it. `tls`:
    (CA, certificate, key) as PEM files; `require`: clients must have a certificate. `persistence`: what it holds
    outlives it. `log`: the file that it writes.
    """

    def __init__(self, folder: Path, lines: str | None = None, *, users: dict[str, str] | None = None,
                 tls: tuple | None = None, require: bool = False, persistence: bool = False):  # fmt: skip
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._lines = lines if lines is not None else "" if users else "allow_anonymous true\n"
        if users:
            self._lines += f"allow_anonymous false\npassword_file {_passwords(folder, users)}\n"
        if tls:
            self._lines += TLS.format(*tls, str(require).lower())
        if persistence:
            self._lines += f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
        self._scheme = "mqtts" if tls else "mqtt"
        self._process: subprocess.Popen | None = None
        self.log = folder / "mosquitto.log"
        self._held = Port()
        self.port = self._held.number

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Returns when it listens."""
        settings = self._folder / "mosquitto.conf"
        settings.write_text(
            f"user {getpass.getuser()}\n"  # else root becomes somebody who may not read our files
            f"listener {self.port} 127.0.0.1\nset_tcp_nodelay true\nmax_queued_messages 100000\n{self._lines}"
        )
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen([program(), "-c", settings], stdout=log, stderr=log)
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"Mosquitto does not listen: {self.log.read_text()}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.kill()
        self._held.close()


def _passwords(folder: Path, users: dict[str, str]) -> Path:
    path = folder / "users"
    path.touch(mode=0o600)
    for name, password in users.items():
        subprocess.run(["mosquitto_passwd", "-b", path, name, password], check=True, capture_output=True)
    return path
