"""An object store in place of a folder, so that any number of collector workers on any machines share one data set.

    s3://bucket/prefix   gs://bucket/prefix   az://container/prefix   file:///folder

The objects are named as the files of a folder are: `<device>/<session>/<file>`. There is no coordination but the
store's own: every object is put on the condition that there is none (`If-None-Match: *`), so of two workers that store
the same name one wins, and the other compares bytes. An object appears whole or not at all. There is no `SHA256SUMS`,
for objects cannot be added to: each sidecar has the hash of its data, and the store keeps checksums of its own against
decay. Credentials come from where each provider's own tools look for them, the environment first.
"""

import hashlib
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from host.store import Address, Refused, check_document

SCHEMES = ("s3", "gs", "az", "file")
PROBE = "motelog-probe"
IN_MEMORY_BYTES = 1 << 20  # a larger upload waits for its end in a temporary file
REMEMBERED = 1024
_CLIENT = {"timeout": timedelta(seconds=60), "connect_timeout": timedelta(seconds=10), "allow_http": True}
_RETRY = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}


class Unavailable(OSError):
    """The store cannot be reached, or refuses us: nobody's delivery is at fault."""


class ObjectUpload:
    """A delivery on its way in. Ends with `ObjectStore.publish` or `discard()`."""

    def __init__(self, place: Address):
        self.place, self.bytes = place, 0
        self._file, self._hash = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES), hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._hash.update(chunk)
        self.bytes += len(chunk)

    def sha256(self) -> str:
        return self._hash.hexdigest()

    def reader(self) -> BinaryIO:
        """What was written, to be read from its start; closing it is `discard`."""
        self._file.seek(0)
        return self._file

    def discard(self) -> None:
        self._file.close()


class ObjectStore:
    """The surface of `host.store.Store` over an object store. Methods block; safe to call from several threads.

    `url`: see the module's text. Raises `ValueError`, in a sentence, for one that is none.
    """

    def __init__(self, url: str):
        self.url = url
        self._folder = _local_folder(url)
        self._store = None if self._folder else _open(url)
        self._hashes: OrderedDict[str, str] = OrderedDict()  # of what this worker stored; objects never change

    def prepare(self) -> None:
        """Proves that the store is there, takes objects and never overwrites one: a server that does not know
        `If-None-Match` would do so silently. Raises `OSError`.
        """
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._store = obstore.store.LocalStore(self._folder)
        try:
            for content in (b"Motelog keeps a data set here.\n", b"overwritten\n"):
                try:
                    obstore.put(self._store, PROBE, content, mode="create")
                except AlreadyExistsError:
                    pass
            if bytes(obstore.get(self._store, PROBE).bytes()) == b"overwritten\n":
                raise OSError(None, f"{self.url}: this store overwrites objects (it ignores If-None-Match)")
        except (BaseError, FileNotFoundError) as error:
            raise Unavailable(f"{self.url}: {_first_line(error)}") from None

    def place(self, device: str, session: str, file: str) -> Address:
        return Address(device, session, file)

    def upload(self, place: Address) -> ObjectUpload:
        return ObjectUpload(place)

    def existing(self) -> Iterator[tuple[str, str, str, int]]:
        """Nothing: listing all objects at each start of a worker would cost more than the numbers are worth."""
        return iter(())

    def free_bytes(self) -> int | None:
        """None: no limit is known."""
        return shutil.disk_usage(self._folder).free if self._folder else None

    def stored_sha256(self, place: Address) -> str | None:
        """The hash of the object as it is now, or None when there is none."""
        sha256 = hashlib.sha256()
        try:
            for chunk in obstore.get(self._store, str(place)).stream():
                sha256.update(chunk)
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise Unavailable(f"{self.url}: {_first_line(error)}") from None
        return sha256.hexdigest()

    def publish(self, upload: ObjectUpload) -> bool:
        """Stores a complete upload. True: stored. False: the same bytes were there. `Refused(409)`: others were."""
        place, sha256 = upload.place, upload.sha256()
        if place.file.endswith(".json"):
            check_document(place, upload.reader().read(), lambda file: self._hash_beside(place, file))
        try:
            obstore.put(self._store, str(place), upload.reader(), mode="create")
            created = True
        except AlreadyExistsError:
            if self.stored_sha256(place) != sha256:
                raise Refused(
                    409, f"{place.file} is here already with other bytes; both copies are kept where they are"
                ) from None
            created = False
        except BaseError as error:
            raise Unavailable(f"{self.url}: {_first_line(error)}") from None
        self.confirm(place, sha256)
        return created

    def confirm(self, place: Address, sha256: str) -> None:
        """Makes sure that an object which is there is durable: stores on the network only have such."""
        if self._folder:
            path = self._folder / str(place)
            for entry in (path, path.parent, path.parent.parent, self._folder):
                _sync(entry)
        self._hashes[str(place)] = sha256
        while len(self._hashes) > REMEMBERED:
            self._hashes.popitem(last=False)

    def sign_put(self, place: Address, seconds: int) -> str:
        """A URL at which the object can be PUT without credentials, for so long. Raises `OSError` if the store has no
        such thing.
        """
        try:
            return obstore.sign(self._store, "PUT", str(place), timedelta(seconds=seconds))
        except (BaseError, TypeError, ValueError) as error:
            raise Unavailable(f"{self.url}: no URL can be signed: {_first_line(error)}") from None

    def _hash_beside(self, place: Address, file: str) -> str | None:
        """Of a sidecar's data file, which mostly this worker stored a moment ago."""
        data = self.place(place.device, place.session, file)
        return self._hashes.get(str(data)) or self.stored_sha256(data)


def _local_folder(url: str) -> Path | None:
    """The folder of a file:// URL (RFC 8089), None for other schemes."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not (parts.netloc or parts.path.startswith("/")):
        raise ValueError(f"{url!r} is no store: s3://BUCKET/PREFIX, gs://..., az://... or file:///FOLDER")
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"{url!r}: a folder of this machine has three slashes, file:///FOLDER")
    return Path(unquote(parts.path))


def _open(url: str):
    try:
        return obstore.store.from_url(url, client_options=_CLIENT, retry_config=_RETRY)
    except (BaseError, ValueError) as error:
        raise ValueError(f"{url}: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    """What happened; the lines below it are the library's own data structures."""
    return str(error).partition("\n")[0].strip()


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
