"""A laptop's Bluetooth within reach of virtual boards: what host/ble.py needs of a radio, over bumble."""

import asyncio

from bumble.core import AdvertisingData, BaseBumbleError
from bumble.device import Advertisement
from smpclient.transport.bumble import Connected, Connecting, SMPBumbleTransport, SMPBumbleTransportException
from smpclient.transport.bumble.device import bumble_device

from host.ble import COMPANY, Found, InTurn, parse_state


class Transport(InTurn, SMPBumbleTransport):
    """smpclient's, but it raises its own exceptions only, and a link that breaks is noticed at once: bumble waits 30 s
    for the answer to a request that was cut off.
    """

    async def connect(self, address: str, timeout_s: float) -> None:
        connecting = asyncio.ensure_future(super().connect(address, timeout_s))
        broken = asyncio.ensure_future(self._broken())
        try:
            await asyncio.wait({connecting, broken}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done() and not broken.done():
                raise SMPBumbleTransportException(f"no connection within {timeout_s} s")
            if not connecting.done() or connecting.cancelled():  # bumble cancels what waits for an answer
                raise SMPBumbleTransportException("the link broke while connecting")
            await connecting
        except BaseBumbleError as error:
            raise SMPBumbleTransportException(str(error)) from error
        finally:
            broken.cancel()
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            if connecting.cancelled():
                await self.disconnect()

    async def _broken(self) -> None:
        await asyncio.sleep(0)  # connect() clears the event first
        await self._disconnected_event.wait()

    async def disconnect(self) -> None:
        state = self._state
        if isinstance(state, Connected | Connecting) and self._disconnected_event.is_set():
            self._state = Connecting(transport=state.transport, device=state.device)  # nobody to unsubscribe from
        await super().disconnect()

    async def send(self, data: bytes) -> None:
        try:
            await super().send(data)
        except BaseBumbleError as error:
            raise SMPBumbleTransportException(str(error)) from error


class BumbleRadio:
    """A radio of its own for each connection. `hci`: bumble's name for the controller, as "tcp-client:HOST:PORT"."""

    def __init__(self, hci: str, mtu: int = 247):
        self._hci, self._mtu = hci, mtu

    def transport(self) -> Transport:
        return Transport(hci=self._hci, preferred_mtu=self._mtu)

    async def scan(self, seconds: float) -> list[Found]:
        """Ends with the first board that it finds: they advertise often here."""
        found, some = {}, asyncio.Event()

        def on_advertisement(advertisement: Advertisement) -> None:
            company, data = advertisement.data.get(AdvertisingData.MANUFACTURER_SPECIFIC_DATA) or (0, b"")
            state = parse_state(data) if company == COMPANY else None
            if state:
                name = advertisement.data.get(AdvertisingData.COMPLETE_LOCAL_NAME) or ""
                found[str(advertisement.address)] = Found(str(advertisement.address), name, *state)
                some.set()

        async with bumble_device(hci=self._hci) as device:
            device.on("advertisement", on_advertisement)
            await device.start_scanning()
            try:
                await asyncio.wait_for(some.wait(), seconds)
            except TimeoutError:
                pass
            await device.stop_scanning()
        return list(found.values())
