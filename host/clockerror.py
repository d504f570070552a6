"""How wrong this machine's clock may be: what it tells a board is worth no more than that."""

import ctypes
import sys
import time

UNKNOWN_US = 1_000_000  # nobody says that the clock is kept right: it may have been set by hand
_UNSYNC = 0x0040  # STA_UNSYNC of adjtimex(2)


class _Timex(ctypes.Structure):
    """The beginning of Linux's `struct timex` (adjtimex(2)), and more room than the rest of it takes."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    ]


def error_us() -> int:
    """The kernel's own bound on the error of the clock (Linux, kept up to date by NTP), or `UNKNOWN_US`."""
    if not sys.platform.startswith("linux"):
        return UNKNOWN_US
    state = _Timex()  # modes = 0: asks only
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state)) < 0 or state.status & _UNSYNC:
        return UNKNOWN_US
    return min(max(state.maxerror, 0), UNKNOWN_US)


def now_us() -> int:
    """UTC in us since 1970."""
    return time.time_ns() // 1000
