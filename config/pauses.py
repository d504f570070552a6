"""How long nothing is recorded between the recordings of a schedule. Board and laptop."""

from config.times import DAYS, length_minutes, minutes

_WEEK = 7 * 1440


def longest_pause_s(windows):
    """-> the longest time in a week between two recordings of `schedule.windows`; 0: one follows the other at once, or
    there are no windows.
    """
    longest = 0
    spans = []  # (start, end) in minutes of the week
    for window in windows:
        start = minutes(window["from"])
        length = length_minutes(start, minutes(window["to"]))
        if window["record_s"]:  # the last pause is cut by the end of the window
            longest = max(longest, min(window["sleep_s"], length * 60 - window["record_s"]))
        for day in range(7):
            if window["days"] is None or DAYS[day] in window["days"]:
                spans.append((day * 1440 + start, day * 1440 + start + length))
    spans.sort()
    for k in range(len(spans)):
        following = spans[k + 1][0] if k + 1 < len(spans) else spans[0][0] + _WEEK
        longest = max(longest, (following - spans[k][1]) * 60)
    return longest
