"""The main loop: records when it should, obeys commands, uploads and sleeps in between."""

import asyncio
import time

from app import status

TICK_MS = 100
TICKS_S = 10  # ticks per second
LONGEST_MS = 60000
RETRY_S = 5  # between two attempts to begin a session on a flash that has no room for it
BATTERY_S = 10  # between two looks at the battery
PAUSE_S = 120  # `pause` lasts so long
GOOD_S = 60  # a start that ran so long was a good one
ALWAYS = (0, 0)  # the slot of a board without a schedule ...
BY_HAND = (1, 1)  # ... and of a recording that `start` began outside of its hours


class Loop:
    """Runs `board` (app.main.Board) from the first recording to `exit`, whose state it keeps in `board.state`:
    recording, idle (nothing to record now), waiting (for room on the flash), sleeping, restarting, safe, shipping (the
    rest, at the end) or done.
    """

    def __init__(self, board):
        self._board = board
        self._console = status.Console()
        self._resume_us = None  # when a `pause` is over
        self._by_hand = False
        self._slot = None  # that is being recorded
        self._is_full = False  # the flash had no room for another segment
        self._is_over = False
        self._retry_us = 0
        self._ticks = 0
        self._doze = None  # sleeps while it records

    async def run(self):
        """Until `exit`, or the end of a recording of a set length."""
        board = self._board
        board.uploads.start()
        if board.battery:
            await self._mind_battery(board.power and board.power.left("low"))
        if board.power:
            board.power.ready()
        while not self._is_over:
            await self._follow_schedule()
            await self.tick()
            await self._end_if_due()
            if self._ticks % TICKS_S == 0:
                await self._each_second()
            if board.orders:
                await self._obey(board.orders.pop(0))
        await self._ship_rest()

    async def ship_only(self):
        """Nothing can be recorded; what earlier sessions left is shipped all the same."""
        self._board.uploads.start()
        await self._ship_rest()

    async def try_again(self, why):
        """Start anew after a pause, on a board that sleeps by itself: whatever is wrong may have gone by then."""
        await self._stopped(why)

    def _least_ms(self):
        """-> how long nothing can be due."""
        agenda = self._board.agenda
        if not agenda or agenda.until is None:
            return LONGEST_MS
        return max(1, min(LONGEST_MS, int(agenda.seconds_to(agenda.until) * 1000) + 1))

    async def tick(self):
        """A moment for the tasks, and a look at the console."""
        board = self._board
        if self._doze and board.state == "recording" and not (board.uploads.is_busy or board.orders):
            await self._doze.rest(self._least_ms())
            self._ticks += TICKS_S - self._ticks % TICKS_S
        else:
            await asyncio.sleep_ms(TICK_MS)
            self._ticks += 1
        if board.power:
            board.power.feed()
        line = self._console.line()
        if line:
            status.log(board.do(line)[1])

    # --- recording

    async def _follow_schedule(self):
        """Begin and end sessions as the schedule, or a command, wants it."""
        slot = self._due()
        if self._board.state == "recording" and slot != self._slot:
            await self._end("schedule")
        if slot and self._board.state in ("idle", "waiting"):
            self._begin(slot)

    def _due(self):
        """-> the slot to record now, or None."""
        agenda = self._board.agenda
        slot = agenda.look() if agenda else ALWAYS
        if self._resume_us is not None and self._board.clock.t_us() >= self._resume_us:
            self._resume_us = None
            self._board.wanted = True
        if not self._board.wanted:
            return None
        motion = self._board.motion
        if motion:
            slot = None if self._by_hand else motion.due(slot, agenda.now)
        if slot:
            self._by_hand = False
        return BY_HAND if self._by_hand else slot

    def _begin(self, slot):
        """Begin a session. While the flash has no room for it, shipping may make some: it is tried again."""
        board = self._board
        if board.clock.t_us() < self._retry_us:
            return
        try:
            if self._is_full and not board.has_room():
                raise OSError("no room")
            board.begin_session(slot == BY_HAND)
        except OSError as error:
            status.log("the flash takes no new session (%s): tried again in %d s" % (error, RETRY_S))
            self._retry_us = board.clock.t_us() + RETRY_S * 1000000
            board.state = "waiting"
            if board.motion:  # it may sleep until something moves again
                board.motion.ended(board.agenda.now)
                board.state = "idle"
            return
        self._slot = slot
        self._is_full = False
        board.state = "recording"
        board.guard.begin()
        self._doze = board.doze()
        self._note()
        status.log("session %s: %s" % (board.session.name, ", ".join([stream.name for stream in board.streams])))

    async def _end_if_due(self):
        """End the session when it has failed or is long enough; the second ends the program."""
        board = self._board
        if board.state != "recording":
            return
        if board.session.failure:
            await self._stopped("error")
        elif board.duration_s is not None and board.session.seconds() >= board.duration_s:
            await self._end("duration")
            self._is_over = True
        elif board.motion and board.motion.is_over():
            await self._end("still")

    async def _end(self, reason):
        """End the session, if there is one."""
        board = self._board
        if board.state == "recording":
            await board.session.end(reason)
            board.state = "idle"  # before the line that a `pull` waits for with its Ctrl-C
            self._note()
            if board.motion:
                board.motion.ended(board.agenda.now)
            status.log("session %s ended: %s" % (board.session.name, reason))
        board.state = "idle"

    def _note(self):
        """Tell the uploads that there is something new."""
        if self._board.agenda:
            self._board.uploads.noted(self._board.agenda.now)

    async def _stopped(self, why):
        """A recording has gone wrong: its files are closed, and the board starts anew, at once or after a pause."""
        board = self._board
        if why == "stuck" and not board.has_room():
            if board.duration_s is not None:  # a recording of a set length counts its losses to the end
                return
            await self._end("flash full")
            self._is_full = True  # no new start makes room
            return
        await self._end(why)
        board.boots.stopped(why)
        board.why = why
        if board.stops["then"] == "sleep":
            from app.rest import rest

            await rest(board, self.tick, board.stops["sleep_s"])
        await self._restart()

    # --- once per second

    async def _each_second(self):
        board = self._board
        if board.boots.count and time.ticks_diff(time.ticks_ms(), board.boot_ms) >= GOOD_S * 1000:
            board.boots.good()
        if self._ticks % (10 * BATTERY_S) == 0 and board.battery:
            await self._mind_battery()
        if board.state == "recording":
            why = board.guard.check(board.session.is_writing())
            if why:
                await self._stopped(why)
        if board.agenda and board.state != "safe":
            board.uploads.step(board.agenda.now, board.state == "recording", board.charge)
        status.show(board.snapshot())
        if board.sleep != "none" and board.state == "idle" and board.wanted and not self._by_hand:
            from app.rest import sleep_if_idle

            await sleep_if_idle(board)

    async def _mind_battery(self, was_low=False):
        """Look at the battery. When it is low nothing goes on until it is charged; `was_low`: it was in front of this
        deep sleep, in which it has to regain some.
        """
        board = self._board
        board.charge = board.battery.state()
        if board.charge[0] < board.battery.least_pct(was_low):
            from app.rest import until_charged

            await self._end("battery")
            await until_charged(board, self.tick)

    # --- commands, and the end

    async def _obey(self, order):
        """Carry out an order that Control has taken."""
        board = self._board
        board.boots.good()  # whoever gives orders is no boot loop
        was_wanted = board.wanted or self._resume_us is not None
        self._resume_us = None
        if order == "start":
            board.wanted = self._by_hand = True
            return
        await self._end("stop" if order in ("exit", "pause") else order)
        board.wanted = self._by_hand = False
        if order == "pause" and was_wanted:
            self._resume_us = board.clock.t_us() + PAUSE_S * 1000000
        if order == "exit":
            self._is_over = True
        elif order == "reboot":
            await self._restart()
        elif order == "safe-mode":
            board.why = "by command"
            await self._leave("safe")

    async def _restart(self):
        """The board starts anew."""
        await self._leave("restarting")
        self._board.reset()

    async def _leave(self, state):
        """The uploads end, after what is left to say is out: a reply, and the new state (2 s at most)."""
        board = self._board
        board.state = state
        status.show(board.snapshot())
        await board.uploads.stop()

    async def _ship_rest(self):
        """Ship what is there, for a while; then end."""
        board = self._board
        board.state = "shipping"
        status.show(board.snapshot())
        finishing = asyncio.create_task(board.uploads.finish())
        while not finishing.done():
            await self.tick()
        board.boots.good()
        board.state = "done"
        status.show(board.snapshot())
