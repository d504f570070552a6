"""What the board says about itself: log lines, and status lines (``@`` and one JSON object) for programs that watch
it.
"""

import gc
import json
import sys

MOST_TYPED = 256
LONGEST_LINE = 16384  # `reconfigure` with a configuration as long as a file may be


def log(text):
    """Print a log line."""
    print("motelog:", text)


def snapshot(state, session, spool, shipper, wifi):
    """-> dict: the board's state in plain numbers. ``heap_free``: before, ``heap_used``: after a collection.

    This is the place where garbage is collected, so that the heap is seldom full of it: then a collection begins by
    itself wherever memory is asked for next. (``gc.threshold`` put 10 of 23 collections into a drain, measured: to call
    a function with many locals takes heap for a moment.)
    """
    free = gc.mem_free()
    gc.collect()
    status = {"state": state, "heap_free": free, "heap_used": gc.mem_alloc(), "spool": spool.status()}
    if session and session.failure:
        status["failure"] = session.failure
    if session and session.name:
        status["session"] = session.name
        status["seconds"] = round(session.seconds(), 1)
        status["streams"] = {stream.name: _stream(stream) for stream in session.streams}
    if shipper:
        status["upload"] = shipper.status()
    if wifi:
        status["wifi"] = wifi.status()
    return status


def _stream(stream):
    recorder = stream.recorder
    sampler = stream.sampler
    account = {
        "frames": recorder.frames(),
        "lost": recorder.lost_total(),
        "overruns": stream.driver.overruns,
        "ring_high_water": stream.ring.high_water,
        "ring_blocks": stream.ring.blocks,
        "segments": recorder.segments,
    }
    if sampler.bus_errors:
        account["bus_errors"] = sampler.bus_errors
    if sampler.restarts:
        account["restarts"] = sampler.restarts
    if sampler.last_error or recorder.last_error:
        account["error"] = sampler.last_error or recorder.last_error
    return account


def show(status):
    """Print a status line."""
    print("@" + json.dumps(status))


class Console:
    """Command lines from standard input, taken without ever waiting for one: not for the rest of a line, either."""

    def __init__(self):
        import select

        self._poller = select.poll()
        self._poller.register(sys.stdin, select.POLLIN)
        self._typed = bytearray()

    def line(self):
        """-> the next complete command line without its end, or None. The end of the input is no command."""
        for _ in range(MOST_TYPED):  # that many characters a call, so that an endless input starves nobody
            if not self._poller.poll(0):
                break
            char = sys.stdin.read(1)
            if not char:
                self._poller.unregister(sys.stdin)
            elif char in "\r\n":
                line = self._typed.decode().strip()
                self._typed = bytearray()
                if line:
                    return line
            elif char >= " " and len(self._typed) < LONGEST_LINE:
                self._typed.extend(char.encode())
        return None
