"""Why the board starts."""

import sys

import machine

_CAUSES = ("DEEPSLEEP", "deepsleep"), ("WDT", "watchdog"), ("SOFT", "soft"), ("HARD", "reset"), ("PWRON", "power")


def reset_cause(platform=sys.platform):
    """-> why the board starts: deepsleep, watchdog, soft, reset or power; None: the port does not say."""
    cause = machine.reset_cause()
    for name, word in _CAUSES:
        if getattr(machine, name + "_RESET", None) == cause:
            if word == "watchdog" and platform == "rp2":
                return "watchdog or reset"  # machine.reset() is the watchdog's work there
            return word
    return None
