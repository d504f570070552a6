"""Joins one of several Wi-Fi networks and keeps it joined, without ever blocking the other tasks."""

from asyncio import sleep_ms
from time import ticks_add, ticks_diff, ticks_ms

_POLL_MS = 200
_FAILURES = {  # names that a port's `network` may have; the codes behind them differ
    "STAT_WRONG_PASSWORD": "wrong password",
    "STAT_NO_AP_FOUND": "not in reach",
    "STAT_CONNECT_FAIL": "refuses the connection",
    "STAT_HANDSHAKE_TIMEOUT": "wrong password, or the signal is weak",
    "STAT_ASSOC_FAIL": "refuses the connection",
}


def station(network):
    """-> (the station interface of a port's module `network`, {status code: what it says about a failed attempt})."""
    interface = getattr(network, "STA_IF", 0)
    return network.WLAN(interface), {getattr(network, k): v for k, v in _FAILURES.items() if hasattr(network, k)}


class Wifi:
    """Keeps `wlan` (a `network.WLAN` station) on the first of `networks` that lets it in.

    `networks`: [(name, password or None for an open one)], best first. Each gets `timeout_s` to let us in; when none
    did, `backoff.next_ms()` is waited. `failures`: status codes that end an attempt early, and what they mean.
    `run()` for ever, `is_up()` at any time. `state`: off, joining, joined, waiting; `name`: of the network that it is
    about; `reason`: why the last attempt failed. A password is in none of them.

    Who wants a network only now and then calls `connect` and `disconnect` instead of `run`: the radio is off in
    between. `static`: (address, netmask, gateway, name server) instead of DHCP's.
    """

    def __init__(self, wlan, networks, *, backoff, failures=None, timeout_s=15, static=None):
        self._wlan = wlan
        self._networks = networks
        self._backoff = backoff
        self._failures = failures or {}
        self._timeout_ms = int(timeout_s * 1000)
        self._static = static
        self.state = "off"
        self.name = None
        self.reason = None
        self.joins = 0

    def is_up(self):
        """-> whether there is a network now."""
        return self._wlan.isconnected()

    def status(self):
        """-> the state as a dict that fits into JSON."""
        return {
            "state": self.state,
            "network": self.name,
            "joins": self.joins,
            "rssi_dbm": self._rssi() if self.state == "joined" else None,
            "reason": self.reason,
        }

    async def run(self):
        """Join, and join again whenever the network is gone; end by cancelling."""
        try:
            while True:
                if await self._join_any():
                    self._backoff.reset()
                    while self.is_up():
                        await sleep_ms(_POLL_MS)
                    self.reason = "%s: the link was lost" % self.name
                else:
                    self.state = "waiting"
                    await sleep_ms(self._backoff.next_ms())
        finally:
            self.disconnect()

    async def connect(self, deadline_s):
        """Join a network within `deadline_s` seconds, trying each as long as that lasts. -> whether that worked; if
        not, the radio is off again.
        """
        deadline = ticks_add(ticks_ms(), int(deadline_s * 1000))
        try:
            while not self.is_up():
                if ticks_diff(deadline, ticks_ms()) <= 0:
                    return False
                if not await self._join_any(deadline):
                    await sleep_ms(_POLL_MS)
            return True
        finally:
            if not self.is_up():
                self.disconnect()

    def disconnect(self):
        """Leave the network and switch the radio off."""
        self._leave()
        self.state = "off"

    async def _join_any(self, deadline=None):
        """Try each network once, none of them longer than until `deadline` (ticks; None: its own time-out)."""
        for name, password in self._networks:
            self.state = "joining"
            self.name = name
            try:
                failure = await self._join(name, password, deadline)
            except OSError as error:  # the radio itself
                failure = str(error)
            if failure is None:
                self.state = "joined"
                self.joins += 1
                return True
            self.reason = "%s: %s" % (name, failure)
        return False

    async def _join(self, name, password, latest):
        """-> None once there is an address, else why there is none."""
        wlan = self._wlan
        wlan.active(True)
        self._disconnect()  # ESP32 refuses a second connect() while the first goes on
        if self._static:
            wlan.ifconfig(self._static)  # switches DHCP off, until the radio is
        if password is None:
            wlan.connect(name)
        else:
            wlan.connect(name, password)
        start = ticks_ms()
        deadline = ticks_add(start, self._timeout_ms)
        if latest is not None and ticks_diff(latest, deadline) < 0:
            deadline = latest
        while not wlan.isconnected():
            failure = self._failures.get(wlan.status())
            if failure:
                return failure
            if ticks_diff(deadline, ticks_ms()) <= 0:
                return "no connection within %d s" % (ticks_diff(ticks_ms(), start) // 1000)
            await sleep_ms(_POLL_MS)
        return None

    def _rssi(self):
        """-> the signal's strength in dBm, None on a port that does not tell."""
        try:
            return self._wlan.status("rssi")
        except (OSError, ValueError, TypeError):
            return None

    def _disconnect(self):
        try:
            self._wlan.disconnect()
        except OSError:
            pass  # there was nothing to leave

    def _leave(self):
        self._disconnect()
        try:
            self._wlan.active(False)
        except OSError:
            pass  # a radio that cannot be switched off is no reason to fail
