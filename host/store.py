"""Where the collector keeps what it received: one folder per session, one visible name per complete, durable file.

A file is written under a hidden temporary name (`.part-...`) beside its place, synced, and published with a hard
link, which never overwrites and is atomic; then the folder is synced and a line is appended to `SHA256SUMS`. Only
after that is a delivery answered. So a collector that is killed at any instant leaves complete files and hidden
leftovers, nothing else; leftovers go at the next start.

`SHA256SUMS` is the record of what arrived, in the format of coreutils (`sha256sum -c SHA256SUMS` checks a session
without us): one line `<64 hex>  <file>` per file, each synced. A kill can tear the last line, whose delivery was
never answered: it is cut off before the next append. A kill between link and line leaves a file without a line: its
redelivery adds the line.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

SUMS = "SHA256SUMS"
PART = ".part-"
MAX_JSON_BYTES = 1 << 20
DOCUMENTS = ("session.json", "ledger.json")

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE = re.compile(r".+\.(npy|wav|json|jsonl|zip)")
_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Refused(Exception):
    """A delivery that is not accepted: an HTTP status and one sentence that says why."""

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


def check_name(part: str) -> None:
    """`Refused` unless it can be one name of a path on every system."""
    if not _SEGMENT.fullmatch(part) or part.endswith(".") or _WINDOWS.fullmatch(part):
        raise Refused(
            400,
            f"{part!r} is not a name: 1 to 64 of A-Z a-z 0-9 . _ -, starting with a letter or digit, "
            "not ending with a dot and no device name of Windows",
        )


class Address:
    """The checked name of one file, `<device>/<session>/<file>`; raises `Refused` for what is no name on every
    system.
    """

    def __init__(self, device: str, session: str, file: str):
        for part in (device, session, file):
            check_name(part)
        if not _FILE.fullmatch(file):
            raise Refused(400, f"{file!r}: .npy, .wav, .json and .jsonl files are stored, and a .zip of them")
        self.device, self.session, self.file = device, session, file

    def __str__(self) -> str:
        return f"{self.device}/{self.session}/{self.file}"


class Place(Address):
    """The place of one file in a folder: `<root>/<device>/<session>/<file>`."""

    def __init__(self, root: Path, device: str, session: str, file: str):
        super().__init__(device, session, file)
        self.folder = root / device / session
        self.path = self.folder / file
        for folder in (self.folder.parent, self.folder):
            if folder.is_symlink():
                raise Refused(400, f"{folder.name} is a symbolic link on the collector: nothing is written through it")


class Upload:
    """A delivery on its way in: a hidden file and the hash of what was written so far. Ends with `Store.publish` or
    `discard()`.
    """

    def __init__(self, place: Place):
        _make_folder(place.folder.parent)
        _make_folder(place.folder)
        self.place, self.bytes = place, 0
        self.path = place.folder / f"{PART}{secrets.token_hex(8)}"
        self._file, self._hash = open(self.path, "xb", buffering=0), hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        """Appends `chunk`; raises `OSError` when the disk does not take it."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._hash.update(chunk)
        self.bytes += len(chunk)

    def sha256(self) -> str:
        return self._hash.hexdigest()

    def reader(self) -> BinaryIO:
        """What was written, to be read from its start."""
        return open(self.path, "rb")

    def seal(self) -> None:
        """On durable storage, and closed."""
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Closes and removes the hidden file; harmless after `publish`."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Store:
    """The files below `root`. Methods block (they sync): call them from a thread. Safe to call from several threads
    at once.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self._sums: dict[Path, set[str]] = {}
        self._sums_lock = threading.Lock()

    def prepare(self) -> None:
        """Makes the root, removes what a killed collector left half-written; raises `OSError` if hard links are
        impossible there.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        for leftover in [*self.root.glob(f"{PART}*"), *self.root.glob(f"*/*/{PART}*")]:
            leftover.unlink()
        probe, link = self.root / f"{PART}probe", self.root / f"{PART}link"
        probe.touch()
        try:
            os.link(probe, link)
            link.unlink()
        except OSError as error:
            raise OSError(
                error.errno, f"{self.root}: this file system has no hard links, choose another folder"
            ) from None
        finally:
            probe.unlink()

    def place(self, device: str, session: str, file: str) -> Place:
        """Raises `Refused` for a name that is none, or a folder that is a symbolic link."""
        return Place(self.root, device, session, file)

    def upload(self, place: Place) -> Upload:
        return Upload(place)

    def existing(self) -> Iterator[tuple[str, str, str, int]]:
        """(device, session, file, bytes) of everything that an earlier run left here."""
        for path in self.root.glob("*/*/*"):
            if path.is_file() and not path.name.startswith(".") and path.name != SUMS:
                yield path.parent.parent.name, path.parent.name, path.name, path.stat().st_size

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free

    def stored_sha256(self, place: Place) -> str | None:
        """The hash of the file as it is on disk now, or None when there is none."""
        try:
            return _sha256(place.path)
        except FileNotFoundError:
            return None

    def publish(self, upload: Upload) -> bool:
        """Makes a complete upload visible and durable. True: stored. False: the same bytes were there.
        `Refused(409)`: others were.
        """
        place, sha256 = upload.place, upload.sha256()
        upload.seal()
        if place.file.endswith(".json"):
            check_document(place, upload.path.read_bytes(), self._hash_beside(place))
        try:
            os.link(upload.path, place.path)
            created = True
        except FileExistsError:
            if self.stored_sha256(place) != sha256:
                raise Refused(
                    409, f"{place.file} is here already with other bytes; both copies are kept where they are"
                ) from None
            created = False
        upload.discard()
        self.confirm(place, sha256)
        return created

    def confirm(self, place: Place, sha256: str) -> None:
        """Makes sure that the published file is durable and has its line in SHA256SUMS: the last step before any good
        answer.
        """
        _sync_folder(place.folder)
        line = f"{sha256}  {place.file}\n"
        with self._sums_lock:
            path = place.folder / SUMS
            if path not in self._sums:
                self._sums[path] = _read_sums(path)
            known = self._sums[path]
            if line not in known:
                new = not path.exists()
                with open(path, "ab", buffering=0) as file:
                    _append(file, line.encode())
                if new:
                    _sync_folder(place.folder)
                known.add(line)

    def _hash_beside(self, place: Place) -> Callable[[str], str | None]:
        return lambda file: self.stored_sha256(self.place(place.device, place.session, file))


