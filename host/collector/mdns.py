"""The announcement on the local network: `_motelog._tcp` by multicast DNS (RFC 6762, RFC 6763), so that nobody types an
address.
"""

import socket

from zeroconf import Error as ZeroconfError
from zeroconf import IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from host.collector.status import log

TYPE = "_motelog._tcp.local."
VERSION = "1"


class Announcement:
    """A front that only announces: `port` is HTTPS's, `addresses` are IPv4 addresses of this machine."""

    name = "mdns"

    def __init__(self, port: int, addresses: list[str]):
        self._port, self._addresses = port, addresses
        self._zeroconf: AsyncZeroconf | None = None
        self._why: str | None = None

    async def start(self) -> None:
        """A network without multicast costs the announcement, nothing else."""
        host = socket.gethostname().partition(".")[0] or "collector"
        info = ServiceInfo(
            TYPE, f"Motelog on {host}.{TYPE}", port=self._port, server=f"{host}.local.",
            parsed_addresses=self._addresses, properties={"path": "/", "version": VERSION},
        )  # fmt: skip
        try:
            self._zeroconf = AsyncZeroconf(interfaces=self._addresses, ip_version=IPVersion.V4Only)
            await self._zeroconf.async_register_service(info, allow_name_change=True)
        except (OSError, ZeroconfError) as error:
            self._why = str(error) or type(error).__name__
            log.warning("mdns: not announced: %s", self._why)

    async def stop(self) -> None:
        if self._zeroconf:
            await self._zeroconf.async_unregister_all_services()
            await self._zeroconf.async_close()
            self._zeroconf = None

    def status(self) -> dict:
        return {"state": "announced" if self._zeroconf and not self._why else "not announced", "why": self._why}
