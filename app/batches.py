"""Runs the uploads at the times that app/policy.py says, with the radios off in between."""

import asyncio
import sys

from app.uploads import Uploads, cancel

SLICE_MS = 100
UNLIMITED_S = 86400


class Batches:
    """At times: `step` begins an upload when one is due, and ends one that may not go on. It ends by itself when all is
    shipped or something fails; then a pause follows, which grows with each failure. Over Bluetooth it is a window of
    `connect_s`, or as long as somebody is connected who fetches: outside of it the board is not to be found. A board
    that was stopped is awake anyway: its radios stay on, or nobody could tell it to start.

    `state`: a dict that outlives deep sleep: {"since", "last", "failures", "retry"}.
    """

    def __init__(self, board, policy, state, connect_s):
        self._board = board
        self._shipper = board.shipper
        self._wifi = board.wifi
        self._policy = policy
        self._spool = board.spool
        self._connect_ms = int(connect_s * 1000)
        self._state = state
        if "since" not in state:  # switched on: what waits has waited for who knows how long
            state.update({"since": 0, "last": 0, "failures": 0, "retry": 0})
        self._task = None
        self._listens = False  # the task is that of a board that was stopped
        self._shipped = False
        self._now = self._begun = 0

    @property
    def is_busy(self):
        return self._task is not None

    def start(self):
        """No radio is on until `step` says so."""

    def noted(self, now):
        """Something new waits from now on."""
        if self._state["since"] is None:
            self._state["since"] = now

    def due(self, now):
        """-> when an upload is due, None: not in sight."""
        state = self._state
        if state["since"] is None and self._spool.pending_segments:
            state["since"] = now
        for key in ("since", "last"):  # the clock may have been set back
            if state[key] is not None and state[key] > now:
                state[key] = now
        state["retry"] = min(state["retry"], now + self._policy.most_s)
        kb = self._spool.pending_kb() if self._policy.batch_kb else 0
        return self._policy.due(state["since"], kb, state["last"], state["retry"])

    def step(self, now, recording, battery):
        """`now` in seconds; `battery`: (percent, charging), each None where nobody knows."""
        self._now = now
        allowed = self._policy.allows(recording, *battery)
        if self._task is not None:
            if self._task.done():
                self._task = None
            elif not allowed:
                self._task.cancel()
            return
        if not allowed:
            return
        if not self._board.wanted:
            self._listens = True
            self._task = asyncio.create_task(self._listen())
            return
        at = self.due(now)
        if at is not None and at <= now:
            self._begun = now
            self._task = asyncio.create_task(self._upload())

    async def _listen(self):
        """All is shipped as it comes, until `start`."""
        steady = Uploads(self._board)
        steady.start()
        try:
            while not self._board.wanted:
                await asyncio.sleep_ms(SLICE_MS)
        finally:
            await steady.stop()
            self._listens = False
            self._state["last"] = self._now

    async def _upload(self):
        """One upload, from switching the radios on to switching them off."""
        board = self._board
        before = self._shipper.acknowledged if self._shipper else -1
        tasks = [asyncio.create_task(part.run()) for part in (self._wifi, board.sntp, board.ble) if part]
        ways = [asyncio.create_task(self._ship())] if self._shipper else []
        if board.ble:
            ways.append(asyncio.create_task(self._be_fetched()))
        self._shipped = has_failed = False
        try:
            while not self._shipped and not all([way.done() for way in ways]):
                await asyncio.sleep_ms(SLICE_MS)
            has_failed = not self._shipped
        finally:  # it may have been cut off, too: that is a failure when it came to nothing
            for task in ways + tasks:
                await cancel(task)
            self._note(has_failed or self._shipper and self._shipper.acknowledged == before)

    def _note(self, has_failed):
        """An upload has ended: with everything shipped, with a failure, or cut off in its work."""
        state = self._state
        state["last"] = self._now
        if self._shipped:
            state["since"] = None
            state["failures"] = 0
            state["retry"] = 0
        elif has_failed:
            state["failures"] += 1
            pause_s = self._policy.pause_s(state["failures"], max(0, self._now - self._begun))
            state["retry"] = self._now + pause_s

    async def _be_fetched(self):
        """Over Bluetooth: until all is gone, or nobody has been connected for `connect_s`."""
        if await self._board.ble.drain(self._connect_ms / 1000) == 0:
            self._shipped = True

    async def _ship(self):
        """Over the network: until all is shipped, or as soon as something has failed."""
        shipping = asyncio.create_task(self._drain())
        try:
            is_all = await self._watch(shipping)
        finally:
            await cancel(shipping)
            self._tell_state()
            await self._shipper.close()
        self._shipped = is_all or self._shipped  # only now: it ends the upload, and the goodbye must be out

    def _tell_state(self):
        """What a broker is to say of the board until the next upload."""
        board = self._board
        told = board.snapshot()
        if board.state == "idle" and board.wanted and board.sleep != "none":
            told["state"] = "sleeping"
            self._shipper.report(told)

    async def _drain(self):
        """-> True when all is shipped, False when a bug got in the way: that is a failure like others."""
        try:
            await self._shipper.drain(UNLIMITED_S)
            return True
        except Exception as error:
            sys.print_exception(error)
            return False

    async def _watch(self, shipping):
        """-> True when all is shipped, False as soon as something has failed."""
        waited_ms = 0
        while not shipping.done():
            await asyncio.sleep_ms(SLICE_MS)
            if self._shipper.state == "backing off":
                return False
            if self._wifi and not self._wifi.is_up():
                waited_ms += SLICE_MS
                if waited_ms >= self._connect_ms:
                    return False
        return await shipping

    async def finish(self):
        """One attempt to ship what is there; then end. One that is under way may have looked for the last time before
        the recording's end was written: when it has shipped what it saw, what came behind that is shipped as well.
        """
        if self._listens:
            await self.stop()
        was_under_way = await self._attempt()
        if was_under_way and self._shipped and self._spool.pending(1):
            await self._attempt()
        await self.stop()

    async def _attempt(self):
        """The upload that is under way, or another one, to its end. -> True: it was under way"""
        is_under_way = self._task is not None and not self._task.done()
        if not is_under_way:
            self._task = asyncio.create_task(self._upload())
        while not self._task.done():
            await asyncio.sleep_ms(SLICE_MS)
        return is_under_way

    async def stop(self):
        """End at once."""
        if self._task is not None:
            await cancel(self._task)
            self._task = None
