"""The receiving end: a small HTTPS server that answers a PUT only when the file is complete, checked and durable.

    PUT /<device>/<session>/<file>    Content-Length, Content-Digest: sha-256=:<base64>: (RFC 9530), optional
    Authorization: Bearer <token>

| answer | meaning for the sender |
|---|---|
| 201 | stored durably: it may be deleted on the board |
| 412 | the same bytes are here already: as good as 201. Said without reading the body when the digest header tells it |
| 409 | other bytes are here under that name (or a sidecar's data file has another hash): keep it, ask a person |
| 400, 408, 411, 413, 415 | name, length or digest wrong; too slow; no length; too large; a content coding |
| 401 | token missing or wrong |
| 422, 424 | a JSON file that does not describe this place; a sidecar whose data file has not arrived |
| 507 | the collector's disk is full |

A `.zip` is a bundle: its members, named `<device>/<session>/<file>`, are stored one by one by the same rules, and 201
is said when all are; an answer that refuses is that of the first member that is refused.

Nothing that is here is ever overwritten, with or without `If-None-Match: *`. `GET /` answers a JSON status. How files
are kept: `store.py`.
"""

import asyncio
import base64
import binascii
import errno
import hmac
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from host import unbundle
from host.store import DOCUMENTS, MAX_JSON_BYTES, SUMS, Place, Refused, Store, Upload

log = logging.getLogger("motelog.collector")

MAX_BYTES = 64 << 20
KEEP_FREE_BYTES = 64 << 20
MIN_BYTES_PER_S = 1000
SHUTDOWN_S = 5
_PATH = re.compile(r"/([^/?#%]+)/([^/?#%]+)/([^/?#%]+)")
_DIGEST = re.compile(r"\s*sha-256\s*=\s*:([A-Za-z0-9+/=]*):\s*(?:;.*)?")


@dataclass
class Device:
    """What the status says about one device: bytes and segments on disk, and the deliveries since the collector was
    started.
    """

    last_seen: str | None = None
    latest_session: str | None = None
    segments: int = 0
    bytes: int = 0
    stored: int = 0
    repeated: int = 0
    refused: int = 0


