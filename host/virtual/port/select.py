"""The board's `select`: polling lets the clock run, so that timers and interrupts happen while asyncio waits."""

import io
import sys

import uselect
from clock import NEVER
from hardware import board
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT  # noqa: F401

_clock = board.clock


class Poll:
    """As MicroPython's poll object. Waiting for a network stream makes the virtual clock follow the wall."""

    def __init__(self):
        self._poll = uselect.poll()
        self._network = []

    def register(self, stream, events=POLLIN | POLLOUT):
        """Watch `stream` for `events`."""
        self._poll.register(stream, events)
        if _is_network(stream) and stream not in self._network:
            self._network.append(stream)

    def modify(self, stream, events):
        """Change the events of a watched stream."""
        self._poll.modify(stream, events)

    def unregister(self, stream):
        """Watch `stream` no longer."""
        self._poll.unregister(stream)
        if stream in self._network:
            self._network.remove(stream)

    def poll(self, timeout=-1, flags=0):
        """List of (stream, events) of what is ready, empty after `timeout` ms (-1 = wait for ever)."""
        self._wait(timeout)
        return self._poll.poll(0)

    def ipoll(self, timeout=-1, flags=0):
        """As poll(), an iterator; flags = 1 disarms what was reported."""
        self._wait(timeout)
        return self._poll.ipoll(0, flags)

    def _ready(self):
        for _ in self._poll.ipoll(0):
            return True
        return False

    def _wait(self, timeout):
        if timeout == 0:
            return
        if self._network:
            _clock.follow_wall()
        end = NEVER if timeout < 0 else _clock.now() + timeout * 1000
        while not self._ready():
            if not _clock.virtual:
                self._wait_in_the_host(end)
            if self._network:
                _clock.follow_wall()
            if not _clock.step(end):
                return

    def _wait_in_the_host(self, end):
        """Whole milliseconds before the next thing to do: the host's poll notices its own streams at once."""
        ms = (min(end, _clock.next_due()) - _clock.now()) // 1000
        if ms > 0:
            for _ in self._poll.ipoll(min(ms, 1000)):
                return


def _is_network(stream):
    """Sockets, and what the host has wrapped around one (TLS); not the board's own streams, nor the console."""
    if isinstance(stream, io.IOBase):
        return getattr(stream, "is_network", False)
    return stream is not sys.stdin and stream is not sys.stdout


def poll():
    """A new poll object."""
    return Poll()
