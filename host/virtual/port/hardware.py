"""What this virtual board is made of, read from the world file (path in MOTELOG_WORLD) when the first port module is
imported.
"""

import json
import os

import utime
import vfs
from clock import Clock

_EPOCH_2000 = 946684800  # 2000-01-01 in Unix time
POWER_CUT = 77
RESET = 70


class Board:
    """`world`: the parsed file; `clock`; `host`: the host's file system, which board-side code cannot reach."""

    def __init__(self, path):
        self.host = vfs.VfsPosix()
        with self.host.open(path, "r") as file:
            self.world = json.load(file)
        self.clock = Clock(self.world.get("clock", "real") == "virtual")
        self._rtc_at_boot = _rtc_at_boot(self.world.get("rtc", "unset"))
        control = os.getenv("MOTELOG_CONTROL")  # the launcher's ear, when it bridges a console
        self._control = self.host.open(control, "wb") if control else None

    def rtc_us(self):
        """Microseconds since 2000-01-01 by the RTC, which starts from there when it was never set."""
        return self._rtc_at_boot + self.clock.now()

    def set_rtc_us(self, us):
        """Set the RTC."""
        self._rtc_at_boot = us - self.clock.now()
        self.tell(f"rtc {us + _EPOCH_2000 * 1000000 - utime.time_ns() // 1000}")

    def tell(self, text):
        """A line for the launcher that bridges the console; without one it is not said."""
        if self._control:
            self._control.write(text + "\n")

    def part(self, kind, number, default):
        """What the world wires to bus or port `number` of `kind` (i2c, spi, i2s)."""
        return self.world.get(kind, {}).get(str(number), default)

    def end(self, code, why):
        """The process ends here and now, as hardware does: no handler, no `finally`. The launcher reads `code` from
        the line.
        """
        if not self._control or code == POWER_CUT:
            print('@{"state": "' + why + '", "exit": ' + str(code) + "}")
        self.tell(f"exit {code}")
        os.system("kill -KILL $PPID")


def _rtc_at_boot(setting):
    kept = os.getenv("MOTELOG_RTC")  # microseconds that it is ahead of the host's: set before this reset
    if kept:
        return utime.time_ns() // 1000 + int(kept) - _EPOCH_2000 * 1000000
    if setting == "unset":
        return 0
    unix = utime.time_ns() // 1000 if setting == "host" else setting * 1000000
    return unix - _EPOCH_2000 * 1000000


board = Board(os.getenv("MOTELOG_WORLD"))
