"""Files of a board on their way into a data set: what is here already, what is half here, what is whole and durable."""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from host.pull.link import Link, Part
from host.store import Place, Refused, Store, Upload

ATTEMPTS = 3


class Damaged(Exception):
    """A file did not come over whole, however often it was asked for."""


def partial_folder() -> Path:
    """Where files that are under way lie, named by the hash that they will have."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "motelog" / "pull"


def has(store: Store, part: Part) -> bool:
    """Whether exactly this file is in the data set, durable and in its SHA256SUMS."""
    place = Place(store.root, *part.remote.split("/"))
    if store.stored_sha256(place) != part.sha256:
        return False
    store.confirm(place, part.sha256)
    return True


def fetch(store: Store, link: Link, part: Part, arrived: Callable[[int], None]) -> None:
    """Bring one file over, on from where an earlier pull was cut off. Raises Damaged, Refused, OSError, WireError.

    What is there of it counts only if the whole has the sidecar's hash in the end; else it is asked for anew.
    """
    with _partial(part.sha256) as (path, file):
        for _ in range(ATTEMPTS):
            start = file.seek(0, os.SEEK_END)
            if start > part.size:
                start = file.truncate(0)
            arrived(start)
            for piece in link.read(part, start):
                file.write(piece)
                arrived(len(piece))
            file.flush()
            if _sha256(path) == part.sha256:
                _publish(store, part, path)
                return
            arrived(-path.stat().st_size)
            file.truncate(0)
    raise Damaged("it did not come over as the board has it: a bad cable, or damaged flash")


@contextlib.contextmanager
def _partial(sha256: str) -> Iterator[tuple[Path, BinaryIO]]:
    """What is half here of the file with that hash, open for appending; it stays when the body raises. Another pull
    that fetches the same content from another board (silence, say) gets a file of its own.
    """
    partial_folder().mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        path = partial_folder() / (f"{sha256}.{number}" if number else sha256)
        with open(path, "ab") as file:
            if not _is_ours(path, file):
                continue
            yield path, file
            if os.name != "nt":
                path.unlink()  # while it is locked
        if os.name == "nt":
            path.unlink()
        return


def _is_ours(path: Path, file: BinaryIO) -> bool:
    """Lock the file. False: another pull has it, or had it, and has removed it meanwhile. Windows: always ours."""
    if os.name == "nt":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino


def _publish(store: Store, part: Part, content: Path) -> None:
    upload = Upload(Place(store.root, *part.remote.split("/")))
    try:
        with open(content, "rb") as file:
            while piece := file.read(1 << 16):
                upload.write(piece)
        store.publish(upload)
    except BaseException:
        upload.discard()
        raise


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["Damaged", "Refused", "fetch", "has", "partial_folder"]
