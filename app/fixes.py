"""What others say of the time: kept beside the recording clock, which is never stepped."""

from app.clock import rtc_fix

KEPT = 6  # fixes that go into the next sidecars and the next session.json
DRIFT = 10000  # a board's crystal is off by less than one part of that
LEAST_S = 60  # between two fixes of one source, unless the new one is twice as good
_EARLIEST, _LATEST = 1735689600000000, 4102444800000000  # 2025 and 2100, in us since 1970: nobody else is believed


class ClockFixes:
    """Collects clock fixes `[t_us, utc_us, uncertainty_us, source]` by `clock` for the sidecars of `spool`.

    A board whose RTC was never set gets it set by the first fix: certificates are valid from a date on. `heard`: None,
    or a function that is given each fix.
    """

    def __init__(self, clock, spool, log):
        self._clock = clock
        self._spool = spool
        self._log = log
        self.heard = None

    def now_us(self):
        """-> the time by the recording clock, in us."""
        return self._clock.t_us()

    def offer(self, t1, t2, t3, t4, error_us, source):
        """Somebody received our question at `t2` and answered at `t3` by his clock, which is right within `error_us`;
        we asked at `t1` and heard the answer at `t4`. -> whether that told us something.

        The middle is wrong by half of the round trip at most, however different the two ways were.
        """
        ours, theirs = t4 - t1, t3 - t2
        if not 0 <= theirs <= ours + ours // DRIFT + 2 or not _EARLIEST <= t2 <= _LATEST:
            return False
        uncertainty = max(ours - theirs, 0) // 2 + ours // DRIFT + error_us + 2
        fix = [(t1 + t4) // 2, (t2 + t3) // 2, uncertainty, source]
        if not self._is_news(fix):
            return False
        self._clock.fixes = (self._clock.fixes + [fix])[-KEPT:]
        self._spool.clock_fixes = (self._spool.clock_fixes + [fix])[-KEPT:]
        if rtc_fix(t4) is None:
            self._set_rtc(fix[1] + t4 - fix[0])
        if self.heard:
            self.heard(fix)
        return True

    def _is_news(self, fix):
        """Whether it says more than the last one of this source does by now."""
        for t_us, _, uncertainty, source in reversed(self._clock.fixes):
            if source == fix[3]:
                age = fix[0] - t_us
                return 2 * fix[2] < uncertainty or age >= LEAST_S * 1000000 and fix[2] < uncertainty + age // DRIFT
        return True

    def _set_rtc(self, utc_us):
        import time

        import machine

        seconds = (utc_us + 500000) // 1000000
        if time.gmtime(0)[0] == 2000:  # this port counts from 2000-01-01
            seconds -= 946684800
        year, month, day, hour, minute, second, weekday = time.gmtime(seconds)[:7]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))
        self._log("the clock was not set: it is %d-%02d-%02d %02d:%02d UTC" % (year, month, day, hour, minute))
