"""Safe mode after a boot loop: console and status, nothing else. It touches no sensor, no recording, no network."""

import time

from app import status
from app.control import Control
from app.main import reset

TICK_MS = 100
GOOD_TICKS = 600


class SafeBoard:
    """As much of app.main.Board as Control needs in safe mode."""

    state = "safe"

    def __init__(self, why):
        self.why = why
        self.orders = []

    def snapshot(self):
        """-> the status as a dict."""
        return {"state": self.state, "why": self.why}


def run_safe(boots):
    """Until `reboot` or `exit`. A power cycle after a minute tries again to record. -> exit code."""
    why = "%d starts without a good minute" % boots.count
    if boots.why:
        why += ", the last recording ended with: " + boots.why
    board = SafeBoard(why)
    status.log("safe mode: %s. reboot tries again" % why)
    control = Control(board)
    console = status.Console()
    ticks = 0
    while not board.orders:
        time.sleep_ms(TICK_MS)
        ticks += 1
        if ticks % 10 == 0:
            status.show(board.snapshot())
        if ticks == GOOD_TICKS:
            boots.good()
        line = console.line()
        if line:
            status.log(control.do(line)[1])
    boots.good()
    if board.orders[0] == "reboot":
        reset()
    return 0
