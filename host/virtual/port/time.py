"""The board's `time`: as on ESP32 and RP2 (ticks_us wraps at 2**30, the epoch is 2000-01-01), on the board's clock.

`ticks_ms` runs 2**40 ms ahead of the host's: MicroPython's C task queue stamps "run now" with the host's own ticks,
which are then simply overdue. So microsecond ticks are below 2**30 and millisecond ticks far above, and `ticks_add`
and `ticks_diff` tell them apart.
"""

import utime
from hardware import board

_PERIOD = 1 << 30
_HALF = 1 << 29
_AHEAD_MS = 1 << 40
_EPOCH_2000 = 946684800  # 2000-01-01 in Unix time

_clock = board.clock
_ms_at_boot = _AHEAD_MS + utime.ticks_ms()


def ticks_ms():
    """Milliseconds, never wrapping."""
    return _ms_at_boot + _clock.look() // 1000


def ticks_us():
    """Microseconds modulo 2**30 (17.9 minutes)."""
    return _clock.look() & (_PERIOD - 1)


def ticks_cpu():
    """The finest counter that there is: ticks_us."""
    return ticks_us()


def ticks_add(ticks, delta):
    """`ticks` moved by `delta`."""
    if ticks < _PERIOD:
        return (ticks + delta) & (_PERIOD - 1)
    return ticks + delta


def ticks_diff(later, earlier):
    """Signed difference, valid within half a period."""
    if later < _PERIOD and earlier < _PERIOD:
        return ((later - earlier + _HALF) & (_PERIOD - 1)) - _HALF
    return later - earlier


def sleep_us(us):
    """Wait `us` microseconds; interrupts happen meanwhile."""
    _clock.wait_until(_clock.now() + us)


def sleep_ms(ms):
    """Wait `ms` milliseconds."""
    _clock.wait_until(_clock.now() + ms * 1000)


def sleep(seconds):
    """Wait `seconds`, a number that may be a float."""
    _clock.wait_until(_clock.now() + int(seconds * 1000000))


def time():
    """Whole seconds since 2000-01-01 by the RTC."""
    return board.rtc_us() // 1000000


def time_ns():
    """Nanoseconds since 2000-01-01 by the RTC."""
    return board.rtc_us() * 1000


def gmtime(seconds=None):
    """(year, month, day, hour, minute, second, weekday, yearday) of `seconds` since 2000-01-01, or of now."""
    if seconds is None:
        seconds = time()
    return tuple(utime.gmtime(int(seconds) + _EPOCH_2000)[:8])


localtime = gmtime


def mktime(date):
    """Seconds since 2000-01-01 of (year, month, day, hour, minute, second, ...)."""
    year, month, day, hour, minute, second = date[:6]
    if month <= 2:
        year -= 1
        month += 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 730426
    return ((days * 24 + hour) * 60 + minute) * 60 + second
