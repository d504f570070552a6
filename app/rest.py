"""Sleep between recordings, and long pauses. Loaded only on boards that sleep, or have reason to."""

from app import status

LEAST_SLEEP_S = 2
BLIND_SLEEP_S = 600  # while an upload is due that may not run, or when nothing is in sight


async def rest(board, tick, seconds):
    """Nothing for so long, or until somebody commands something. `tick`: the loop's."""
    board.state = "sleeping"
    status.show(board.snapshot())
    if board.power:
        await _sleep(board, seconds)
        return
    end_us = board.clock.t_us() + seconds * 1000000
    while board.clock.t_us() < end_us and not board.orders:
        await tick()


async def until_charged(board, tick):
    """The battery is low: nothing is recorded or sent until it is charged again; then the board starts anew."""
    await board.uploads.stop()
    board.why = "battery low"
    board.boots.stopped(board.why)
    board.boots.good()
    while board.charge[0] < board.battery.least_pct(True) and not board.orders:
        if board.power:
            board.power.state()["low"] = True
        await rest(board, tick, board.stops["sleep_s"])
        board.charge = board.battery.state()
    board.reset()


async def sleep_if_idle(board):
    """Sleep until something is due, or moves. From deep sleep the program starts anew."""
    agenda = board.agenda
    agenda.look()
    motion = board.motion
    watches = motion is not None and motion.is_armed and not motion.why
    if agenda.slot and not watches or board.uploads.is_busy or board.orders:
        return
    now = agenda.now
    at = now + BLIND_SLEEP_S if agenda.until is None else agenda.until
    if watches:
        at = motion.sleep_until(now, at)
    upload = board.uploads.due(now)
    if upload is not None:
        at = min(at, upload if upload > now else now + BLIND_SLEEP_S)
    seconds = agenda.seconds_to(at)
    if seconds < LEAST_SLEEP_S:
        return
    board.boots.good()
    board.state = "sleeping"
    status.show(board.snapshot())
    await _sleep(board, seconds, motion.pins() if watches else ())
    board.state = "idle"


async def _sleep(board, seconds, pins=()):
    """The spool's numbers outlive deep sleep, so that waking costs the same however much waits. They are taken at the
    last moment: where light sleep takes its place, tasks go on between its pieces.
    """

    def leave(state):
        state["spool"] = board.spool.kept()

    await board.power.sleep(seconds, deep=board.sleep == "deep", pins=pins, leave=leave)
