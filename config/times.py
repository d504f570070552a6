"""Times of the configuration as numbers, UTC. Board and laptop. An epoch of 2000-01-01 keeps seconds small."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # days of a year in front of its months


def has_times(config):
    """Whether `schedule`, `upload` or `power` of a configuration say more than how long and how often."""
    schedule = config.get("schedule") or {}
    upload = config.get("upload") or {}
    return (
        any([schedule.get(key) for key in ("windows", "active", "trigger")])
        or schedule.get("sleep") in ("light", "deep")
        or any([upload.get(key) for key in ("max_latency_s", "min_batch_kb", "align_s", "jitter_s", "only_if")])
        or bool((config.get("power") or {}).get("battery"))
    )


def minutes(text):
    """-> minutes since midnight of "06:30"; "24:00" is the end of the day. None: not a time."""
    hour, colon, minute = text.partition(":")
    if len(text) != 5 or colon != ":" or not (hour.isdigit() and minute.isdigit()):
        return None
    value = int(hour) * 60 + int(minute)
    return value if int(minute) < 60 and value <= 1440 else None


def length_minutes(start, end):
    """-> how long a window lasts whose ends are `minutes`; one whose end is not after its start ends a day later."""
    return (end - start - 1) % 1440 + 1


def instant(text):
    """-> seconds since 2000-01-01 of "2026-12-01T06:30:00Z" (RFC 3339). None: not such a time, or before 2000."""
    if len(text) != 20 or text[4] + text[7] + text[10] + text[13] + text[16] + text[19] != "--T::Z":
        return None
    fields = (text[:4], text[5:7], text[8:10], text[11:13], text[14:16], text[17:19])
    if not all([field.isdigit() for field in fields]):
        return None
    year, month, day, hour, minute, second = [int(field) for field in fields]
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if year < 2000 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        return None
    last = 29 if leap and month == 2 else (_BEFORE + (365,))[month] - _BEFORE[month - 1]
    if not 1 <= day <= last:
        return None
    before = year - 1
    days = (year - 2000) * 365 + before // 4 - before // 100 + before // 400 - 484  # leap days up to 1999: 484
    days += _BEFORE[month - 1] + (leap and month > 2) + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second
