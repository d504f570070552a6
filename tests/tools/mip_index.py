"""The mip index and GitHub on this machine, for the real mpremote: board packages out of the user's cache.

`environment()` sends a program's HTTPS through a proxy of ours (CONNECT), behind which raw.githubusercontent.com has a
certificate that it trusts. Formats: micropython-lib, tools/build.py; `asked` are the paths that were asked for.
"""

import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from host import libs
from host.virtual.compiler import compile_for
from tests.transport.certificates import Authority

GITHUB = "raw.githubusercontent.com"


class Index:
    """`url` is what `mpremote mip install --index` takes. Without the packages in the cache: host.libs.Failed."""

    def __init__(self, folder: Path, mpy: int = 6):
        authority = Authority(folder, "github")
        self._trusted, context = authority.pem, authority.server(GITHUB)
        self._site: dict[str, bytes] = {}
        for package in libs.locked():
            self._add(package, mpy)
        self.asked: list[str] = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                index.asked.append(self.path)
                content = index._site.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def do_CONNECT(self):
                self.send_response(200 if self.path == f"{GITHUB}:443" else 502)
                self.end_headers()
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                self.close_connection = False  # the request proper follows

            def log_message(self, *_):
                pass

        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._httpd.serve_forever)
        self.url = f"http://127.0.0.1:{self._httpd.server_port}"

    def _add(self, package: libs.Package, mpy: int) -> None:
        files = dict(libs.files_of(package))
        if package.mip.startswith("github:"):
            base = f"/{package.mip.removeprefix('github:')}/{package.commit}"
            urls = [[target, f"{package.mip}/{target}"] for target in files]
            self._site[f"{base}/package.json"] = json.dumps({"urls": urls, "deps": []}).encode()
            self._site |= {f"{base}/{target}": path.read_bytes() for target, path in files.items()}
            return
        hashes = []
        for target, content in compile_for(files, None).items():
            short = hashlib.sha256(content).hexdigest()[:8]
            hashes.append([target, short])
            self._site[f"/file/{short[:2]}/{short}"] = content
        found = json.dumps({"v": 1, "version": package.version, "hashes": hashes}).encode()
        self._site[f"/package/{mpy}/{package.mip}/{package.version}.json"] = found

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return kept | {"https_proxy": self.url, "no_proxy": "127.0.0.1", "SSL_CERT_FILE": str(self._trusted)}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._httpd.shutdown()
        self._thread.join()
        self._httpd.server_close()
