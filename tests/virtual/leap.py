"""A virtual board's time that goes on at once by as much as a test would otherwise have to wait for, and on a busy
machine for too short.
"""

from pathlib import Path

_CODE = """
from hardware import board as _board
from machine import Timer as _Timer
def _leap(timer):
    try:
        _board.host.stat({path!r})
    except OSError:
        return
    timer.deinit()
    _board.clock._boot -= {us}
_Timer(-1, period=100, callback=_leap)
"""


class Leap:
    """`code`: to be run on the board, whose real clock then leaps by `seconds`, once, after `now()`; after `over()`
    it may be used again.
    """

    def __init__(self, path: Path, seconds: float):
        self._path = path
        self.code = _CODE.format(path=str(path), us=round(seconds * 1e6))

    def now(self) -> None:
        self._path.touch()

    def over(self) -> None:
        self._path.unlink()
