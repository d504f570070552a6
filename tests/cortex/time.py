"""`time` for a machine without a clock: it goes on when somebody sleeps, and by 1 us per look."""

_us = 0


def ticks_us():
    global _us
    _us = (_us + 1) & 0x3FFFFFFF
    return _us


def ticks_ms():
    return ticks_us() // 1000


def ticks_add(ticks, delta):
    return (ticks + delta) & 0x3FFFFFFF


def ticks_diff(a, b):
    return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000


def sleep_us(us):
    global _us
    _us = (_us + us) & 0x3FFFFFFF


def sleep_ms(ms):
    sleep_us(ms * 1000)
