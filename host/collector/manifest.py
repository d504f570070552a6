"""What an MQTT data message is: one line of JSON, the manifest, then the files that it lists, byte after byte.

    {"name": "<device>/<session>/imu-000003", "files": [["imu-000003.npy", 32896, "<sha256>"], [..., 812, ...]]}
"""

import hashlib
import json
import re
from dataclasses import dataclass

from host.store import Refused

MAX_LINE_BYTES = 4096
MAX_FILES = 16
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """`sha256`: of the manifest's line, what an acknowledgement repeats. `files`: (name, content, sha256), views into
    the message.
    """

    name: str
    sha256: str
    files: list[tuple[str, memoryview, str]]

    @property
    def place(self) -> tuple[str, str]:
        """(device, session)"""
        return tuple(self.name.split("/")[:2])


class Unanswerable(Refused):
    """Nobody can be told: the message does not say what it is about."""


class Wrong(Refused):
    """A message whose manifest gives its `name`, and little else that is right; `sha256` is its line's."""

    def __init__(self, why: str, name: str, sha256: str):
        super().__init__(400, why)
        self.name, self.sha256 = name, sha256


def parse(payload: bytes, device: str) -> Manifest:
    """The message of `device`, as its topic says. Raises `Wrong`, or `Unanswerable` when there is not even a name."""
    end = payload.find(b"\n", 0, MAX_LINE_BYTES + 1)
    try:
        if end < 0:
            raise ValueError(f"no line of at most {MAX_LINE_BYTES} bytes")
        line = payload[:end]
        manifest = json.loads(line)
        name = manifest["name"]
        if not isinstance(name, str):
            raise ValueError("its name is none")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unanswerable(400, f"the message does not begin with a manifest: {error}") from None
    sha256 = hashlib.sha256(line).hexdigest()
    try:
        return Manifest(name, sha256, _files(manifest, device, memoryview(payload)[end + 1 :]))
    except (ValueError, TypeError) as error:
        raise Wrong(f"the manifest is wrong: {error}", name, sha256) from None


def _files(manifest: dict, device: str, body: memoryview) -> list[tuple[str, memoryview, str]]:
    parts = manifest["name"].split("/")
    if len(parts) != 3 or parts[0] != device:
        raise ValueError(f"the name {manifest['name'][:200]!r} is not {device}/<session>/<name>")
    listed = manifest.get("files")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_FILES:
        raise ValueError(f"'files' is a list of 1 to {MAX_FILES}")
    files, at = [], 0
    for file, size, sha256 in listed:
        if not isinstance(file, str) or parts[2] not in (file, file.rpartition(".")[0]):
            raise ValueError(f"{str(file)[:200]!r} is no file of {parts[2]!r}")
        if type(size) is not int or size < 0 or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise ValueError(f"{file!r} has no size or no sha256")
        files.append((file, body[at : at + size], sha256))
        at += size
    if at != len(body):
        raise ValueError(f"it lists {at} bytes, {len(body)} follow it")
    return files
