"""Keeps a spool empty: ships what is pending, oldest first, and acknowledges it piece by piece."""

import asyncio

from .errors import TransportError

_SLICE_MS = 100
_LONG_MS = 20000  # a connection is not kept over so long a pause: servers close theirs, and it takes RAM

class Shipper:
    """Lets `transport` ship the names of `spool`, for ever (`run`) or until nothing is left (`drain`); or both.

    A name is acknowledged to the spool as soon as the transport says so. A cut between the two only means that it is
    sent again and found to be there already. The transport takes names in the spool's order, as it has room for them.
    One that the server does not take lets the others pass: in conflict it stays where it is, otherwise it gets its next
    turn when nothing else waits.

    `backoff` has `next_ms()` and `reset()` (see `Backoff`). `interval_s` is the time between two looks at an empty
    spool. `link` has `is_up()`: while there is no network at all, nothing is tried, so that nothing counts as a failure
    and shipping goes on as soon as the network is back. None: there is always one.
    """

    def __init__(self, spool, transport, *, interval_s, backoff, link=None):
        self._spool = spool
        self._transport = transport
        self._interval_ms = max(1, int(interval_s * 1000))
        self._backoff = backoff
        self._link = link
        self._lock = asyncio.Lock()  # one user of the transport at a time
        self._stopping = False
        self._names = []  # for the transport to take in this round
        self.state = "idle"  # connecting, shipping, waiting (for something to ship), backing off, no network, stopped
        self.attempts = 0  # names tried
        self.acknowledged = 0  # names
        self.failures = 0  # rounds that ended in an error
        self.last_error = None  # text of the last failure or refusal
        self.cause = None  # what to look at first (transport/errors.py), None while all goes well

    def status(self):
        """The counters as a dict that fits into JSON."""
        transport = self._transport
        return {
            "state": self.state,
            "attempts": self.attempts,
            "acknowledged": self.acknowledged,
            "failures": self.failures,
            "bytes": transport.sent_bytes,
            "connections": transport.connections,
            "conflicts": len(transport.conflicts),
            "refused": len(transport.refused),
            "last_error": self.last_error,
            "cause": "link" if self.state == "no network" else self.cause,
            "resolve_ms": getattr(transport, "resolve_ms", 0),
        }

    def report(self, status):
        """The board's status as a dict, for a transport that tells it on."""
        if hasattr(self._transport, "report"):
            self._transport.report(status)

    async def run(self):
        """Ships until `stop()`. The connection is closed at the end, also when this task is cancelled."""
        try:
            while not self._stopping:
                left, ok = await self._round()
                if not (left and ok):
                    await self._wait(self._interval_ms if ok else self._backoff.next_ms(), ok)
        finally:
            self.state = "stopped"
            await self._transport.close()

    async def drain(self, deadline_s):
        """Ships what is pending now and what comes meanwhile, for at most `deadline_s` seconds.

        Returns the number of names that are still not acknowledged: 0 means that everything is safe elsewhere, -1 that
        the spool cannot be read. Names in conflict count, but are not waited for.
        """
        try:
            await asyncio.wait_for_ms(self._drain(), int(deadline_s * 1000))
        except asyncio.TimeoutError:
            pass
        self.state = "idle"
        try:
            return sum(1 for _ in self._spool.waiting())
        except OSError:
            return -1

    def stop(self):
        """Lets `run` and `drain` end after the name that is just being shipped. To end at once, cancel their task."""
        self._stopping = True

    async def close(self):
        """Closes the connection, which `drain` leaves open."""
        await self._transport.close()

    async def _drain(self):
        while not self._stopping:
            left, ok = await self._round()
            if not left:
                return
            if not ok:
                await self._wait(self._backoff.next_ms(), ok)

    async def _round(self):
        """Tries waiting names, each once. -> (whether any that may yet be shipped are left, whether all went well)."""
        while self._link and not self._link.is_up() and not self._stopping:
            self.state = "no network"
            await asyncio.sleep_ms(_SLICE_MS)
        async with self._lock:
            try:
                await self._ship()
                return bool(self._waiting()), not self._transport.refused
            except (TransportError, OSError, MemoryError) as error:  # OSError: the flash under the spool
                self.last_error = str(error) or type(error).__name__
                self.failures += 1
                self.cause = getattr(error, "cause", "board")
                return True, False

    async def _ship(self):
        """Lets the transport ship what waits, and what comes meanwhile; the connection stays open afterwards."""
        transport = self._transport
        self._names = self._waiting()
        if not (self._names or transport.stays):
            return
        self.state = "connecting"
        await transport.connect()
        self.state = "shipping"
        await transport.ship(self._take, self._answered)

    def _take(self):
        """-> the next name for the transport, oldest first; None: there is none, or it is time to end."""
        if self._stopping:
            return None
        if not self._names:
            self._names = self._untried()
            if not self._names:
                return None
        self.attempts += 1
        return self._names.pop(0)

    def _answered(self, name, stored):
        """The transport has an answer for `name`, perhaps from before this round's names were looked up."""
        if name in self._names:
            self._names.remove(name)
        if stored:
            self._spool.acknowledge(name)
            self.acknowledged += 1
            self.cause = None
            self._backoff.reset()
        else:
            self.cause = "conflict" if name in self._transport.conflicts else "refused"
            self.last_error = self._transport.conflicts.get(name) or self._transport.refused.get(name)

    def _waiting(self):
        """The oldest names to try: not those in conflict, and those refused last time only if there are no others."""
        conflicts, refused = self._transport.conflicts, self._transport.refused
        for known in (conflicts, refused):
            for name in [name for name in known if not self._spool.is_pending(name)]:
                del known[name]  # the spool gave it up
        names = self._untried()
        if refused and not names:
            names = self._spool.pending(skip=(conflicts,), taken=self._transport.on_the_way)
        return names

    def _untried(self):
        """The oldest names that the server has not turned down."""
        transport = self._transport
        return self._spool.pending(skip=(transport.conflicts, transport.refused), taken=transport.on_the_way)

    async def _wait(self, ms, ok):
        """Sleeps, but notices `stop`.

        In slices: a `wait_for` in here, inside the one of `drain`, can swallow the cancellation when both end at once.
        """
        self.state = "waiting" if ok else "backing off"
        if ms >= _LONG_MS and not self._transport.stays:
            self._spool.rest()
            await self._transport.close()
        while ms > 0 and not self._stopping:
            await asyncio.sleep_ms(min(ms, _SLICE_MS))
            ms -= _SLICE_MS
