"""A real broker for the tests: Mosquitto on a free port of this machine, with or without TLS and passwords."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

HOW_TO_GET = "no Mosquitto: `apt install mosquitto` (only its programs are used, no service)"
CONFIG = """\
listener {port} 127.0.0.1
{security}
persistence {persistence}
persistence_location {folder}/
autosave_interval 1
max_queued_messages 1000
max_packet_size 2097152
"""
TLS = """\
cafile {ca}
certfile {cert}
keyfile {key}
require_certificate {require}
"""


def find() -> str | None:
    """Debian puts it where a user's PATH may not lead."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """`with Mosquitto(folder) as broker:`; `kill()` is -9, `start()` starts it again, on the same port.

    `users`: name -> password. `tls`: (CA, certificate, key) as PEM files; `require`: clients must have a certificate.
    """

    def __init__(self, folder: Path, *, users=None, tls=None, require=False, persistence=True):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        security = "allow_anonymous true" if not users else f"allow_anonymous false\npassword_file {folder}/users"
        if tls:
            ca, cert, key = tls
            security += "\n" + TLS.format(ca=ca, cert=cert, key=key, require=str(require).lower())
        text = CONFIG.format(port=self.port, security=security, persistence=str(persistence).lower(), folder=folder)
        if subprocess.run([find(), "-h"], capture_output=True, text=True).stdout.startswith("mosquitto version 2"):
            text += "user root\n" if folder.owner() == "root" else ""
        (folder / "mosquitto.conf").write_text(text)
        for name, password in (users or {}).items():
            (folder / "users").touch(mode=0o600)
            command = ["mosquitto_passwd", "-b", str(folder / "users"), name, password]
            subprocess.run(command, check=True, capture_output=True)
        self.url = f"mqtt{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.kill()

    def start(self):
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen([find(), "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)  # no test sleeps: this waits for a process
        raise RuntimeError((self.folder / "log").read_text())

    def kill(self):
        self._process.kill()
        self._process.wait()
