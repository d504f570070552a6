"""The radio of a virtual board: MicroPython's `bluetooth` (host/virtual/port/bluetooth.py) on a bumble host stack.

The board connects by TCP. Messages in both directions: length of the data (2 bytes, little-endian), kind (1), data.
Handles are 2 bytes; a value's handle counts from 1 in the order in which the services are described.

    board -> radio   C configuration (JSON)      S services (JSON)          G advertising (JSON; {}: stop)
                     W value handle, content     N I connection, value handle, content (notify, indicate)
                     D connection (disconnect)
    radio -> board   c connection, address type, address    d connection (gone)    m connection, MTU
                     w connection, value handle, content    s number of notifications that have left their buffers
                     i connection, value handle, status (indication done)
                     e connection, encrypted, authenticated, bonded, key size
"""

import asyncio
import contextlib
import json
import struct

from bumble import att
from bumble.att import Attribute
from bumble.core import UUID, BaseBumbleError
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Descriptor, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

from host.virtual.radio.air import Air

DEFAULT_ADDRESS = "F0:4D:6F:74:65:01"
_PERMISSIONS = {  # MicroPython's flags (docs, library/bluetooth) -> ATT permissions
    0x0002: Attribute.READABLE,
    0x0004: Attribute.WRITEABLE,
    0x0008: Attribute.WRITEABLE,
    0x0200: Attribute.READ_REQUIRES_ENCRYPTION,
    0x1000: Attribute.WRITE_REQUIRES_ENCRYPTION,
}