class Collector:
    """Receives files into `root` (see the module's text for the protocol).

    `token`: demanded of every request when given. `max_bytes`: the largest file accepted. `keep_free_bytes`: below
    this much free disk a delivery is refused with 507 before it is read. `stall_s`: longest silence of a sender;
    slower than 1 kB/s overall is cut off as well. `before_put`: awaited with the file's path before its body is read;
    tests make the collector stall with it.
    """

    def __init__(
        self,
        root: Path,
        *,
        token: str | None = None,
        max_bytes: int = MAX_BYTES,
        keep_free_bytes: int = KEEP_FREE_BYTES,
        stall_s: float = 30,
        before_put: Callable[[str], Awaitable[None]] | None = None,
    ):
        self.store = Store(root)
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._max_bytes, self._keep_free_bytes, self._stall_s = max_bytes, keep_free_bytes, stall_s
        self._before_put = before_put
        self._devices: dict[str, Device] = {}
        self._listener: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, ssl_context: ssl.SSLContext | None = None) -> int:
        """Listens and returns the bound port. Raises `OSError` when the address is taken or the folder cannot be
        used.
        """
        await asyncio.to_thread(self.store.prepare)
        await asyncio.to_thread(self._count_stored)
        self._web = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=2 * self._stall_s,  # also the time for a first request to come
            lingering_time=self._stall_s,  # a board sends its whole body before it reads an early refusal
        )
        tls = {"ssl": ssl_context, "ssl_handshake_timeout": self._stall_s} if ssl_context else {}
        self._listener = await asyncio.get_running_loop().create_server(self._web, host, port, **tls)
        return self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening, gives running deliveries five seconds to finish, closes every connection."""
        if self._listener is not None:
            self._listener.close()
            self._web.pre_shutdown()
            await self._web.shutdown(SHUTDOWN_S)
            await self._listener.wait_closed()
            self._listener = None

    def status(self) -> dict:
        """The status as `GET /` gives it."""
        return {
            "collector": "motelog",
            "free_bytes": self.store.free_bytes(),
            "devices": {name: asdict(device) for name, device in sorted(self._devices.items())},
        }

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        try:
            self._authorise(request)
            if request.method == "GET" and request.raw_path == "/":
                return web.json_response(self.status())
            if request.method != "PUT":
                return web.Response(status=405, headers={"Allow": "PUT"}, text="PUT a file, or GET / for the status\n")
            return await self._put(request)
        except Refused as refused:
            log.info("%s %s: %d %s", request.remote, request.raw_path[:200], refused.status, refused)
            return _answer(refused.status, str(refused))
        except OSError as error:
            log.error("%s: %s", request.raw_path[:200], error)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return _answer(507, "the collector's disk is full")
            return _answer(500, f"the collector cannot store it: {error.strerror}")

    def _authorise(self, request: web.BaseRequest) -> None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if self._expected is not None and not hmac.compare_digest(given, self._expected):
            raise Refused(401, "the token is missing or wrong (Authorization: Bearer <token>)")

    async def _put(self, request: web.BaseRequest) -> web.Response:
        place = self._place(request)
        device = self._devices.setdefault(place.device, Device())
        device.last_seen = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            stored = await self._receive(request, place)
        except (Refused, OSError):
            device.refused += 1
            raise
        if not stored:
            device.repeated += 1
            return await self._answer_early(request)
        for file, size in stored:
            _count(device, place.session, file, size)
            device.stored += 1
        return _answer(201, "stored")

    async def _answer_early(self, request: web.BaseRequest) -> web.Response:
        """412 at once, then the body is read off, so that a sender that reads only after its last byte finds the
        answer.
        """
        response = _answer(412, "the same bytes are here already")
        await response.prepare(request)
        await response.write_eof()
        try:
            await self._read(request, lambda chunk: None)
        except Refused:  # with Expect: 100-continue the body never comes, and need not
            response.force_close()
        return response

    def _place(self, request: web.BaseRequest) -> Place:
        match = _PATH.fullmatch(request.raw_path)
        if match is None:
            raise Refused(
                400, "PUT /<device>/<session>/<file>, in plain letters: no percent codes, no query, no other levels"
            )
        return Place(self.store.root, *match.groups())

    async def _receive(self, request: web.BaseRequest, place: Place) -> list[tuple[str, int]]:
        """(file, bytes) of what was stored, nothing if the same bytes were here before; every other outcome raises."""
        length, sha256 = self._length(request, place), _digest(request)
        if await asyncio.to_thread(self.store.stored_sha256, place) == sha256:
            await asyncio.to_thread(self.store.confirm, place, sha256)
            return []
        if self.store.free_bytes() < self._keep_free_bytes + length:
            raise Refused(507, "the collector's disk is full")
        if self._before_put:
            await self._before_put(request.raw_path)
        if request.headers.get("Expect", "").lower() == "100-continue":
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        upload = await asyncio.to_thread(Upload, place)
        try:
            await self._read(request, upload.write)
            if upload.sha256() != sha256:
                raise Refused(
                    400, f"{place.file}: the bytes have sha256 {upload.sha256()}, Content-Digest says {sha256}"
                )
            if place.file.endswith(unbundle.SUFFIX):
                return await asyncio.to_thread(unbundle.unpack, self.store, upload, self._max_bytes)
            created = await asyncio.to_thread(self.store.publish, upload)
            return [(place.file, length)] if created else []
        finally:
            upload.discard()

    def _length(self, request: web.BaseRequest, place: Place) -> int:
        if "Content-Encoding" in request.headers or "Content-Range" in request.headers:
            raise Refused(415, "whole files without a content coding only")
        length = request.content_length
        if length is None or "Transfer-Encoding" in request.headers:
            raise Refused(411, "Content-Length is required")
        limit = min(self._max_bytes, MAX_JSON_BYTES) if place.file.endswith(".json") else self._max_bytes
        if length > limit:
            raise Refused(413, f"{place.file}: {length} bytes, the limit is {limit}")
        return length

    async def _read(self, request: web.BaseRequest, take: Callable[[bytes], None]) -> None:
        """Gives the whole body to `take`, chunk by chunk; `Refused` when it comes too slowly or not at all."""
        length, arrived = request.content_length, 0
        try:
            async with asyncio.timeout(self._stall_s + length / MIN_BYTES_PER_S):
                while True:
                    async with asyncio.timeout(self._stall_s):
                        chunk = await _next_chunk(request)
                    if not chunk:
                        return
                    arrived += len(chunk)
                    take(chunk)
        except TimeoutError:
            raise Refused(408, f"too slow: {arrived} of {length} bytes arrived in time") from None

    def _count_stored(self) -> None:
        """What an earlier run left here, so that the status is right from the start."""
        for path in self.store.root.glob("*/*/*"):
            session = path.parent
            if path.is_file() and not path.name.startswith(".") and path.name != SUMS:
                device = self._devices.setdefault(session.parent.name, Device())
                _count(device, session.name, path.name, path.stat().st_size)


async def _next_chunk(request: web.BaseRequest) -> bytes:
    try:
        return await request.content.readany()
    except (ConnectionError, ClientError, HttpProcessingError, web.RequestPayloadError) as error:
        raise Refused(400, f"the sender went away in the middle of the body ({error})") from None


def _count(device: Device, session: str, file: str, size: int) -> None:
    device.latest_session = max(device.latest_session or "", session)
    device.bytes += size
    device.segments += file.endswith(".json") and file not in DOCUMENTS


def _digest(request: web.BaseRequest) -> str:
    """The sha-256 of `Content-Digest` as hex (RFC 9530 section 2: a dictionary of algorithms, the bytes in base64
    between colons).
    """
    for member in ",".join(request.headers.getall("Content-Digest", [])).split(","):
        if match := _DIGEST.fullmatch(member):
            try:
                digest = base64.b64decode(match[1], validate=True)
            except binascii.Error:
                break
            if len(digest) == 32:
                return digest.hex()
    raise Refused(400, "Content-Digest with sha-256 is required: sha-256=:<base64 of 32 bytes>:")


def _answer(status: int, text: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    response = web.Response(status=status, text=text + "\n", headers=headers)
    if status in (408, 413):
        response.force_close()  # what is still on its way is not worth reading
    return response
