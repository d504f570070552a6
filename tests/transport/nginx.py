"""A real nginx with WebDAV PUT over TLS, in a folder of its own, as docs/transport.md shows it."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.tools.ports import Port

HOW_TO_GET = "nginx is not installed (Debian: apt-get install nginx-light)"
CONFIG = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    {more}
    root {folder}/data;
    client_max_body_size 64m;
    location / {{
      dav_methods PUT;
      create_full_put_path {create};
    }}
  }}
}}
"""


def find() -> str | None:
    """The path of nginx."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class Nginx:
    """`with Nginx(folder, certificate) as nginx`: PUTs at `url` become files in `data`. `certificate`: a PEM file with
    key and certificate. `more`: further lines of the server's configuration.
    """

    def __init__(self, folder: Path, certificate: Path, more: str = "", create: str = "on"):
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        for part in (folder, self.data):
            part.chmod(0o777)  # a master run by root has workers of another user
        self._held = Port()
        self.port = self._held.number
        self.url = f"https://127.0.0.1:{self.port}"
        self._config = folder / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        self._config.write_text(
            user + CONFIG.format(folder=folder, port=self.port, certificate=certificate, more=more, create=create)
        )
        self.log = folder / "access.log"

    def __enter__(self) -> "Nginx":
        self._process = subprocess.Popen([find(), "-c", str(self._config), "-e", "stderr"], stderr=subprocess.PIPE)
        for _ in range(3000):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self._process.poll() is not None:
                    self._held.close()
                    raise OSError(self._process.stderr.read().decode()) from None
                time.sleep(0.02)
        raise OSError("nginx does not listen")

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._process.stderr.close()
        self._held.close()

    def stored(self) -> dict[str, bytes]:
        """Path -> content of what is there."""
        return {f"/{p.relative_to(self.data)}": p.read_bytes() for p in self.data.rglob("*") if p.is_file()}
