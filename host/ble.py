"""A board over Bluetooth, from the laptop: who is there, what waits, fetching it piece by piece, acknowledging it.

smpclient speaks MCUmgr's SMP; our own group (64) is described here once more (the board's side of it is
transport/smp_device.py, the page docs/ble.md). bleak is the radio on Linux, macOS and Windows.
"""

import asyncio
import struct
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bleak import BleakScanner
from bleak.exc import BleakError
from pydantic import BaseModel, ConfigDict
from smp import error as smperror
from smp import header, message
from smp.error import MGMT_ERR
from smpclient import SMPClient
from smpclient.exceptions import SMPClientException
from smpclient.generics import success
from smpclient.requests.file_management import FileDownload, FileHashChecksum
from smpclient.transport import SMP_SERVICE_UUID, SMPTransport, SMPTransportDisconnected
from smpclient.transport.ble import SMPBLETransport

GROUP = 64
COMPANY = 0xFFFF  # of the advertised state
CONNECT_S = 15
AHEAD = 2  # requests under way in a download: the next one waits at the board while it sends
ANSWER_S = 30 * AHEAD  # each 16 KB over a slow link
LINK_ERRORS = (BleakError, SMPClientException, SMPTransportDisconnected, TimeoutError, OSError, ValueError, EOFError)


class LinkError(Exception):
    """The connection, or what came over it, is of no use any more: connect again."""


class Refusal(Exception):
    """The board says no. `rc`: SMP's code."""

    def __init__(self, what: str, rc: int | str):
        super().__init__(f"the board refuses {what}: {rc}")
        self.rc = rc


class ErrorV1(smperror.ErrorV1):
    _GROUP_ID = GROUP


class ErrorV2(smperror.ErrorV2[MGMT_ERR]):
    _GROUP_ID = GROUP


class Entry(BaseModel):
    """A name that waits; `files`: (remote name, bytes, SHA-256), its sidecar last."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    files: list[tuple[str, int, bytes]]


class ListResponse(message.ReadResponse):
    _GROUP_ID, _COMMAND_ID = GROUP, 0
    names: list[Entry]
    next: int | None = None


class AcknowledgeResponse(message.WriteResponse):
    _GROUP_ID, _COMMAND_ID = GROUP, 1
    name: str


class StatusResponse(message.ReadResponse):
    _GROUP_ID, _COMMAND_ID = GROUP, 2
    device: str
    state: str
    waiting: int
    free: int
    answer: int


class CommandResponse(message.WriteResponse):
    _GROUP_ID, _COMMAND_ID = GROUP, 3
    ok: bool
    text: str


class List(message.ReadRequest):
    """The names that wait, oldest first, from the `start`th on; as many as fit into an answer."""

    _GROUP_ID, _COMMAND_ID = GROUP, 0
    _Response, _ErrorV1, _ErrorV2 = ListResponse, ErrorV1, ErrorV2
    start: int

    def model_dump(self, **how):
        return {"from": self.start}  # a word of Python


class Acknowledge(message.WriteRequest):
    """We have the files of `name`: together `len` bytes, which have that CRC-32."""

    _GROUP_ID, _COMMAND_ID = GROUP, 1
    _Response, _ErrorV1, _ErrorV2 = AcknowledgeResponse, ErrorV1, ErrorV2
    name: str
    len: int
    crc32: int


class Status(message.ReadRequest):
    _GROUP_ID, _COMMAND_ID = GROUP, 2
    _Response, _ErrorV1, _ErrorV2 = StatusResponse, ErrorV1, ErrorV2


class Command(message.WriteRequest):
    """A line of the board's console."""

    _GROUP_ID, _COMMAND_ID = GROUP, 3
    _Response, _ErrorV1, _ErrorV2 = CommandResponse, ErrorV1, ErrorV2
    do: str


@dataclass(frozen=True)
class Found:
    """A board that advertises. `waiting`: number of its segments that wait; `has_something`: these, or a document."""

    address: str
    name: str
    recording: bool
    has_something: bool
    waiting: int


class InTurn:
    """For an SMPTransport: requests may be sent before earlier ones are answered; answers come in the same order."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._sending, self._receiving = asyncio.Lock(), asyncio.Lock()  # who waits is served in order

    async def send_and_receive(self, data: bytes) -> bytes:
        async with self._sending:
            await self.send(data)
        async with self._receiving:
            return await self.receive()


class BleakTransport(InTurn, SMPBLETransport):
    """smpclient's, but an answer ends where its length says, although the next one may have begun to arrive."""

    async def receive(self) -> bytes:
        await self._have(header.Header.SIZE)
        size = header.Header.SIZE + header.Header.loads(bytes(self._buffer[: header.Header.SIZE])).length
        await self._have(size)
        answer = bytes(self._buffer[:size])
        del self._buffer[:size]
        return answer

    async def _have(self, size: int) -> None:
        async with self._notify_condition:
            while len(self._buffer) < size:
                await self._notify_or_disconnect()


class Radio(Protocol):
    """What the collector needs of a Bluetooth stack. Both raise one of LINK_ERRORS."""

    async def scan(self, seconds: float) -> list[Found]:
        """The boards within reach."""

    def transport(self) -> SMPTransport:
        """A new one, InTurn, to connect with."""