def check_document(address: Address, content: bytes, hash_of: Callable[[str], str | None]) -> None:
    """JSON must parse and say where it belongs; a sidecar is the commit mark, so its data must be here with that
    hash. `hash_of`: the sha256 of a file of the same session as it is stored, None when it is not. Raises `Refused`.
    """
    name, document = address.file, _parse_object(address.file, content)
    for key, expected in (("device", address.device), ("session", address.session)):
        if document.get(key) != expected:
            raise Refused(422, f"{name}: {key!r} is {document.get(key)!r}, the address says {expected!r}")
    if name in DOCUMENTS:
        return
    data, stem = document.get("file"), name.removesuffix(".json")
    if data not in (f"{stem}.npy", f"{stem}.wav"):
        raise Refused(422, f"{name}: 'file' is {data!r}, a sidecar names the .npy or .wav file beside it")
    stored = hash_of(data)
    if stored is None:
        raise Refused(424, f"{name}: its data file {data} has not arrived yet; deliver that first")
    if stored != document.get("sha256"):
        raise Refused(409, f"{name}: {data} is here with sha256 {stored}, the sidecar says {document.get('sha256')!r}")


def _parse_object(name: str, content: bytes) -> dict:
    try:
        document = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(422, f"{name} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Refused(422, f"{name} is not a JSON object")
    return document


def _no_constant(text: str):
    raise ValueError(f"{text} is not a JSON value (RFC 8259 section 6)")


def _read_sums(path: Path) -> set[str]:
    """The complete lines of a SHA256SUMS; a torn last line is cut off the file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return set()
    complete = content[: content.rfind(b"\n") + 1]
    if complete != content:
        os.truncate(path, len(complete))
    return set(complete.decode("utf-8", "replace").splitlines(keepends=True))


def _append(file, line: bytes) -> None:
    """All of the line, synced, or nothing of it: a full disk must not leave half a line in front of the next one."""
    end = file.seek(0, os.SEEK_END)
    try:
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)
        raise


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_folder(folder: Path) -> None:
    """The folder, durable in its parent before anything is put into it."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
