"""The collector's HTTPS front: a small server that answers a PUT only when the file is complete, checked and durable.

    PUT /<device>/<session>/<file>    Content-Length, Content-Digest: sha-256=:<base64>: (RFC 9530), optional
    Authorization: Bearer <token>

| answer | meaning for the sender |
|---|---|
| 201 | stored durably: it may be deleted on the board |
| 307 | PUT it at the address in `Location`: only for data files, only with `--presign` |
| 412 | the same bytes are here already: as good as 201. Said without reading the body when the digest header tells it |
| 409 | other bytes are here under that name (or a sidecar's data file has another hash): keep it, ask a person |
| 400, 408, 411, 413, 415 | name, length or digest wrong; too slow; no length; too large; a content coding |
| 401 | token missing or wrong |
| 422, 424 | a JSON file that does not describe this place; a sidecar whose data file has not arrived |
| 503, 507 | the collector's store cannot be reached; its disk is full |

A `.zip` is a bundle: its members, named `<device>/<session>/<file>`, are stored one by one by the same rules, and 201
is said when all are; an answer that refuses is that of the first member that is refused.

`Motelog-Clock: <us> <us> <us>` in an answer: UTC when the request was heard and when it is answered, and how wrong
both may be (docs/transport.md, Clocks).

Nothing that is here is ever overwritten, with or without `If-None-Match: *`. `GET /` answers a JSON status. How files
are kept: `host/store.py`, `objects.py`.
"""

import asyncio
import base64
import binascii
import hmac
import re
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from host import clockerror
from host.collector.ingest import Ingest
from host.store import Address, Refused

MIN_BYTES_PER_S = 1000
SHUTDOWN_S = 5
PRESIGNED_S = 900
_PATH = re.compile(r"/([^/?#%]+)/([^/?#%]+)/([^/?#%]+)")
_DIGEST = re.compile(r"\s*sha-256\s*=\s*:([A-Za-z0-9+/=]*):\s*(?:;.*)?")


class HttpFront:
    """Receives files for `ingest` (see the module's text for the protocol).

    `token`: demanded of every request when given. `stall_s`: longest silence of a sender; slower than 1 kB/s overall
    is cut off as well. `presign`: send data files straight to the object store, which must be able to sign URLs.
    `status`: gives what `GET /` answers. `before_put`: awaited with the file's path before its body is read; tests
    make the collector stall with it.
    """

    name = "https"

    def __init__(
        self,
        ingest: Ingest,
        *,
        token: str | None = None,
        stall_s: float = 30,
        presign: bool = False,
        status: Callable[[], dict] | None = None,
        before_put: Callable[[str], Awaitable[None]] | None = None,
    ):
        self._ingest, self._store = ingest, ingest.store
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._stall_s, self._presign, self._before_put = stall_s, presign, before_put
        self._status = status or ingest.status
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int, ssl_context: ssl.SSLContext | None) -> int:
        """-> the bound port. Raises `OSError` when the address is taken."""
        self._web = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=2 * self._stall_s,  # also the time for a first request to come
            lingering_time=self._stall_s,  # a board sends its whole body before it reads an early refusal
        )
        tls = {"ssl": ssl_context, "ssl_handshake_timeout": self._stall_s} if ssl_context else {}
        self._wants_certificate = ssl_context is not None and ssl_context.verify_mode != ssl.CERT_NONE
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

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        """The answer, with our clock in it: when we heard the request, when we answer, how wrong that may be."""
        heard_us = clockerror.now_us()
        response = await self._respond(request)
        if not response.prepared:
            response.headers["Motelog-Clock"] = f"{heard_us} {clockerror.now_us()} {clockerror.error_us()}"
        return response

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        try:
            self._authorise(request)
            if request.method == "GET" and request.raw_path == "/":
                return web.json_response(self._status())
            if request.method != "PUT":
                return web.Response(status=405, headers={"Allow": "PUT"}, text="PUT a file, or GET / for the status\n")
            place = self._place(request)
        except Refused as refused:
            return _answer(*self._refused(request, refused))
        try:
            return await self._put(request, place)
        except (Refused, OSError) as error:
            return _answer(*self._refused(request, error, place))

    def _refused(self, request: web.BaseRequest, error: Refused | OSError, place: Address | None = None):
        who = place.device if place else request.remote or "?"
        return self._ingest.refused(self.name, who, request.raw_path, error, is_device=place is not None)

    def _authorise(self, request: web.BaseRequest) -> None:
        if self._wants_certificate and not request.transport.get_extra_info("peercert"):
            raise Refused(403, "a client certificate is missing (upload.https.cert_file)")
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if self._expected is not None and not hmac.compare_digest(given, self._expected):
            raise Refused(401, "the token is missing or wrong (Authorization: Bearer <token>)")

    async def _put(self, request: web.BaseRequest, place: Address) -> web.Response:
        length, sha256 = self._length(request, place), _digest(request)
        expects = request.headers.get("Expect", "").lower() == "100-continue"
        stored: list[tuple[str, int]] = []
        known = await self._ingest.known(place, sha256)
        if not known:
            self._ingest.check_size(place, length)
            if self._presign and place.file.endswith((".npy", ".wav")):
                url = await self._ingest.run(self._store.sign_put, place, PRESIGNED_S)
                return await _redirect(request, url, expects)
            stored = await self._receive(request, place, sha256, expects)
        self._ingest.devices.delivered(self.name, place.device, place.session, stored)
        return _answer(201, "stored") if stored else await self._answer_early(request)

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

    def _place(self, request: web.BaseRequest) -> Address:
        match = _PATH.fullmatch(request.raw_path)
        if match is None:
            raise Refused(
                400, "PUT /<device>/<session>/<file>, in plain letters: no percent codes, no query, no other levels"
            )
        return self._store.place(*match.groups())

    async def _receive(
        self, request: web.BaseRequest, place: Address, sha256: str, expects: bool
    ) -> list[tuple[str, int]]:
        """(file, bytes) of what was stored, nothing if the same bytes were here; every other outcome raises."""
        if self._before_put:
            await self._before_put(request.raw_path)
        if expects:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        upload = await self._ingest.run(self._store.upload, place)
        try:
            await self._read(request, upload.write)
            return await self._ingest.run(self._ingest.finish, upload, sha256)
        finally:
            upload.discard()

    def _length(self, request: web.BaseRequest, place: Address) -> int:
        if "Content-Encoding" in request.headers or "Content-Range" in request.headers:
            raise Refused(415, "whole files without a content coding only")
        length = request.content_length
        if length is None or "Transfer-Encoding" in request.headers:
            raise Refused(411, "Content-Length is required")
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


async def _next_chunk(request: web.BaseRequest) -> bytes:
    try:
        return await request.content.readany()
    except (ConnectionError, ClientError, HttpProcessingError, web.RequestPayloadError) as error:
        raise Refused(400, f"the sender went away in the middle of the body ({error})") from None


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


async def _redirect(request: web.BaseRequest, url: str, expects: bool) -> web.Response:
    """307 keeps method and body (RFC 9110 section 15.4.8). A body that the sender holds back is not waited for: the
    connection ends (section 10.1.1). One that is under way is read off.
    """
    response = web.Response(status=307, headers={"Location": url}, text="PUT it there\n")
    if expects:
        response.force_close()
        await response.prepare(request)
        await response.write_eof()
        request.transport.close()
    return response
