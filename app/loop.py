"""The main loop: records when it should, obeys commands, uploads and sleeps in between."""

import asyncio
import time

from app import status

TICK_MS = 100
TICKS_S = 10  # ticks per second
LONGEST_MS = 60000
RETRY_S = 5  # between two attempts to begin a session on a flash that has no room for it
BATTERY_S = 10  # between two looks at the battery
GOOD_S = 60  # a start that ran so long was a good one
ALWAYS = (0, 0)  # the slot of a board without a schedule ...
BY_HAND = (1, 1)  # ... and of a recording that `start` began outside of its hours


class Loop:
    """Runs `board` (app.main.Board) from the first recording to `exit`, whose state it keeps in `board.state`:
    recording, idle (nothing to record now), waiting (for room on the flash), sleeping, restarting, safe, shipping (the
    rest, at the end) or done. ``resume_us``: when a `pause` is over; ``by_hand``: `start` began, or is to begin, a
    recording outside of its hours; ``is_full``: the flash had no room for another segment; ``is_over``: the program
    ends.
    """

    def __init__(self, board):
        self.board = board
        self._console = status.Console()
        self.resume_us = None
        self.by_hand = False
        self._slot = None  # that is being recorded
        self.is_full = False
        self.is_over = False
        self._retry_us = 0
        self._ticks = 0
        self._doze = None  # sleeps while it records

    async def run(self):
        """Until `exit`, or the end of a recording of a set length."""
        board = self.board
        board.uploads.start()
        if board.battery:
            await self._mind_battery(board.power and board.power.left("low"))
        if board.power:
            board.power.ready()
        while not self.is_over:
            await self._follow_schedule()
            await self.tick()
            await self._end_if_due()
            if self._ticks % TICKS_S == 0:
                await self._each_second()
            if board.orders:
                from app.ends import obey

                await obey(self, board.orders.pop(0))
        from app.ends import ship_rest

        await ship_rest(self)

    def _least_ms(self):
        """-> how long nothing can be due."""
        agenda = self.board.agenda
        if not agenda or agenda.until is None:
            return LONGEST_MS
        return max(1, min(LONGEST_MS, int(agenda.seconds_to(agenda.until) * 1000) + 1))

    async def tick(self):
        """A moment for the tasks, and a look at the console."""
        board = self.board
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
        if self.board.state == "recording" and slot != self._slot:
            await self.end("schedule")
        if slot and self.board.state in ("idle", "waiting"):
            self._begin(slot)

    def _due(self):
        """-> the slot to record now, or None."""
        agenda = self.board.agenda
        slot = agenda.look() if agenda else ALWAYS
        if self.resume_us is not None and self.board.clock.t_us() >= self.resume_us:
            self.resume_us = None
            self.board.wanted = True
        if not self.board.wanted:
            return None
        motion = self.board.motion
        if motion:
            slot = None if self.by_hand else motion.due(slot, agenda.now)
        if slot:
            self.by_hand = False
        return BY_HAND if self.by_hand else slot

    def _begin(self, slot):
        """Begin a session. While the flash has no room for it, shipping may make some: it is tried again."""
        board = self.board
        if board.clock.t_us() < self._retry_us:
            return
        try:
            if self.is_full and not board.has_room():
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
        self.is_full = False
        board.state = "recording"
        board.guard.begin()
        self._doze = board.doze()
        self._note()
        status.log("session %s: %s" % (board.session.name, ", ".join([stream.name for stream in board.streams])))

    async def _end_if_due(self):
        """End the session when it has failed or is long enough; the second ends the program."""
        board = self.board
        if board.state != "recording":
            return
        if board.session.failure:
            await self.stopped("error")
        elif board.duration_s is not None and board.session.seconds() >= board.duration_s:
            await self.end("duration")
            self.is_over = True
        elif board.motion and board.motion.is_over():
            await self.end("still")

    async def end(self, reason):
        """End the session, if there is one."""
        board = self.board
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
        if self.board.agenda:
            self.board.uploads.noted(self.board.agenda.now)

    async def stopped(self, why):
        """A recording has gone wrong, or could not even begin."""
        from app.ends import stopped

        await stopped(self, why)

    # --- once per second

    async def _each_second(self):
        board = self.board
        if board.boots.count and time.ticks_diff(time.ticks_ms(), board.boot_ms) >= GOOD_S * 1000:
            board.boots.good()
        if self._ticks % (10 * BATTERY_S) == 0 and board.battery:
            await self._mind_battery()
        if board.state == "recording":
            why = board.guard.check(board.session.is_writing())
            if why:
                await self.stopped(why)
        if board.agenda and board.state != "safe":
            board.uploads.step(board.agenda.now, board.state == "recording", board.charge)
        status.show(board.snapshot())
        if board.sleep != "none" and board.state == "idle" and board.wanted and not self.by_hand:
            from app.rest import sleep_if_idle

            await sleep_if_idle(board)

    async def _mind_battery(self, was_low=False):
        """Look at the battery. When it is low nothing goes on until it is charged; `was_low`: it was in front of this
        deep sleep, in which it has to regain some.
        """
        board = self.board
        board.charge = board.battery.state()
        if board.charge[0] < board.battery.least_pct(was_low):
            from app.rest import until_charged

            await self.end("battery")
            await until_charged(board, self.tick)
