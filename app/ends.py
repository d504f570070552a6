"""What ends a recording or the program otherwise than by schedule. Loaded when it happens, for it seldom does."""

import asyncio

from app import status

PAUSE_S = 120  # `pause` lasts so long


async def obey(loop, order):
    """Carry out an order that Control has taken."""
    board = loop.board
    board.boots.good()  # whoever gives orders is no boot loop
    was_wanted = board.wanted or loop.resume_us is not None
    loop.resume_us = None
    if order == "start":
        board.wanted = loop.by_hand = True
        return
    await loop.end("stop" if order in ("exit", "pause") else order)
    board.wanted = loop.by_hand = False
    if order == "pause" and was_wanted:
        loop.resume_us = board.clock.t_us() + PAUSE_S * 1000000
    if order == "exit":
        loop.is_over = True
    elif order == "reboot":
        await _restart(board)
    elif order == "safe-mode":
        board.why = "by command"
        await _leave(board, "safe")


async def stopped(loop, why):
    """A recording has gone wrong: its files are closed, and the board starts anew, at once or after a pause."""
    board = loop.board
    if why == "stuck" and not board.has_room():
        if board.duration_s is not None:  # a recording of a set length counts its losses to the end
            return
        await loop.end("flash full")
        loop.is_full = True  # no new start makes room
        return
    await loop.end(why)
    board.boots.stopped(why)
    board.why = why
    if board.stops["then"] == "sleep":
        from app.rest import rest

        await rest(board, loop.tick, board.stops["sleep_s"])
    await _restart(board)


async def _restart(board):
    """The board starts anew."""
    await _leave(board, "restarting")
    board.reset()


async def _leave(board, state):
    """The uploads end, after what is left to say is out: a reply, and the new state (2 s at most)."""
    board.state = state
    status.show(board.snapshot())
    await board.uploads.stop()


async def ship_only(loop):
    """Nothing can be recorded; what earlier sessions left is shipped all the same."""
    loop.board.uploads.start()
    await ship_rest(loop)


async def ship_rest(loop):
    """Ship what is there, for a while; then the program ends."""
    board = loop.board
    board.state = "shipping"
    status.show(board.snapshot())
    finishing = asyncio.create_task(board.uploads.finish())
    while not finishing.done():
        await loop.tick()
    board.boots.good()
    board.state = "done"
    status.show(board.snapshot())