class BleakRadio:
    """This computer's Bluetooth."""

    async def scan(self, seconds: float) -> list[Found]:
        seen = await BleakScanner.discover(timeout=seconds, return_adv=True, service_uuids=[str(SMP_SERVICE_UUID)])
        found = []
        for device, advertisement in seen.values():
            state = parse_state(advertisement.manufacturer_data.get(COMPANY, b""))
            if state:
                found.append(Found(device.address, advertisement.local_name or device.name or "", *state))
        return found

    def transport(self) -> SMPTransport:
        return BleakTransport()


def parse_state(data: bytes) -> tuple[bool, bool, int] | None:
    """(recording, has_something, waiting) from an advertisement's manufacturer data; None: not one of our boards."""
    if len(data) != 4 or data[0] != 1:
        return None
    _, flags, waiting = struct.unpack("<BBH", data)
    return bool(flags & 1), bool(flags & 2), waiting


class Board:
    """A connection to one board: `async with Board(transport, address) as board`. Raises LinkError and Refusal."""

    def __init__(self, transport: SMPTransport, address: str):
        self._client = SMPClient(transport, address, ANSWER_S)
        self._piece = 0  # bytes of a file in an answer; the board's may become longer while it is connected

    async def __aenter__(self) -> "Board":
        try:
            await self._client.connect(CONNECT_S)
        except LINK_ERRORS as error:
            raise LinkError(str(error) or type(error).__name__) from error
        return self

    async def __aexit__(self, *_) -> None:
        try:
            await self._client.disconnect()
        except LINK_ERRORS:
            pass  # it is gone, which is what was wanted

    async def _ask(self, request, what: str):
        try:
            answer = await self._client.request(request, ANSWER_S)
        except (*LINK_ERRORS, SMPClientException) as error:
            raise LinkError(f"{what}: {str(error).strip() or type(error).__name__}"[:300]) from error
        if success(answer):
            return answer
        rc = answer.rc if hasattr(answer, "rc") else answer.err.rc
        raise Refusal(what, getattr(rc, "name", rc))

    async def waiting(self, start: int) -> tuple[list[Entry], bool]:
        """(a page of the names that wait, whether there is another one)."""
        answer = await self._ask(List(start=start), "the list")
        return answer.names, answer.next is not None

    async def status(self) -> StatusResponse:
        return await self._ask(Status(), "its status")

    async def do(self, line: str) -> tuple[bool, str]:
        """Obey a console line. -> (whether it was done, what the board says)"""
        answer = await self._ask(Command(do=line), line)
        return answer.ok, answer.text

    async def acknowledge(self, name: str, content: list[bytes]) -> None:
        """`content`: the name's files as they are stored here. What the board has given up already is fine."""
        crc = 0
        for data in content:
            crc = zlib.crc32(data, crc)
        try:
            await self._ask(Acknowledge(name=name, len=sum(map(len, content)), crc32=crc), f"to let go of {name}")
        except Refusal as error:
            if error.rc != MGMT_ERR.ENOENT.name:
                raise

    async def download(self, remote: str, size: int, part: Path, moved: Callable[[int], None]) -> bytes:
        """A file of `size` bytes. What `part` holds of it is not asked for again if the board has the same there;
        `part` grows with every answer and stays. `moved` is told of bytes.
        """
        part.parent.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.exists() else 0
        if have and not (have <= size and await self._is_prefix(remote, part.read_bytes())):
            have = 0
        with open(part, "r+b" if have else "wb") as file:
            file.seek(have)
            async for data in self._rest(remote, size, have):
                file.write(data)
                file.flush()
                moved(len(data))
        return part.read_bytes()

    async def _rest(self, remote: str, size: int, have: int) -> AsyncIterator[bytes]:
        """The file's bytes from `have` on, with requests ahead as soon as it is known how much an answer holds: a board
        that never waits for a request uses all of the link. After an error the connection is of no use any more.
        """
        asked: deque[tuple[int, asyncio.Task]] = deque()
        ahead = have  # so far it has been asked
        try:
            while have < size:
                while ahead < size and len(asked) < (AHEAD if self._piece else 1):
                    request = FileDownload(name=f"/{remote}", off=ahead)
                    asked.append((ahead, asyncio.create_task(self._ask(request, remote))))
                    ahead += self._piece or size
                off, task = asked.popleft()
                answer = await task
                end = off + len(answer.data)
                if answer.off != off or end == off or end > size:
                    raise LinkError(f"{remote}: an answer for another place of the file")
                is_short = end < size and end - off < self._piece
                if end < size:
                    self._piece = end - off
                if off <= have < end:
                    yield answer.data[have - off :]
                    have = end
                if is_short or not asked:  # what else was asked for begins behind a hole
                    ahead = have
        finally:
            for _, task in asked:
                task.cancel()
            await asyncio.gather(*(task for _, task in asked), return_exceptions=True)

    async def _is_prefix(self, remote: str, data: bytes) -> bool:
        answer = await self._ask(FileHashChecksum(name=f"/{remote}", type="crc32", off=0, len=len(data)), remote)
        return answer.len == len(data) and answer.output == zlib.crc32(data)
