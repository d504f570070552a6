"""Runs the uploads without a policy: always on. With one: app/batches.py."""

import asyncio

SHIP_AT_END_S = 120  # so long a finished recording waits for its collector; then it is left to the next start


class Uploads:
    """Steady: Wi-Fi, shipper and Bluetooth run for ever, as tasks. Without `has_radio` Wi-Fi stays off: it was to be on
    for uploads only, and there can be none.
    """

    is_busy = False

    def __init__(self, board, has_radio=True):
        self._board = board
        self._has_radio = has_radio
        self._tasks = []

    def start(self):
        """Begin."""
        board = self._board
        parts = (board.shipper, board.wifi, board.sntp, board.ble) if self._has_radio else (board.ble,)
        self._tasks = [asyncio.create_task(part.run()) for part in parts if part]

    def noted(self, now):
        """Something new waits; see `Batches`, as for the next two."""

    def step(self, now, recording, battery):
        """The time has gone on."""

    def due(self, now):
        """-> when an upload is due: nobody has to wake up for one."""
        return None

    async def finish(self):
        """Ship what is there, for a while; then end."""
        board = self._board
        if board.shipper and self._tasks:
            await cancel(self._tasks.pop(0))
            await board.shipper.drain(SHIP_AT_END_S)
            board.state = "done"
            board.snapshot()  # for a transport that publishes it before it leaves
            await board.shipper.close()
        if board.ble and self._tasks:
            await board.ble.drain(SHIP_AT_END_S)
        await self.stop()

    async def stop(self):
        """End at once."""
        for task in self._tasks:
            await cancel(task)
        self._tasks = []


async def cancel(task):
    """End a task, and wait for its end."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
