"""What systemd wants to hear of a service: `sd_notify` (man sd_notify), one datagram per message, no library needed.

Without `NOTIFY_SOCKET` in the environment, everywhere but under systemd, nothing is sent.
"""

import os
import socket
import time


class Notifier:
    """`ready()`, `alive()` as often as one likes, `stopping()`."""

    def __init__(self):
        path = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path  # @: Linux's abstract names
        mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_us = os.environ.get("WATCHDOG_USEC", "") if mine else ""
        self._interval_s = int(watchdog_us) / 2e6 if watchdog_us.isdecimal() else None
        self._next_s = 0.0

    def ready(self, what: str) -> None:
        self._send(f"READY=1\nSTATUS={what}")

    def alive(self) -> None:
        """Feeds the watchdog when half of its time is over (man sd_watchdog_enabled)."""
        if self._interval_s is not None and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._interval_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            try:
                peer.sendto(text.encode(), self._address)
            except OSError:  # a manager that does not listen is no reason to stop collecting
                pass
