"""Files of a board on their way into a data set: what is here already, what is half here, what is whole and durable."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

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
    partial_folder().mkdir(parents=True, exist_ok=True)
    partial = partial_folder() / part.sha256
    for _ in range(ATTEMPTS):
        if partial.exists() and partial.stat().st_size > part.size:
            partial.unlink()
        start = partial.stat().st_size if partial.exists() else 0
        arrived(start)
        with open(partial, "ab") as file:
            for piece in link.read(part, start):
                file.write(piece)
                arrived(len(piece))
        if _sha256(partial) == part.sha256:
            _publish(store, part, partial)
            partial.unlink()
            return
        arrived(-partial.stat().st_size)
        partial.unlink()
    raise Damaged("it did not come over as the board has it: a bad cable, or damaged flash")


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
