"""The collector: one place where files are kept, and any number of fronts that receive them."""

import ssl
from pathlib import Path
from typing import Protocol

from host.collector.http import HttpFront
from host.collector.ingest import Ingest
from host.collector.objects import ObjectStore
from host.store import Store


class Front(Protocol):
    """A transport of the collector. It hands what it receives to `Ingest.deliver` and answers what that says."""

    name: str

    async def start(self) -> None:
        """Begins to receive; must not wait for a peer that is not there yet."""

    async def stop(self) -> None:
        """Lets running deliveries finish, within a few seconds, and ends."""

    def status(self) -> dict:
        """`state`, and what else is worth knowing."""


class Collector:
    """Receives files into a folder (`root` a path) or into an object store (`root` a `Store` or `ObjectStore`).

    `start` listens for HTTPS; `add_front`, before it, adds other transports. What `HttpFront` and `Ingest` take can be
    given as keywords.
    """

    def __init__(self, root: Path | Store | ObjectStore, *, max_bytes=None, keep_free_bytes=None, **http):
        limits = {"max_bytes": max_bytes, "keep_free_bytes": keep_free_bytes}
        store = Store(root) if isinstance(root, str | Path) else root
        self.ingest = Ingest(store, **{key: value for key, value in limits.items() if value is not None})
        self._http = HttpFront(self.ingest, status=self.status, **http)
        self._fronts: list[Front] = []

    @property
    def store(self) -> Store | ObjectStore:
        return self.ingest.store

    def add_front(self, front: Front) -> None:
        """To be started and stopped with the collector."""
        self._fronts.append(front)

    async def start(
        self, host: str = "127.0.0.1", port: int | None = 0, ssl_context: ssl.SSLContext | None = None
    ) -> int | None:
        """Starts all fronts. -> the port bound for HTTPS (`port` 0: any free one; None: no HTTPS).

        Raises `OSError` when the address is taken or the place for the files cannot be used.
        """
        await self.ingest.start()
        if port is not None:
            port = await self._http.listen(host, port, ssl_context)
        for front in self._fronts:
            await front.start()
        return port

    async def stop(self) -> None:
        """Ends all fronts, giving running deliveries a few seconds to finish."""
        for front in self._fronts:
            await front.stop()
        await self._http.stop()
        self.ingest.stop()

    def status(self) -> dict:
        """The status as `GET /` gives it, and the other fronts'."""
        return {**self.ingest.status(), "fronts": {front.name: front.status() for front in self._fronts}}
