"""A real Mosquitto for tests: its own port, its own folder, ended by its process."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

HOW_TO_GET = "needs Mosquitto: apt-get install mosquitto"


def program() -> str | None:
    """Debian keeps it where ordinary users' PATH does not look."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


class Mosquitto:
    """`with Mosquitto(folder) as broker`: listens at 127.0.0.1:`port` when entered; `lines` are added to its file of
    settings. `kill()` is -9; `start()` again keeps the port.
    """

    def __init__(self, folder: Path, lines: str = "allow_anonymous true\n"):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"user {getpass.getuser()}\n"  # else root becomes somebody who may not read our files
            f"listener {self.port} 127.0.0.1\nset_tcp_nodelay true\nmax_queued_messages 100000\n{lines}"
        )
        self._process: subprocess.Popen | None = None
        self._log = folder / "mosquitto.log"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen([program(), "-c", self._settings], stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"Mosquitto does not listen: {self._log.read_text()}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
