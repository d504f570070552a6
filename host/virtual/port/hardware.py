"""What this virtual board is made of, read from the world file (path in MOTELOG_WORLD) when the first port module is
imported.
"""

import json
import os

import utime
import vfs
from clock import Clock
from life import Life

_EPOCH_2000 = 946684800  # 2000-01-01 in Unix time
POWER_CUT = 77
RESET = 70
DEEP_SLEEP = 71


class Board:
    """`world`: the parsed file; `clock`; `host`: the host's file system, which board-side code cannot reach; `port`:
    the MicroPython port (esp32, rp2, stm32) whose ways of sleeping and resetting it has; `life`: what outlives this
    process; `flash`: the device, once it is mounted; `chips_state()`: of the sensors, for `life`.
    """

    def __init__(self, path):
        self.host = vfs.VfsPosix()
        lifeline = os.getenv("MOTELOG_LIFELINE")
        if lifeline:  # a process that leads a session and opens a terminal is told, by SIGHUP, when that goes
            self.host.open(lifeline, "rb").close()
        with self.host.open(path, "r") as file:
            self.world = json.load(file)
        self.port = self.world.get("port", "esp32")
        self.clock = Clock(self.world.get("clock", "real") == "virtual")
        control = os.getenv("MOTELOG_CONTROL")  # the launcher's ear, when it bridges a console
        self._control = self.host.open(control, "wb") if control else None
        self.flash = None
        self.chips_state = dict  # none are wired yet
        self.life = Life(self.host, self.world.get("life"), self.clock)
        self._ppm = self.world.get("rtc_ppm", 0)
        self._rtc_at_boot = self.life.rtc_us
        if self._rtc_at_boot is None:
            self._rtc_at_boot = _rtc_at_boot(self.world.get("rtc", "unset"))

    def rtc_us(self):
        """Microseconds since 2000-01-01 by the RTC, which starts from there when it was never set."""
        return self._rtc_after(self.clock.now())

    def _rtc_after(self, us):
        """What the RTC, whose crystal is off by the world's `rtc_ppm`, shows so long after boot."""
        return self._rtc_at_boot + us + us * self._ppm // 1000000

    def set_rtc_us(self, us):
        """Set the RTC."""
        self._rtc_at_boot += us - self.rtc_us()
        self.tell(f"rtc {us + _EPOCH_2000 * 1000000 - utime.time_ns() // 1000}")

    def tell(self, text):
        """A line for the launcher that bridges the console; without one it is not said."""
        if self._control:
            self._control.write(text + "\n")

    def by_rtc(self, us):
        """How long a time of `us` on the RTC's own clock really takes."""
        return us - us * self._ppm // 1000000

    def part(self, kind, number, default):
        """What the world wires to bus or port `number` of `kind` (i2c, spi, i2s)."""
        return self.world.get(kind, {}).get(str(number), default)

    def end(self, code, why, *, cause=None, off_us=0, wake=0, again=False):
        """The process ends here and now, as hardware does: no handler, no `finally`. The launcher reads `code` from
        the line. `cause`: of the reset that follows, None: it is powered on; `off_us` without power come before that.
        `again`: the launcher is to start it again then.
        """
        self.life.save(self, cause=cause, off_us=off_us, wake=wake)
        if self._control and again:
            utime.sleep_us(0 if self.clock.virtual else off_us)
            code = RESET  # its launcher knows nothing else
        if not self._control or code == POWER_CUT:
            line = {"state": why, "exit": code, "world_s": (self.life.now() - self.life.deep_us()) / 1000000}
            if again:
                line["again_us"] = off_us
            print("@" + json.dumps(line))
        self.tell(f"exit {code}")
        os.system("kill -KILL $PPID")

    def rtc_then(self, off_us):
        """The RTC `off_us` from now."""
        return self._rtc_after(self.clock.now() + off_us)


def _rtc_at_boot(setting):
    kept = os.getenv("MOTELOG_RTC")  # microseconds that it is ahead of the host's: set before this reset
    if kept:
        return utime.time_ns() // 1000 + int(kept) - _EPOCH_2000 * 1000000
    if setting == "unset":
        return 0
    unix = utime.time_ns() // 1000 if setting == "host" else setting * 1000000
    return unix - _EPOCH_2000 * 1000000


board = Board(os.getenv("MOTELOG_WORLD"))
