"""bleak in the air of the virtual boards: a backend over bumble, so that programs written for bleak run as they are.

`python -m tests.transport.bleak_air HCI WORDS...` is `smpmgr WORDS...`, unmodified, with this radio. Like BlueZ it
exchanges the MTU and finds the services while it connects, and a link that breaks meanwhile is a BleakError at once.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack

import bleak
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Peer
from bumble.gatt import Characteristic
from bumble.hci import Address
from smpclient.transport.bumble.device import bumble_device

MTU = 247
_UUID_LISTS = (
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)
_PROPERTIES = {
    Characteristic.Properties.READ: "read",
    Characteristic.Properties.WRITE_WITHOUT_RESPONSE: "write-without-response",
    Characteristic.Properties.WRITE: "write",
    Characteristic.Properties.NOTIFY: "notify",
    Characteristic.Properties.INDICATE: "indicate",
}


def use(hci: str, setattr: Callable = setattr) -> None:
    """Has bleak use the controller `hci` ("tcp-client:HOST:PORT"). `setattr`: pytest's, to undo it."""
    scanner, client = type("Scanner", (Scanner,), {"hci": hci}), type("Client", (Client,), {"hci": hci})
    setattr(bleak, "get_platform_scanner_backend_type", lambda: (scanner, "bumble"))
    setattr(bleak, "get_platform_client_backend_type", lambda: (client, "bumble"))


class Scanner(BaseBleakScanner):
    hci = ""

    def __init__(self, callback, service_uuids, scanning_mode, **_):
        super().__init__(callback, service_uuids)
        self._open = AsyncExitStack()

    async def start(self) -> None:
        self.seen_devices = {}
        device = await self._open.enter_async_context(bumble_device(hci=self.hci))
        device.on("advertisement", self._on_advertisement)
        await device.start_scanning()
        self._open.push_async_callback(device.stop_scanning)

    async def stop(self) -> None:
        await self._open.aclose()

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        data, address = advertisement.data, str(advertisement.address)
        name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        company = data.get(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)
        found = AdvertisementData(
            local_name=name,
            manufacturer_data={company[0]: company[1]} if company else {},
            service_data={},
            service_uuids=[_text(uuid) for kind in _UUID_LISTS for uuid in data.get(kind) or []],
            tx_power=None,
            rssi=advertisement.rssi,
            platform_data=(),
        )
        device = self.create_or_update_device(address, address, name, None, found)
        if self.is_allowed_uuid(found.service_uuids):
            self.call_detection_callbacks(device, found)


class Client(BaseBleakClient):
    hci = ""

    def __init__(self, address_or_ble_device, *, disconnected_callback, timeout, **_):
        super().__init__(address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout)
        self._open = AsyncExitStack()
        self._broken = asyncio.Event()
        self._broken.set()
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        return self.address

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu

    @property
    def is_connected(self) -> bool:
        return not self._broken.is_set()

    async def connect(self, pair: bool, **_) -> None:
        device = await self._open.enter_async_context(bumble_device(hci=self.hci))
        try:
            self._connection = await device.connect(Address(self.address), timeout=self._timeout)
        except (BaseBumbleError, TimeoutError) as error:
            await self._open.aclose()
            raise BleakDeviceNotFoundError(self.address, str(error)) from error
        self._broken.clear()
        self._connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        peer = Peer(self._connection)
        await self._unless_broken(peer.request_mtu(MTU))
        await self._unless_broken(peer.discover_all())
        self.services = BleakGATTServiceCollection()
        for service in peer.services:
            place = BleakGATTService(service, service.handle, _text(service.uuid))
            self.services.add_service(place)
            for found in service.characteristics:
                properties = [name for flag, name in _PROPERTIES.items() if flag & found.properties]
                self.services.add_characteristic(
                    BleakGATTCharacteristic(
                        found, found.handle, _text(found.uuid), properties, lambda: self.mtu_size - 3, place
                    )
                )

    async def _unless_broken(self, doing: Coroutine):
        """bumble waits 30 s for the answer to a request that a broken link took along."""
        task, broken = asyncio.ensure_future(doing), asyncio.ensure_future(self._broken.wait())
        await asyncio.wait({task, broken}, return_when=asyncio.FIRST_COMPLETED)
        broken.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if task.cancelled() or self._broken.is_set():
            raise BleakError("the device disconnected")
        return task.result()

    def _on_disconnection(self, reason: int) -> None:
        self._broken.set()
        if self._disconnected_callback:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        if self.is_connected:
            await self._connection.disconnect()
        await self._open.aclose()

    async def write_gatt_char(self, characteristic, data, response: bool) -> None:
        if not self.is_connected:
            raise BleakError("Not connected")
        if len(data) > self.mtu_size - 3:
            raise BleakError("longer than a packet")
        await self._unless_broken(characteristic.obj.write_value(bytes(data), with_response=response))

    async def start_notify(self, characteristic, callback, **_) -> None:
        await self._unless_broken(characteristic.obj.subscribe(lambda data: callback(bytearray(data))))

    async def stop_notify(self, characteristic) -> None:
        await self._unless_broken(characteristic.obj.unsubscribe())

    async def _not_here(self, *_, **__):
        raise NotImplementedError("nothing here needs it")

    pair = unpair = read_gatt_char = read_gatt_descriptor = write_gatt_descriptor = _not_here


def _text(uuid: UUID) -> str:
    return uuid.to_hex_str("-").lower()


if __name__ == "__main__":
    use(sys.argv.pop(1))
    from smpmgr.main import app

    app(prog_name="smpmgr")
