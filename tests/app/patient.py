"""Runs on the virtual board, in the place of app.main: after each status line it waits for an answer, a byte in the
FIFO that the world names as "answers".

On the virtual clock no time passes meanwhile. So what somebody types upon a status line is there when that line is
still the board's last word, however slow the laptop is.
"""

from hardware import board

from app import main, status

_answers = board.host.open(board.world["answers"], "rb")
_show = status.show


def _show_and_wait(snapshot):
    _show(snapshot)
    _answers.read(1)


def run():
    status.show = _show_and_wait
    return main.run()
