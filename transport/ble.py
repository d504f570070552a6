"""The spool over Bluetooth Low Energy: MCUmgr's SMP over GATT, on micropython-lib's aioble.

Any MCUmgr client reads the board (docs/ble.md). The board never knows who listens and sends nothing unasked: the
other side asks for a piece, asks for the next one, and acknowledges what it has. So a connection may be cut anywhere.

Three things bound the RAM: a buffer of 2 KB, through which the files in long answers pass, one for requests, and that
an answer is handed to the stack before the next request is looked at. NimBLE says ENOMEM when its buffers are full,
then we wait; BTstack (RP2) queues everything on the heap, therefore its answers are small. A client that has a second
request here while it gets the first answer keeps the link busy: ours does.
"""

import asyncio
import errno
import struct
import sys
from time import ticks_diff, ticks_ms

import aioble
import bluetooth

from transport import smp
from transport.smp_device import Device
from transport.smp_files import Files

SERVICE = "8D53DC1D-1DB7-4CD3-868B-8A527460AA84"  # Zephyr's "SMP over Bluetooth" service
CHARACTERISTIC = "DA2E7828-FBCE-4E01-AE9E-261174997C48"
MTU = 247  # one notification fills one packet of the link layer: 251 bytes less 4 of L2CAP
NO_MTU = 23  # until the central has asked for more
COMPANY = 0xFFFF  # of the advertised state: nobody's (Bluetooth SIG, "Assigned Numbers")
MAX_NAME_BYTES = 28  # what a scan response holds
BUFFER_BYTES = 2048  # the longest answer without a file
ANSWER_BYTES = 2048 if sys.platform == "rp2" else 16384  # the longest with one: what the port's stack bears
LEAST_ANSWER_BYTES = 256

PIECE_MS = 1000  # the rest of a request comes within this time, or it is forgotten
STALL_MS = 10000  # a central that takes nothing for so long is dropped
IDLE_MS = 60000  # and one that asks for nothing for so long
REFRESH_MS = 10000  # so old may the advertised state be
RETRY_MS = 5000
ENOMEM_MS = 5

_WRITE_ENCRYPTED = 0x1000
_NO_INPUT_NO_OUTPUT = 3


class Stalled(Exception):
    """The central does not take what it asked for."""


