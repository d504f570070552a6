"""When to record: a pure function of the time, what is being recorded, and the configuration.

Times are whole seconds since 2000-01-01, UTC; a *slot* is `(start, end)`, a recording that is planned. While nobody
knows the time, `relative` makes one up in which the board was switched on at the start of the first window: the cycle
runs, and the hours of the day mean nothing. docs/schedule.md says it in words.
"""

from config.times import DAYS, instant, minutes

DAY = 86400
EVER = 1 << 40
GRACE_S = 60  # a clock that is set back by less than that interrupts no recording
_DAY_0 = 5  # 2000-01-01 was a Saturday


class Plan:
    """`schedule` of the configuration in numbers. `windows`: [(start in the day, length, days, record_s, cycle_s)], by
    start; none: always. Recordings lie between `start` and `end`.
    """

    def __init__(self, schedule):
        self.windows = sorted([_window(window) for window in schedule["windows"]])
        active = schedule["active"] or {"from": None, "until": None}
        self.start = instant(active["from"]) if active["from"] else -EVER
        self.end = instant(active["until"]) if active["until"] else EVER

    def slot(self, now):
        """-> the slot at `now`, or else the next one; None: there is none any more."""
        now = max(now, self.start)
        if now >= self.end:
            return None
        if not self.windows:
            return (self.start, self.end)
        yesterday = now // DAY - 1  # its windows may reach into today
        for day in range(yesterday, yesterday + 9):
            found = self._slot_of_day(day, now)
            if found:
                return (max(found[0], self.start), min(found[1], self.end)) if found[0] < self.end else None
        return None

    def _slot_of_day(self, day, now):
        """-> the first slot that ends behind `now` in the windows that begin on that day, or None."""
        for start, length, days, record_s, cycle_s in self.windows:
            if (day + _DAY_0) % 7 not in days:
                continue
            start += day * DAY
            at = start + max(0, now - start) // cycle_s * cycle_s
            if at + record_s <= now:
                at += cycle_s
            end = min(at + record_s, start + length)
            if at < start + length and end > now:
                return (at, end)
        return None

    def relative(self, seconds):
        """-> a time for this plan, `seconds` after the board was switched on without knowing the time."""
        if not self.windows:
            return max(0, self.start) + seconds
        first = max(0, self.start) // DAY + 1
        for day in range(first, first + 7):
            for start, _, days, _, _ in self.windows:
                if (day + _DAY_0) % 7 in days:
                    return day * DAY + start + seconds

    def decide(self, now, current, done):
        """-> (the slot to record now or None, when that may change: None is never).

        `current`: the slot that is being recorded, `done`: the last one that was recorded to its end; None: there is
        none. A recording goes on over a clock that is set a little; a slot that is done is not begun again when the
        clock is set back.
        """
        if current and current[0] - GRACE_S <= now < current[1]:
            return current, current[1]
        slot = self.slot(now)
        if slot and slot == done:
            slot = self.slot(slot[1])
        if slot is None:
            return None, None
        if slot[0] <= now:
            return slot, slot[1]
        return None, slot[0]


def _window(window):
    """One window of the configuration as numbers."""
    start = minutes(window["from"]) * 60
    length = (minutes(window["to"]) * 60 - start - 1) % DAY + 1
    days = tuple([i for i in range(7) if window["days"] is None or DAYS[i] in window["days"]])
    record_s = window["record_s"] or length
    return (start, length, days, record_s, record_s + window["sleep_s"])
