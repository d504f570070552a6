"""UTC between clock fixes: awake by the recording clock, asleep by the RTC, whose error is measured."""

import time

_YEARS = (2025, 2100)  # an RTC that shows none of them is plainly unset
_EPOCH_2000_S = 946684800
BY_HAND_US = 1000000  # what an RTC that somebody has set may be off by
AWAKE_PPM = 50  # of the crystal that ticks_us counts
_RESOLUTION_US = {"us": 1, "/256": 3907, None: 1000000}  # of what an RTC shows


class Utc:
    """`clock`: app.clock.Clock; `port`: a row of config.ports.

    `known` lives in what the board keeps over deep sleep, and is changed in place; {} as long as nothing is known:
    "utc", "uncertainty": when the recording clock showed `_t_us`, and at the last `pause` the RTC "rtc";
    "ppm", "bound": by how much UTC runs faster than the RTC, and of what that may be wrong by; "base": [utc,
    uncertainty] of the clock fix that the next measurement of ppm begins at, or None; "raw": what UTC would be by all
    clocks as they are since then, "slept": how much of that was by the RTC, and "noise": what reading it added. All but
    ppm in us.
    """

    def __init__(self, rtc, clock, known, port):
        self._rtc = rtc
        self._clock = clock
        self._unit = port["rtc"]
        self._drift_ppm = port["drift_ppm"]
        self._wander_ppm = port["wander_ppm"]
        self._t_us = clock.t_us()
        self.known = known

    def rtc_us(self):
        """-> what the RTC shows, as us of Unix time."""
        year, month, day, _, hours, minutes, seconds, part = self._rtc.datetime()
        us = 0
        if self._unit == "us":
            us = part
        elif self._unit == "/256":
            us = (255 - part) * 1000000 // 256
        return (time.mktime((year, month, day, hours, minutes, seconds, 0, 0)) + _epoch_s()) * 1000000 + us

    def now(self):
        """-> (UTC in us, its uncertainty in us), or None when nobody knows."""
        if not self.known:
            return None
        self._advance()
        return self.known["utc"], int(self.known["uncertainty"]) + 1

    def _advance(self):
        """What is known, brought up to now by the recording clock."""
        t_us = self._clock.t_us()
        us = t_us - self._t_us
        self._t_us = t_us
        self._add(us, us, AWAKE_PPM)

    def _add(self, us, raw_us, ppm):
        known = self.known
        known["utc"] += us
        known["raw"] += raw_us
        known["uncertainty"] += abs(us) * ppm / 1e6

    def pause(self):
        """Deep sleep, or a reset, may follow: from now on the RTC counts."""
        if self.known:
            self._advance()
            self.known["rtc"] = self.rtc_us()

    def resume(self):
        """The RTC has counted since `pause`."""
        known = self.known
        if known:
            us = self.rtc_us() - known["rtc"]
            known["slept"] += us
            self._add(us + int(us * known["ppm"] / 1e6), us, known["bound"])
            known["uncertainty"] += _RESOLUTION_US[self._unit]
            known["noise"] += _RESOLUTION_US[self._unit]
            self._t_us = self._clock.t_us()

    def napped(self, us):
        """So much of what the recording clock shows was counted by the RTC: light sleep."""
        if self.known:
            self.known["uncertainty"] += us * (self.known["bound"] + abs(self.known["ppm"])) / 1e6

    def adopt(self, more_us=0):
        """Believe the RTC as it stands, if it stands at a year that can be: somebody set it, to the second."""
        self.known.clear()
        if _YEARS[0] <= self._rtc.datetime()[0] < _YEARS[1]:
            self._set(self.rtc_us(), BY_HAND_US + more_us)

    def believe(self, utc_us, uncertainty_us):
        """It is `utc_us` now; an RTC that shows something else is set, for all who ask it."""
        self._set(utc_us, uncertainty_us)
        if abs(self.rtc_us() - utc_us) > BY_HAND_US:
            date = time.gmtime(utc_us // 1000000 - _epoch_s())
            year, month, day, hours, minutes, seconds, weekday = date[:7]
            self._rtc.datetime((year, month, day, weekday + 1, hours, minutes, seconds, 0))

    def _set(self, utc_us, uncertainty_us):
        known = self.known
        if not known:
            known.update({"ppm": 0, "bound": self._drift_ppm, "base": None, "raw": 0, "slept": 0, "noise": 0, "rtc": 0})
        known["utc"] = utc_us
        known["uncertainty"] = uncertainty_us
        self._t_us = self._clock.t_us()

    def heard(self, age_us, utc_us, uncertainty_us):
        """A clock fix from outside, taken `age_us` ago. From the second one on the RTC's error is measured."""
        utc_us += age_us
        uncertainty_us += age_us * AWAKE_PPM // 1000000
        known = self.known
        if known:
            self._advance()
        base = known.get("base")
        if base:
            base = self._measure(base, utc_us, uncertainty_us)
        self.believe(utc_us, uncertainty_us)
        if not base:
            known["base"] = [utc_us, uncertainty_us]
            known["raw"] = utc_us
            known["slept"] = known["noise"] = 0

    def _measure(self, base, utc_us, uncertainty_us):
        """Learn the RTC's error from two fixes. -> the base of the next measurement, None: this fix."""
        known = self.known
        slept = known["slept"]
        if slept <= 0:
            return None
        awake = utc_us - base[0] - slept
        ppm = (utc_us - known["raw"]) * 1e6 / slept
        to_ppm = (uncertainty_us + base[1] + known["noise"] + abs(awake) * AWAKE_PPM / 1e6) * 1e6 / slept
        if abs(ppm) > self._drift_ppm + to_ppm:  # the RTC was set meanwhile, or is worse than it can be
            known["ppm"] = 0
            known["bound"] = self._drift_ppm
            return None
        if to_ppm < self._wander_ppm or to_ppm + self._wander_ppm < known["bound"]:
            known["ppm"] = ppm
            known["bound"] = to_ppm + self._wander_ppm
        return None if to_ppm < self._wander_ppm else base


def _epoch_s():
    """-> Unix time of this port's epoch."""
    return _EPOCH_2000_S if time.gmtime(0)[0] == 2000 else 0
