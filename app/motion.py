"""Records what moves: the board sleeps, and the sensor's own interrupt wakes it (`schedule.trigger` of kind `motion`).

While a slot of the schedule is due and nothing is recorded, the sensor is armed: it runs in its low-power mode, and its
pin goes high, and stays so, when something moves. Then the board records until nothing moved for `hold_s`. For n
recordings with motion, n * s / (1 - s) more begin by timer, s being `random_share`, each at a random instant after
one, within ten times its own length: negatives, unless something moves in them.

When a random piece is due is kept in `owed`, {"credit": pieces owed, "at": second of the next one or None}, which
outlives deep sleep; the functions that decide are pure.
"""

import os
import time

import machine

from app.level import Level

WITHIN = 10  # a random piece begins within so many times its own length
LONGEST_S = 86400  # of one sleep
RETRY_MS = 5000  # between two attempts to arm a sensor that does not answer
NOTHING = {"credit": 0, "at": None}
_WAKES = {  # driver: the one whose module, drivers/..._wake.py, arms it, if that is not its own
    "ism330dhcx": "lsm6dsox",
    "lis2dh12": "lis3dh",
    "lsm6dso32": "lsm6dsox",
}


def is_due(now, owed, piece_s):
    """-> whether a random piece begins now. A clock that was set must not put it off for long."""
    at = owed["at"]
    return at is not None and not now < at <= now + 1 + WITHIN * piece_s


def sleep_until(now, end, owed):
    """-> when to look again, without motion: `end` of the slot, or sooner."""
    at = min(end, now + LONGEST_S)
    return at if owed["at"] is None else min(at, owed["at"])


def account(owed, why, now, share, piece_s, chance):
    """-> `owed` after a recording that was one of `why`; None: it came to nothing. `chance`: 0 <= it < 1, by which the
    next piece is put.
    """
    credit = owed["credit"]
    if why:
        credit += share / (1 - share) if why == "motion" else -1
    at = owed["at"]
    if at is not None and at <= now:
        at = None
    if credit < 0.999:  # sums of fractions
        at = None
    elif at is None:
        at = now + 1 + int(chance * WITHIN * piece_s)
    return {"credit": credit, "at": at}


class Motion:
    """`stream`: the app.parts.Stream that is watched, `config`: the configuration; `state`: a dict that outlives deep
    sleep; `moved`: motion has just woken the board; `log(text)` takes a sentence.

    `why`: what is to be recorded now, "motion" or "random", or None; `is_armed`: the sensor watches.
    """

    def __init__(self, config, stream, state, moved, log):
        self._trigger = trigger = config["schedule"]["trigger"]
        spec = config["streams"][stream.name]
        name = _WAKES.get(spec["driver"], spec["driver"]) + "_wake"
        self._wake = __import__("drivers." + name, None, None, (name,))
        self._number = spec["int_pin"]
        self._pin = machine.Pin(self._number, machine.Pin.IN)
        self._stream = stream
        self._state = state
        self._log = log
        self._piece_s = trigger["hold_s"]
        self._tried_ms = None
        self._event = None
        self.is_armed = False
        self.why = "motion" if moved else None

    def _owed(self):
        return self._state.get("owed", NOTHING)

    def due(self, slot, now):
        """What is due in `slot` of the schedule (None: nothing may be recorded now). -> the slot, or None while the
        sensor watches. Often.
        """
        if not slot:
            if self.is_armed:
                self._disarm()
            self.why = None
        elif self.why is None:
            if not self.is_armed:
                self._arm()
            elif self._pin.value():
                self.why = "motion"
            if self.why is None and is_due(now, self._owed(), self._piece_s):
                self.why = "random"
        return slot if self.why else None

    def pins(self):
        """-> what ends a sleep, for Power.sleep."""
        return ((self._number, "motion"),) if self.is_armed else ()

    def sleep_until(self, now, end):
        """-> when to wake without motion; `end`: of the slot."""
        return sleep_until(now, end, self._owed())

    def begin(self):
        """A recording begins: the sensor is the driver's again. -> its gate (Event)."""
        self.is_armed = False
        self._event = Event(self._trigger, self._stream, self.why)
        return self._event

    def is_over(self):
        """-> whether the recording that runs should end: nothing moves any more."""
        return self._event is not None and self._event.is_over

    def ended(self, now):
        """A recording has ended, or could not begin."""
        event = self._event
        if event:
            chance = int.from_bytes(os.urandom(3), "little") / (1 << 24)
            share = self._trigger["random_share"]
            why = event.why if event.has_begun else None
            self._state["owed"] = account(self._owed(), why, now, share, self._piece_s, chance)
        self._event = self.why = None

    def _arm(self):
        now = time.ticks_ms()
        if self._tried_ms is not None and time.ticks_diff(now, self._tried_ms) < RETRY_MS:
            return
        try:
            self._wake.wake_on_motion(self._stream.driver, self._trigger["threshold_g"], self._trigger["duration_s"])
            self.is_armed = True
            self._tried_ms = None
        except OSError as error:
            if self._tried_ms is None:
                self._log("%s cannot be made to watch for motion: %s" % (self._stream.name, error))
            self._tried_ms = now

    def _disarm(self):
        self.is_armed = False
        try:
            self._wake.disarm(self._stream.driver)
        except OSError:
            pass  # it watches in vain


class Event:
    """One recording: everything is written (as without a gate), until nothing of the watched stream was above the
    threshold for `hold_s`: then `is_over`. `why`: "motion", or "random" as long as nothing moved in it.
    """

    def __init__(self, trigger, watched, why):
        self._watched = watched
        self._level = Level(watched.info, "level", trigger["threshold_g"])
        self._hold = self._left = int(trigger["hold_s"] * watched.driver.rate_hz)
        self.why = why
        self._told = {"number": 1, "why": why}
        self.has_begun = self.is_over = False

    def step(self, stream):
        """Write one block. -> False when there is none. Allocates only where a segment begins or ends."""
        if stream is self._watched:
            block = stream.ring.peek()
            if block:
                self._judge(block)
        stream.recorder.writer.event = self._told
        return stream.recorder.step()

    def _judge(self, block):
        self.has_begun = True
        if self._level.is_reached(block):
            self._left = self._hold
            self.why = self._told["why"] = "motion"
        else:
            self._left -= block.n_frames
            if self._left <= 0:
                self.is_over = True

    def is_writing(self):
        """-> True: frames that come should reach the flash."""
        return True

    def end(self):
        """The session ends."""
