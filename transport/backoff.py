"""How long to wait before the next attempt."""


class Backoff:
    """Exponential back-off with full jitter: the n-th wait is uniform in [min, min(max, min * 2**n)].

    Only arithmetic: it never sleeps, and the same `seed` gives the same waits. Each board takes a seed of its own, so
    that a fleet does not come back in step after an outage.
    """

    def __init__(self, min_s, max_s, seed=1):
        self._min_ms = max(1, int(min_s * 1000))
        self._max_ms = max(self._min_ms, int(max_s * 1000))
        self._state = seed & 0x3FFFFFFF
        self.reset()

    def reset(self):
        """After a success: the next wait is short again."""
        self._ceiling_ms = self._min_ms

    def next_ms(self):
        """The next wait in milliseconds; each call without a `reset` in between widens its range."""
        self._ceiling_ms = min(self._max_ms, self._ceiling_ms * 2)
        # Linear congruential generator modulo 2**30; the low bits of such a generator are poor, hence the shift.
        self._state = (self._state * 1103515245 + 12345) & 0x3FFFFFFF
        span_ms = self._ceiling_ms - self._min_ms + 1
        return self._min_ms + (self._state >> 8) * span_ms // (1 << 22)
