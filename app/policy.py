"""When to upload: a pure function of the time, what waits, and the configuration. Times are whole seconds on any one
scale; docs/schedule.md says it in words.
"""

LONGEST_PAUSE_S = 3600
COST = 20  # a failed attempt is followed by a pause of so many times its length: it costs 5 % of the time at most


class Policy:
    """`upload` of the configuration. `may_interrupt`: whether uploads may go on while it records."""

    def __init__(self, upload, device, may_interrupt):
        self.interval_s = int(upload["interval_s"] + 0.999)
        self.latency_s = upload["max_latency_s"]
        self.batch_kb = upload["min_batch_kb"]
        self.align_s = upload["align_s"]
        self.only_if = upload["only_if"] or {"battery_pct": None, "charging": False}
        self.least_s = int(upload["backoff_min_s"] + 0.999)
        self.most_s = max(int(upload["backoff_max_s"]), LONGEST_PAUSE_S)
        self.may_interrupt = may_interrupt
        self.jitter_s = hash_of(device) % upload["jitter_s"] if upload["jitter_s"] else 0

    def due(self, since, kb, last, retry):
        """-> when the next upload may begin; None: not before something changes.

        `since`: from when on something waits (None: nothing does), `kb`: how much, `last`: the end of the last upload,
        `retry`: not before, for the failures that there were.
        """
        if since is None:
            return None
        at = max(since, last + self.interval_s)
        if self.latency_s is not None and (self.batch_kb is None or kb < self.batch_kb):
            latest = max(at, since + self.latency_s)
            return max(self._last_start(at, latest), retry)
        return max(self._next_start(at), retry)

    def allows(self, recording, battery_pct, charging):
        """-> whether an upload may run now. `battery_pct`, `charging`: None where nobody knows."""
        if recording and not self.may_interrupt:
            return False
        least = self.only_if["battery_pct"]
        if least is not None and (battery_pct is None or battery_pct < least):
            return False
        return bool(charging) or not self.only_if["charging"]

    def pause_s(self, failures, spent_s):
        """-> how long to leave the radio off after so many failures in a row, the last of which took `spent_s`."""
        return min(self.most_s, max(self.least_s << min(failures - 1, 16), COST * spent_s))

    def _next_start(self, at):
        """-> the first start from `at` on."""
        if not self.align_s:
            return at + self.jitter_s
        return -(-(at - self.jitter_s) // self.align_s) * self.align_s + self.jitter_s

    def _last_start(self, at, latest):
        """-> the last start up to `latest`, but not before `at`; without one in between `latest` itself."""
        if not self.align_s:
            return latest
        start = (latest - self.jitter_s) // self.align_s * self.align_s + self.jitter_s
        return start if start >= at else latest


def hash_of(text):
    """-> 30 bits that differ between devices (FNV-1a, folded), the same at every start."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return (value >> 2) ^ (value & 3)


def outlasts_handshake(streams, handshake_ms=1000):
    """-> whether every sensor's own buffer holds the frames of a TLS handshake, in which nothing else runs: about 1 s
    on an ESP32.
    """
    return all([s.driver.fifo_frames * 1000 >= s.driver.rate_hz * handshake_ms for s in streams])
