"""The schedule applied: what time it is, which slot is due, and what of that outlives deep sleep."""

import time

from app.schedule import GRACE_S, Plan

UNIX_2000 = 946684800
_US = 1000000


class Agenda:
    """`look()` several times per second; then `slot` is the recording that is due, or None, and `until` when that may
    change (None: never). `now`: seconds since 2000-01-01 UTC, or, while `is_utc` is False, on the plan's own scale.

    A recording keeps its length: its end is due by the recording clock (`clock.t_us()`), as long as UTC was not set by
    more than GRACE_S since its beginning.

    `state`: a dict that outlives deep sleep. `utc()` -> (UTC in us, uncertainty) or None; None: the RTC is asked.
    """

    def __init__(self, schedule, state, clock, utc=None):
        self._plan = Plan(schedule)
        self._state = state
        self._clock = clock
        self._utc = utc
        self._ahead_us = 0  # of the recording clock: UTC when the slot was begun
        self._planned = None  # the second for which was decided
        self.slot = None
        self.until = None
        self.now = None
        self.is_utc = None

    def look(self):
        """Find out what is due now. -> the slot, or None."""
        was_utc = self.is_utc
        exact_us = self.exact_us()
        self.now = int(exact_us // _US)
        if was_utc is not None and was_utc != self.is_utc:
            self.slot = self._planned = None  # another scale: what is due is asked anew
            self._state.pop("done", None)
        now = int(self._steady_us(exact_us) // _US)
        if now == self._planned:
            return self.slot
        self._planned = now
        done = self._state.get("done")
        if self.slot and now >= self.slot[1]:
            done = self.slot
            self._state["done"] = list(done)
        before = self.slot
        self.slot, self.until = self._plan.decide(now, before, tuple(done) if done else None)
        if self.slot != before:
            self._ahead_us = exact_us - self._clock.t_us()
        return self.slot

    def _steady_us(self, exact_us):
        """-> the time that the slot is held against; see the class."""
        if self.slot is None:
            return exact_us
        steady_us = self._clock.t_us() + self._ahead_us
        return steady_us if abs(exact_us - steady_us) <= GRACE_S * _US else exact_us

    def exact_us(self):
        """-> `now` in microseconds; takes note of whether that is UTC."""
        known = self._utc() if self._utc else _rtc_us()
        if known:
            self.is_utc = True
            return known[0] - UNIX_2000 * _US
        self.is_utc = False
        _, _, _, hour, minute, second, _, yearday = time.gmtime()[:8]  # an RTC that was not set counts from a 1 January
        return self._plan.relative(((yearday - 1) * 24 + hour) * 3600 + minute * 60 + second) * _US

    def seconds_to(self, at):
        """-> seconds from now to `at`, exactly: to `until`, or a later instant."""
        return (at * _US - self._steady_us(self.exact_us())) / _US

    def describe(self, reason):
        """-> what session.json says about the slot that is due; its bounds in Unix seconds, where the time is known."""
        if not (self.is_utc and self.slot):
            return {"reason": reason, "clock": "utc" if self.is_utc else "relative"}
        start, end = [at + UNIX_2000 if abs(at) < 1 << 39 else None for at in self.slot]
        return {"reason": reason, "clock": "utc", "from_utc_s": start, "until_utc_s": end}


def _rtc_us():
    """-> (UTC in us, 1 s of uncertainty) by the RTC, None while it is plainly unset."""
    if not 2025 <= time.gmtime()[0] < 2100:
        return None
    seconds = int(time.time())
    if time.gmtime(0)[0] == 2000:
        seconds += UNIX_2000
    return seconds * _US, _US
