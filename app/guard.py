"""What ends a recording that has gone wrong, and a boot loop."""

import time

from storage.files import read_json, replace_json

PATH = "/boots.json"
GOOD_S = 60  # a start that ran so long was a good one


class Guard:
    """Watches the streams of a recording: `check()` once per second, `begin()` at its start. `stops`: of the
    configuration. Progress of any stream counts: one sensor that fails costs no other its recording.
    """

    def __init__(self, stops, streams):
        self._streams = streams
        self._errors = stops["errors"]
        slowest = max([3 * s.ring_block_s() for s in streams] or [0])
        self._silent_ms = stops["silent_s"] and int(1000 * max(stops["silent_s"], slowest))
        self._stuck_ms = stops["stuck_s"] and int(1000 * max(stops["stuck_s"], slowest))
        self.begin()

    def begin(self):
        """A recording begins."""
        self._made = self._written = self._errors_before = 0
        self._made_ms = self._written_ms = time.ticks_ms()

    def check(self, must_write=True):
        """-> why the recording should end, or None. `must_write` False: that nothing is written is as it should be."""
        now = time.ticks_ms()
        made = sum([stream.sampler.produced() for stream in self._streams])
        written = sum([stream.recorder.frames() for stream in self._streams])
        errors = sum([stream.sampler.bus_errors + stream.recorder.errors for stream in self._streams])
        if made != self._made:
            self._made = made
            self._made_ms = now
        elif self._silent_ms and time.ticks_diff(now, self._made_ms) >= self._silent_ms:
            return "silent"
        if written != self._written or not must_write:
            self._written = written
            self._written_ms = now
            self._errors_before = errors
        elif self._stuck_ms and time.ticks_diff(now, self._written_ms) >= self._stuck_ms:
            return "stuck"
        if self._errors and errors - self._errors_before >= self._errors:
            return "errors"
        return None


class Boots:
    """Counts starts that did not run for a minute, in a small file that is written only when its content changes.
    `why`: what ended the last recording that went wrong; `cause`: of this start, see app.cause. Waking from deep
    sleep is no start of its own.
    """

    def __init__(self, path=PATH):
        self._path = path
        known = read_json(path) or {}
        self.count = known.get("count") if isinstance(known.get("count"), int) else 0
        self.why = known.get("why")
        from app.cause import reset_cause  # the caller may forget it afterwards

        self.cause = reset_cause()

    def begin(self):
        """The board starts."""
        if self.cause == "deepsleep":
            return
        if self.cause == "watchdog":
            self.why = self.cause
        self.count += 1
        self._keep()

    def good(self):
        """This start was a good one, or it ends as it should."""
        if self.count:
            self.count = 0
            self._keep()

    def stopped(self, why):
        """A recording went wrong."""
        self.why = why
        self._keep()

    def _keep(self):
        try:
            replace_json(self._path, {"count": self.count, "why": self.why})
        except OSError:
            pass  # a flash that does not take this has worse to tell elsewhere
