"""Uploads that have their times, on a board that was stopped or that ends."""

import asyncio

from app.batches import Batches

NEVER = (None, None)


class Part:
    """A radio, or what ships over it: runs until it is cancelled."""

    def __init__(self):
        self.runs = False
        self.begun = self.acknowledged = 0

    async def run(self):
        self.runs = True
        self.begun += 1
        try:
            while True:
                await asyncio.sleep_ms(10)
        finally:
            self.runs = False


class Policy:
    """Nothing is ever due."""

    batch_kb = None
    most_s = 1
    is_allowed = True

    def due(self, *_):
        return None

    def allows(self, *_):
        return self.is_allowed


class Board:
    def __init__(self):
        self.wanted = True
        self.wifi = Part()
        self.shipper = Part()
        self.sntp = self.ble = None
        self.spool = self
        self.pending_segments = 0


async def until(what):
    for _ in range(6000):
        if what():
            return
        await asyncio.sleep_ms(10)
    raise AssertionError("it does not come")


def test_bug_a_board_that_was_stopped_could_not_be_told_to_start():
    asyncio.run(stopped_and_started())


async def stopped_and_started():
    board, policy = Board(), Policy()
    parts = (board.wifi, board.shipper)
    batches = Batches(board, policy, {}, 1)
    batches.step(1, False, NEVER)
    assert not batches.is_busy, "nothing is due"
    board.wanted = False
    policy.is_allowed = False
    batches.step(2, False, NEVER)
    assert not batches.is_busy, "the battery is too low for it"
    policy.is_allowed = True
    batches.step(3, False, NEVER)
    await until(lambda: all([part.runs for part in parts]))
    board.wanted = True
    await until(lambda: not any([part.runs for part in parts]))
    await until(batches._task.done)
    batches.step(4, False, NEVER)
    assert not batches.is_busy and [part.begun for part in parts] == [1, 1]
    board.wanted = False
    batches.step(5, False, NEVER)
    await until(lambda: all([part.runs for part in parts]))
    await batches.stop()
    assert not any([part.runs for part in parts])


def test_bug_what_was_written_while_the_last_upload_said_goodbye_stayed_behind():
    for late, attempts in (["ledger.json"], 2), ([], 1):
        assert asyncio.run(ended_while_it_ships(late)) == attempts


async def ended_while_it_ships(late):
    """-> number of attempts; `late` comes into the spool after the first has looked for the last time."""
    board = Late()
    batches = Batches(board, Due(), {}, 1)
    batches.step(1, False, NEVER)
    await until(lambda: board.closing)
    board.waiting.extend(late)
    ending = asyncio.create_task(batches.finish())
    await asyncio.sleep_ms(0)
    board.may_close = True
    await ending
    assert not board.waiting
    return board.attempts


class Due(Policy):
    def due(self, since, kb, last, retry):
        return last + 1 if last else 1


class Late(Board):
    """Its shipper ships what waits, then takes leave when it may."""

    state = "idle"
    acknowledged = attempts = 0
    closing = may_close = False

    def __init__(self):
        Board.__init__(self)
        self.wifi = None
        self.shipper = self
        self.sleep = "none"
        self.waiting = ["imu-000000"]

    def snapshot(self):
        return {}

    def pending(self, limit):
        return self.waiting[:limit]

    async def drain(self, deadline_s):
        self.attempts += 1
        self.acknowledged += len(self.waiting)
        self.waiting.clear()
        return 0

    async def close(self):
        self.closing = True
        while not self.may_close:
            await asyncio.sleep_ms(1)