class Ble:
    """Serves one central at a time, for ever (`run`, one task). What it allocates for good, it allocates here.

    `name` is advertised, with `state()` ("recording", "idle") and how much waits. `do`, `fixes`: see smp_device.Device.
    With `pairing` requests are taken over an encrypted link only (NimBLE).
    """

    def __init__(
        self,
        spool,
        *,
        name,
        answer_bytes=ANSWER_BYTES,
        advertise_ms=500,
        pairing=False,
        do=None,
        state=None,
        fixes=None,
        log=print,
    ):
        self._spool = spool
        self._name = name.encode()[:MAX_NAME_BYTES]
        self._advertise_us = advertise_ms * 1000
        self._pairing = pairing
        self._state = state
        self._log = log
        self._buffer = bytearray(BUFFER_BYTES)
        self._answer_bytes = answer_bytes
        self._unproven = 0  # bytes of the latest answer, until the next request shows that it has arrived
        self._device = Device(spool, answer_bytes=answer_bytes, do=do, state=state, fixes=fixes)
        self._files = Files(spool, answer_bytes)
        handlers = self._device.handlers()
        handlers.update(self._files.handlers())
        self._server = smp.Server(self._buffer, handlers)
        self._assembler = smp.Assembler()
        self._characteristic = None
        self.state = "off"  # advertising, connected, stopped
        self.connections = 0
        self.requests = 0
        self.sent_bytes = 0
        self.full = 0  # times that the stack had no room
        self.last_error = None

    def status(self):
        """The counters as a dict that fits into JSON."""
        return {
            "state": self.state,
            "connections": self.connections,
            "requests": self.requests,
            "bytes": self.sent_bytes,
            "acknowledged": self._device.acknowledged,
            "full": self.full,
            "last_error": self.last_error,
        }

    async def run(self):
        """Advertise and serve until the task is cancelled; then the radio is off."""
        try:
            while True:
                try:
                    self._start()
                    await self._session()
                except (OSError, MemoryError) as error:  # the stack, the flash, the heap
                    self.last_error = "Bluetooth fails: %s" % (error or "no memory")
                    self._log(self.last_error)
                    await asyncio.sleep_ms(RETRY_MS)
        finally:
            self._characteristic = None
            aioble.stop()
            self.state = "stopped"

    async def drain(self, deadline_s):
        """Wait until nothing is pending any more, and who has fetched it has gone: for at most `deadline_s` seconds
        without anybody connected. -> number of names that still are pending, -1 when the spool cannot be read.
        """
        left = int(deadline_s * 1000)
        try:
            while left > 0 and (self.state == "connected" or self._spool.pending(1)):
                await asyncio.sleep_ms(500)
                if self.state != "connected":
                    left -= 500
            return sum(1 for _ in self._spool.waiting())
        except OSError:
            return -1

    def _start(self):
        """Switch the radio on and register the service, once."""
        if self._characteristic:
            return
        aioble.config(gap_name=self._name, mtu=MTU)
        if self._pairing:
            from aioble import security  # noqa: F401  registers what keeps the keys

            aioble.config(bond=True, le_secure=True, io=_NO_INPUT_NO_OUTPUT)
        service = aioble.Service(bluetooth.UUID(SERVICE))
        # appended, not captured: aioble keeps ten captured writes at most, and drops the rest without a word
        characteristic = aioble.BufferedCharacteristic(
            service,
            bluetooth.UUID(CHARACTERISTIC),
            write_no_response=True,
            notify=True,
            max_len=smp.MAX_REQUEST_BYTES,
            append=True,
        )
        if self._pairing:
            characteristic.flags |= _WRITE_ENCRYPTED
        aioble.register_services(service)
        self._characteristic = characteristic

    async def _session(self):
        """Advertise until somebody connects, or the state is to be said anew; serve who does."""
        self.state = "advertising"
        try:
            connection = await aioble.advertise(
                self._advertise_us,
                name=self._name,
                services=[bluetooth.UUID(SERVICE)],
                manufacturer=(COMPANY, self._advertised()),
                timeout_ms=REFRESH_MS,
            )
        except asyncio.TimeoutError:
            return
        if connection is None:  # aioble takes a cancellation for the wish to stop advertising, and keeps it to itself
            raise asyncio.CancelledError
        self.state = "connected"
        self.connections += 1
        try:
            await self._serve(connection)
        except (aioble.DeviceDisconnectedError, asyncio.TimeoutError):
            pass
        except Stalled:
            self.last_error = "the other side took nothing for %d s: disconnected" % (STALL_MS // 1000)
        finally:
            self._fit(False)
            await self._disconnect(connection)
            # now, not when the next one is there: its first request may have come before we see that it is
            self._characteristic.read()
            self._assembler.reset()

    def _advertised(self):
        """4 bytes: version of this format; flags: 1 = recording, 2 = something waits; number of segments that wait."""
        flags = 1 if self._state is not None and self._state() == "recording" else 0
        try:
            flags |= 2 if self._spool.pending(1) else 0
        except OSError:
            pass  # the card is away
        return struct.pack("<BBH", 1, flags, min(self._spool.status()["pending_segments"], 0xFFFF))

    async def _serve(self, connection):
        """Answer requests, one after the other. Returns when the central is gone, or asks for nothing any more."""
        characteristic, assembler = self._characteristic, self._assembler
        idle_since = ticks_ms()
        with connection.timeout(None):
            while connection.is_connected():
                request = assembler.request()
                if request:
                    self.requests += 1
                    self._fit(True)
                    await self._send(connection, *await self._server.answer(request))
                    idle_since = ticks_ms()
                    continue
                try:
                    await characteristic.written(PIECE_MS)
                    assembler.feed(characteristic.read())
                except asyncio.TimeoutError:
                    assembler.reset()
                    if ticks_diff(ticks_ms(), idle_since) > IDLE_MS:
                        return

    def _fit(self, has_arrived):
        """How long the next answers may be: half as long when the latest may not have arrived, for no link would hold
        until a too long one is over; then longer again, little by little.
        """
        files = self._files
        if has_arrived:
            files.limit = min(self._answer_bytes, files.limit + LEAST_ANSWER_BYTES)
        elif self._unproven > files.limit // 2:
            files.limit = max(LEAST_ANSWER_BYTES, files.limit // 2)
        self._unproven = 0

    async def _send(self, connection, n, file, rest):
        """Notify an answer in pieces: n bytes of the buffer, then `rest` bytes of the file; they stay in order, and
        none is cut.
        """
        self._unproven = n + rest
        at = 0
        try:
            view = memoryview(self._buffer)
            while at < n or rest:
                piece = (connection.mtu or NO_MTU) - 3
                if n - at < piece and rest:
                    view[: n - at] = view[at:n]
                    n -= at
                    at = 0
                    got = file.readinto(view[n : min(n + rest, BUFFER_BYTES)])
                    if not got:
                        raise OSError(errno.EIO)
                    n += got
                    rest -= got
                    continue
                await self._notify(connection, view[at : min(n, at + piece)])
                at = min(n, at + piece)
        finally:
            if file:
                file.close()
        self.sent_bytes += self._unproven

    async def _notify(self, connection, piece):
        """Send a piece as soon as the stack has room for it."""
        since = ticks_ms()
        while True:
            try:
                self._characteristic.notify(connection, piece)
                break
            except OSError as error:
                if error.errno != errno.ENOMEM:
                    raise aioble.DeviceDisconnectedError() from None
            self.full += 1
            if ticks_diff(ticks_ms(), since) > STALL_MS:
                raise Stalled()
            await asyncio.sleep_ms(ENOMEM_MS)
        await asyncio.sleep_ms(0)

    async def _disconnect(self, connection):
        if not connection.is_connected():
            return
        try:
            await connection.disconnect()
        except asyncio.TimeoutError:
            self.last_error = "the connection could not be closed"
