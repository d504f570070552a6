"""The main loop: records when it should, obeys commands, shows the state once a second."""

import asyncio

from app import status

TICK_MS = 100
RETRY_S = 5  # between two attempts to begin a session on a flash that has no room for it
SHIP_AT_END_S = 120  # so long a finished recording waits for its collector; then it is left to the next start


class Loop:
    """Runs `board` (app.main.Board) from the first recording to `exit`, whose state it keeps in `board.state`:
    recording, idle (nothing to record now), waiting (for room on the flash), safe, shipping (the rest, at the end) or
    done.
    """

    def __init__(self, board):
        self._board = board
        self._console = status.Console()
        self._wanted = True  # False after `stop`
        self._is_over = False
        self._retry_us = 0
        self._tasks = []

    async def run(self):
        """Until `exit`, or the end of a recording of a set length, or of one that failed."""
        board = self._board
        self._start_tasks()
        ticks = 0
        while not self._is_over:
            self._record_if_due()
            await asyncio.sleep_ms(TICK_MS)
            ticks += 1
            if ticks % 10 == 0:
                status.show(board.snapshot())
            await self._end_if_due()
            self._read_console()
            if board.control.orders:
                await self._obey(board.control.orders.pop(0))
        await self._ship_rest()

    async def ship_only(self):
        """Nothing can be recorded; what earlier sessions left is shipped all the same."""
        self._start_tasks()
        await self._ship_rest()

    def _start_tasks(self):
        board = self._board
        parts = (board.shipper, board.wifi, board.sntp, board.ble)
        self._tasks = [asyncio.create_task(part.run()) for part in parts if part]

    def _record_if_due(self):
        """Begin a session. While the flash has no room even for that, shipping may make some: it is tried again."""
        board = self._board
        if not self._wanted or board.state in ("recording", "safe") or board.clock.t_us() < self._retry_us:
            return
        try:
            board.begin_session()
        except OSError as error:
            status.log("the flash takes no new session (%s): tried again in %d s" % (error, RETRY_S))
            self._retry_us = board.clock.t_us() + RETRY_S * 1000000
            board.state = "waiting"
            return
        board.state = "recording"
        status.log("session %s: %s" % (board.session.name, ", ".join([stream.name for stream in board.streams])))

    async def _end_if_due(self):
        """End the session when it has failed or is long enough; then the program has done its work."""
        board = self._board
        if board.state != "recording":
            return
        if board.session.failure:
            await self._end("error")
            self._is_over = True
        elif board.duration_s is not None and board.session.seconds() >= board.duration_s:
            await self._end("duration")
            self._is_over = True

    async def _end(self, reason):
        """End the session, if there is one."""
        board = self._board
        if board.state == "recording":
            await board.session.end(reason)
            status.log("session %s ended: %s" % (board.session.name, reason))
        board.state = "idle"

    def _read_console(self):
        line = self._console.line()
        if line:
            ok, text = self._board.control.do(line)
            status.log(text)

    async def _obey(self, order):
        """Carry out an order that Control has taken."""
        board = self._board
        if order == "start":
            self._wanted = True
            return
        await self._end("stop" if order == "exit" else order)
        self._wanted = False
        if order == "exit":
            self._is_over = True
        elif order == "reboot":
            board.reset()
        elif order == "safe-mode":
            board.state = "safe"
            board.why = "by command"
            await self._cancel_tasks()

    async def _ship_rest(self):
        """Ship what is there, for a while; then end the tasks."""
        board = self._board
        board.state = "shipping"
        status.show(board.snapshot())
        if board.shipper and self._tasks:
            await _cancel(self._tasks[0])
            await board.shipper.drain(SHIP_AT_END_S)
            board.state = "done"
            board.snapshot()  # for a transport that publishes it before it leaves
            await board.shipper.close()
        if board.ble and self._tasks:
            await board.ble.drain(SHIP_AT_END_S)
        await self._cancel_tasks()
        board.state = "done"
        status.show(board.snapshot())

    async def _cancel_tasks(self):
        for task in self._tasks:
            await _cancel(task)
        self._tasks = []


async def _cancel(task):
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
