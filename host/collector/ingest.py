"""The rules by which the collector takes files, whatever transport brings them.

A file is stored only if its name is one, its size is within the limit, there is room, and its bytes have the hash that
the sender announced; it is never overwritten, and a sidecar only follows its data. A sender is answered when the bytes
are on durable storage, with a status that means the same everywhere (the table in http.py).
"""

import asyncio
import errno
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from host import unbundle
from host.collector.objects import ObjectStore, Unavailable
from host.collector.status import Devices, Refusals
from host.store import MAX_JSON_BYTES, Address, Refused, Store, check_name

MAX_BYTES = 64 << 20
KEEP_FREE_BYTES = 64 << 20
THREADS = 16  # files that are written, synced or sent to a store at the same time

Result = TypeVar("Result")


class Ingest:
    """Stores deliveries in `store`, one file or several at a time. `max_bytes`: the largest file accepted.
    `keep_free_bytes`: with less free disk than this a delivery is refused (507) before it is written.
    """

    def __init__(
        self, store: Store | ObjectStore, *, max_bytes: int = MAX_BYTES, keep_free_bytes: int = KEEP_FREE_BYTES
    ):
        self.store, self.max_bytes, self._keep_free_bytes = store, max_bytes, keep_free_bytes
        self.devices, self.refusals = Devices(), Refusals()
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Makes the store usable and counts what is there; raises `OSError`."""
        self._threads = ThreadPoolExecutor(THREADS, "ingest")
        await self.run(self.store.prepare)
        for device, session, file, size in await self.run(lambda: list(self.store.existing())):
            self.devices[device].count(session, file, size)

    def stop(self) -> None:
        """Ends when the last file is stored; harmless without `start`."""
        if self._threads:
            self._threads.shutdown()

    async def run(self, call: Callable[..., Result], *arguments) -> Result:
        """A call that blocks, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    def check_size(self, place: Address, size: int) -> None:
        """`Refused` when a file is too large, or there is no room for it."""
        limit = min(self.max_bytes, MAX_JSON_BYTES) if place.file.endswith(".json") else self.max_bytes
        if size > limit:
            raise Refused(413, f"{place.file}: {size} bytes, the limit is {limit}")
        free = self.store.free_bytes()
        if free is not None and free < self._keep_free_bytes + size:
            raise Refused(507, "the collector's disk is full")

    async def known(self, place: Address, sha256: str) -> bool:
        """Are the same bytes here, durably? False when nothing is; `Refused(409)` when others are."""
        stored = await self.run(self.store.stored_sha256, place)
        if stored is None:
            return False
        if stored != sha256:
            raise Refused(409, f"{place.file} is here already with other bytes; both copies are kept where they are")
        await self.run(self.store.confirm, place, sha256)
        return True

    def finish(self, upload, sha256: str) -> list[tuple[str, int]]:
        """Stores what was written to an upload if it has that hash. -> (file, bytes) of what is new here. Blocks."""
        place = upload.place
        if upload.sha256() != sha256:
            raise Refused(400, f"{place.file}: the bytes have sha256 {upload.sha256()}, announced was {sha256}")
        if place.file.endswith(unbundle.SUFFIX):
            return unbundle.unpack(self.store, upload, self.max_bytes)
        return [(place.file, upload.bytes)] if self.store.publish(upload) else []

    async def deliver(
        self, transport: str, device: str, session: str, files: Sequence[tuple[str, bytes | memoryview, str]]
    ) -> tuple[int, str]:
        """Stores files (name, content, sha256) of a session, in that order, a sidecar behind its data. -> (status, why)

        201: all are on durable storage now; 412: all were there before; otherwise what the first refused one gets
        (those in front of it are stored). Never raises for what is wrong with a delivery or with the store.
        """
        what, stored = "/".join((device, session, *(file for file, _, _ in files))), []
        try:
            places = [self.store.place(device, session, file) for file, _, _ in files]
        except Refused as error:
            return self.refused(transport, device, what, error, is_device=_is_name(device))
        try:
            await self.run(self._store, places, files, stored)
        except (Refused, OSError) as error:
            return self.refused(transport, device, what, error)
        self.devices.delivered(transport, device, session, stored)
        return (201, "stored") if stored else (412, "the same bytes are here already")

    def refused(
        self, transport: str, who: str, what: str, error: Refused | OSError, *, is_device: bool = True
    ) -> tuple[int, str]:
        """Counts a refusal for the device `who` (unless it is none) and logs it, once. -> (status, why) for it."""
        status, why = _answer(error)
        if is_device:
            self.devices.refused(transport, who)
        self.refusals.say(transport, who, what, status, str(error))
        return status, why

    def status(self) -> dict:
        return {"collector": "motelog", "free_bytes": self.store.free_bytes(), "devices": self.devices.as_dict()}

    def _store(self, places: list[Address], files, stored: list) -> None:
        for place, (_, content, sha256) in zip(places, files, strict=True):
            self.check_size(place, len(content))
            if hashlib.sha256(content).hexdigest() != sha256:
                raise Refused(400, f"{place.file}: the bytes do not have the announced sha256 {sha256}")
        for place, (_, content, sha256) in zip(places, files, strict=True):
            upload = self.store.upload(place)
            try:
                upload.write(content)
                stored += self.finish(upload, sha256)
            finally:
                upload.discard()


def _answer(error: Refused | OSError) -> tuple[int, str]:
    """(status, why) for a sender whose file was not stored."""
    if isinstance(error, Refused):
        return error.status, str(error)
    if isinstance(error, Unavailable):
        return 503, "the collector's store cannot be reached"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 507, "the collector's disk is full"
    return 500, f"the collector cannot store it: {error.strerror}"


def _is_name(device: str) -> bool:
    try:
        check_name(device)
    except Refused:
        return False
    return True