class VirtualRadio:
    """Serves one board at a time on `air`. The address stays the same over the board's restarts."""

    def __init__(self, air: Air, address: str = DEFAULT_ADDRESS):
        self.air, self.address = air, address
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; `world()` is then what the board's world needs."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def world(self, **more) -> dict:
        """The value of a world's `bluetooth`."""
        return {"port": self.port, "address": self.address, **more}

    async def close(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        radio = _Radio(self.air, self.address, writer)
        try:
            await radio.power_on()
            while True:
                n, kind = struct.unpack("<HB", await reader.readexactly(3))
                await radio.obey(chr(kind), await reader.readexactly(n))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            radio.power_off()
            writer.close()


class _Radio:
    """The board's controller and host stack while it is powered."""

    def __init__(self, air: Air, address: str, writer: asyncio.StreamWriter):
        self.air, self._writer = air, writer
        self.controller = air.controller("board")
        host = Host(self.controller, AsyncPipeSink(self.controller))
        self.device = Device(name="board", address=Address(address), host=host)
        self.device.pairing_config_factory = lambda connection: PairingConfig(
            sc=True, mitm=False, bonding=True, delegate=PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT)
        )
        self.device.on(Device.EVENT_CONNECTION, self._on_connection)
        self.values: list = []
        self.contents: list[bytes] = []
        self.connections: dict[int, Connection] = {}
        self._tasks: set[asyncio.Task] = set()
        self.advertised = {"adv": b"", "resp": b""}
        air.sent[self.controller] = self._on_sent

    async def power_on(self) -> None:
        await self.device.power_on()

    def power_off(self) -> None:
        self.connections = {}
        self.air.drop(self.controller)

    async def obey(self, kind: str, data: bytes) -> None:
        match kind:
            case "C":
                self._configure(json.loads(data))
            case "S":
                self._register(json.loads(data))
            case "G":
                await self._advertise(json.loads(data))
            case "W":
                self.contents[struct.unpack_from("<H", data)[0] - 1] = data[2:]
            case "N" | "I":
                self._update(kind, *struct.unpack_from("<HH", data), data[4:])
            case "D":
                if connection := self.connections.get(struct.unpack("<H", data)[0]):
                    self._later(self._disconnect(connection))

    def _tell(self, kind: str, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(struct.pack("<HB", len(data), ord(kind)) + data)

    def _configure(self, values: dict) -> None:
        if "mtu" in values:
            self.device.gatt_server.max_mtu = values["mtu"]

    def _later(self, coroutine) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- advertising, connections

    async def _advertise(self, how: dict) -> None:
        if not how:
            await self.device.stop_advertising()
            return
        for name in ("adv", "resp"):
            if name in how:
                self.advertised[name] = bytes.fromhex(how[name])
        interval_ms = how["interval_us"] / 1000
        await self.device.start_advertising(
            advertising_interval_min=interval_ms, advertising_interval_max=interval_ms, advertising_data=b""
        )
        # bumble's controller answers no scan requests: both parts go out together, as scanners show them in the end
        self.controller.le_legacy_advertiser.advertising_data = self.advertised["adv"] + self.advertised["resp"]

    async def _disconnect(self, connection: Connection) -> None:
        with contextlib.suppress(BaseBumbleError):  # gone already
            await connection.disconnect()

    def _on_connection(self, connection: Connection) -> None:
        handle = connection.handle
        self.connections[handle] = connection
        connection.on(Connection.EVENT_DISCONNECTION, lambda reason: self._on_disconnection(handle))
        connection.on(
            Connection.EVENT_CONNECTION_ATT_MTU_UPDATE,
            lambda: self._tell("m", struct.pack("<HH", handle, connection.att_mtu)),
        )
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, lambda: self._on_encryption(connection))
        peer = connection.peer_address
        self._tell("c", struct.pack("<HB", handle, not peer.is_public) + bytes(peer)[:6][::-1])

    def _on_disconnection(self, handle: int) -> None:
        if self.connections.pop(handle, None):
            self._tell("d", struct.pack("<H", handle))

    def _on_encryption(self, connection: Connection) -> None:
        on = connection.is_encrypted
        self._tell("e", struct.pack("<HBBBB", connection.handle, on, connection.authenticated, on, 16 if on else 0))

    # --- GATT

    def _register(self, services: list) -> None:
        self.values, self.contents = [], []
        for uuid, characteristics in services:
            members = []
            for characteristic, flags, descriptors in characteristics:
                value = self._new_value(flags)
                below = []
                place = len(self.values)
                self.values.append(None)
                for descriptor, descriptor_flags in descriptors:
                    content = self._new_value(descriptor_flags)
                    below.append(Descriptor(_uuid(descriptor), _permissions(descriptor_flags), content))
                    self.values.append(below[-1])
                properties = Characteristic.Properties(flags & 0x7F)
                made = Characteristic(_uuid(characteristic), properties, _permissions(flags), value, below)
                self.values[place] = made
                members.append(made)
            self.device.add_service(Service(_uuid(uuid), members))

    def _new_value(self, flags: int) -> CharacteristicValue:
        self.contents.append(b"")
        handle = len(self.contents)

        def read(connection):
            return self.contents[handle - 1]

        def write(connection, content):
            self.contents[handle - 1] = content
            self._tell("w", struct.pack("<HH", connection.handle, handle) + content)

        return CharacteristicValue(read=read, write=write)

    def _update(self, kind: str, handle: int, value_handle: int, content: bytes) -> None:
        """A notification is sent whether the central subscribed or not, as MicroPython does it."""
        connection = self.connections.get(handle)
        if connection is None:
            return
        attribute = self.values[value_handle - 1]
        server = self.device.gatt_server
        if kind == "N":
            content = content[: connection.att_mtu - 3]
            pdu = att.ATT_Handle_Value_Notification(attribute_handle=attribute.handle, attribute_value=content)
            server.send_gatt_pdu(connection, bytes(pdu))
        else:
            self._later(self._indicate(connection, attribute, value_handle, content))

    async def _indicate(self, connection: Connection, attribute, value_handle: int, content: bytes) -> None:
        try:
            await self.device.gatt_server._indicate_single_bearer(connection, attribute, content, force=True)
            status = 0
        except TimeoutError:
            status = 1
        self._tell("i", struct.pack("<HHB", connection.handle, value_handle, status))

    def _on_sent(self, pdu: bytes) -> None:
        """The L2CAP PDU has arrived: a notification gives back its buffer."""
        if pdu[2:5] == bytes([att.ATT_CID, 0, att.Opcode.ATT_HANDLE_VALUE_NOTIFICATION]):
            self._tell("s", b"\x01")


def _uuid(text: str) -> UUID:
    return UUID.from_bytes(bytes.fromhex(text)[::-1])


def _permissions(flags: int) -> Attribute.Permissions:
    permissions = Attribute.Permissions(0)
    for flag, permission in _PERMISSIONS.items():
        if flags & flag:
            permissions |= permission
    return permissions
