"""An S3 server for tests: moto's, in a process of its own, at 127.0.0.1:`port`, with one bucket."""

import os
import re
import subprocess
import sys
import urllib.request

BUCKET = "motelog-tests"
PROGRAM = """
import functools, logging, os, threading
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer
whole, put = threading.Lock(), S3Response.put_object
@functools.wraps(put)
def put_object(self):  # S3 lets one of those win that say If-None-Match at once; moto looks first and writes then
    with whole:
        return put(self)
S3Response.put_object = put_object
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("port", server.get_host_and_port()[1], flush=True)
os.read(0, 1)  # until our parent closes it
"""


class S3:
    """`with S3() as s3`: `environment` is what an S3 client needs, `url(prefix)` where the data set goes."""

    def __enter__(self) -> "S3":
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=os.environ | {"MOTO_ALLOW_NONEXISTENT_REGION": "true"},
        )  # fmt: skip
        for line in self._process.stdout:
            if match := re.fullmatch(r"port (\d+)\n", line):
                self.port = int(match[1])
                break
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": self.endpoint,
        }  # fmt: skip
        request = urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=120).close()
        return self

    def url(self, prefix: str) -> str:
        return f"s3://{BUCKET}/{prefix}"

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait(120)
        self._process.stdout.close()
