"""When to poll: just when a frame is made. A poll at a random time notices a frame up to one frame period late, and so
says little about time; one that comes right behind a frame says it to some ten microseconds.
"""

import time

from app.timebase import MASK, plus

LEAST_PERIOD_US = 2000  # frames that come faster are met often enough by chance
LEAST_STEP_US = 16
LONGEST_US = 3000  # never waits longer than so without giving way to other tasks


class Seek:
    """Makes the polls of `anchors` meet a frame, every `frames` frames. A poll that met it goes a step earlier next
    time, one that came before it a step later; steps grow while they go the same way and halve when they turn.
    """

    def __init__(self, anchors, frames, rate_hz, sleep_us=time.sleep_us):
        self._anchors = anchors
        self._frames = frames
        self._sleep_us = sleep_us
        self._period_us = int(1000000 / rate_hz)
        self._frame = 0  # the frame to meet, modulo 2**30 ...
        self._due = -1  # ... and when to look for it; -1: nobody knows
        self._lead = 0  # so much earlier than the time base says
        self._step = LEAST_STEP_US
        self._met = False

    def pause_ms(self, usual_ms):
        """-> how long to sleep until `meet`; `usual_ms` while the time base cannot tell."""
        anchors = self._anchors
        if self._due >= 0:
            self._adapt((anchors.newest - self._frame) & MASK <= MASK >> 1)
        self._due = -1
        if self._period_us < LEAST_PERIOD_US or not anchors.timebase.is_known:
            return usual_ms
        self._frame = plus(anchors.newest, self._frames)
        now = anchors.now()
        us = anchors.timebase.until(self._frame, now) - self._lead
        if not 500 * usual_ms < us < 2000 * usual_ms:
            return usual_ms
        self._due = plus(now, us)
        return us // 1000

    def _adapt(self, met):
        if met == self._met:
            self._step = min(2 * self._step, self._period_us >> 3)
        else:
            self._step = max(self._step >> 1, LEAST_STEP_US)
        self._met = met
        lead = self._lead + (self._step if met else -self._step)
        self._lead = max(-self._period_us, min(self._period_us, lead))

    def meet(self):
        """Wait for the rest of the time, less than a task switch can tell."""
        if self._due >= 0:
            rest = (self._due - self._anchors.now()) & MASK
            if rest < LONGEST_US:
                self._sleep_us(rest)
