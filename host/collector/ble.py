"""The collector's Bluetooth front: looks for boards that have something, fetches it, stores it, and lets them let go.

A file half fetched goes on where it was cut, after any time: its first part is kept in the user's cache, and the board
proves by its CRC-32 that it has the same there.
"""

import asyncio
import hashlib
from pathlib import Path

from host.ble import LINK_ERRORS, BleakRadio, Board, Entry, Found, LinkError, Radio, Refusal
from host.collector.ingest import Ingest
from host.collector.status import log
from host.libs import cache_folder
from host.store import Address, Refused

SCAN_S = 5
PAUSE_S = 5
NO_RADIO_S = 60
ATTEMPTS = 5  # to go on with a board in one round, when something was moved since the last cut
MAX_PAGES = 10_000


class BleFront:
    """Serves all boards within reach, or the one that advertises the name `only`. `parts`: folder for what is half
    fetched.
    """

    name = "ble"

    def __init__(
        self, ingest: Ingest, *, only: str | None = None, radio: Radio | None = None, parts: Path | None = None
    ):
        self._ingest, self._only, self._radio = ingest, only, radio or BleakRadio()
        self._parts = parts or cache_folder().parent / "ble"
        self._state, self._why = "stopped", None
        self._moved = 0
        self._task: asyncio.Task | None = None

    async def start(self) -> None:
        """Begins to look for boards."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends at once: nothing is lost by a cut."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._state = "stopped"

    def status(self) -> dict:
        """`state`: scanning, fetching from a board, no Bluetooth, stopped; `why` went wrong what did last; `bytes`
        fetched.
        """
        return {"state": self._state, "why": self._why, "bytes": self._moved}

    async def _run(self) -> None:
        while True:
            try:
                self._state = "scanning"
                found = await self._radio.scan(SCAN_S)
            except LINK_ERRORS as error:
                self._say(f"no Bluetooth on this computer: {error}")
                self._state = "no Bluetooth"
                await asyncio.sleep(NO_RADIO_S)
                continue
            for board in found:
                if self._is_wanted(board):
                    await self.fetch(board)
            await asyncio.sleep(PAUSE_S)

    def _is_wanted(self, board: Found) -> bool:
        return board.has_something and self._only in (None, board.name)

    async def fetch(self, found: Found) -> bool:
        """Everything that waits on a board, over as many connections as it takes. -> whether that is here now."""
        self._state = f"fetching from {found.name or found.address}"
        attempt = 0
        while True:
            before = self._moved
            try:
                async with Board(self._radio.transport(), found.address) as board:
                    return await self._fetch(board)
            except (LinkError, Refusal) as error:
                self._say(f"{found.name or found.address}: {error}")
                attempt = 1 if self._moved > before else attempt + 1
                if attempt >= ATTEMPTS:
                    return False
                await asyncio.sleep(0.1 * attempt)

    async def _fetch(self, board: Board) -> bool:
        """Oldest first; what is not taken here stays on the board, and is passed over. -> whether all was taken."""
        passed = 0
        for _ in range(MAX_PAGES):
            entries, more = await board.waiting(passed)
            for entry in entries:
                if not await self._take(board, entry):
                    passed += 1
            if not entries or not more and passed:
                break
        return passed == 0

    async def _take(self, board: Board, entry: Entry) -> bool:
        """Fetches, stores and acknowledges one name. -> False when it is refused here."""
        try:
            places = self._places(entry)
            for place, (_, size, _) in zip(places, entry.files, strict=True):
                self._ingest.check_size(place, size)
        except Refused as error:
            self._why = f"{entry.name}: {error}"  # what is refused is logged once, below
            device = entry.name.split("/")[0]
            self._ingest.refused(self.name, device, entry.name, error, is_device=False)
            return False
        contents = []
        for place, (remote, size, sha256) in zip(places, entry.files, strict=True):
            contents.append(await self._content(board, place, remote, size, sha256))
        files = [(p.file, c, s.hex()) for p, c, (_, _, s) in zip(places, contents, entry.files, strict=True)]
        status, why = await self._ingest.deliver(self.name, places[0].device, places[0].session, files)
        if status not in (201, 412):
            self._say(f"{entry.name}: {why}")
            return False
        await board.acknowledge(entry.name, contents)
        folder = self._parts / places[0].device / places[0].session
        for place in places:
            (folder / place.file).unlink(missing_ok=True)
        return True

    def _places(self, entry: Entry) -> list[Address]:
        """Of the entry's files; `Refused` when they are not all files of one session, each with a name."""
        places = []
        for remote, _, _ in entry.files:
            parts = remote.split("/")
            if len(parts) != 3 or parts[:2] != entry.name.split("/")[:2]:
                raise Refused(400, f"{remote!r} is no file of {entry.name!r}")
            places.append(self._ingest.store.place(*parts))
        if not places:
            raise Refused(400, f"{entry.name!r} has no files")
        return places

    async def _content(self, board: Board, place: Address, remote: str, size: int, sha256: bytes) -> bytes:
        """The file's bytes, as announced; LinkError when they are not."""
        part = self._parts / place.device / place.session / place.file
        content = await board.download(remote, size, part, self._count)
        if hashlib.sha256(content).digest() != sha256:
            part.unlink()
            raise LinkError(f"{remote}: what came does not have the announced SHA-256; it is fetched again")
        return content

    def _count(self, n: int) -> None:
        self._moved += n

    def _say(self, why: str) -> None:
        if why != self._why:
            log.warning("ble: %s", why)
        self._why = why
