"""Stores only what is around events: the gate between the rings and the recorders.

The rings always hold the last `pre_s` seconds. A block of the watched stream whose level is above the threshold opens
the gate for all streams: what the rings hold is written, and what comes, until nothing was above the threshold for
`hold_s`. Blocks that leave a ring unwritten count as lost to `sleep`. Each event is a run of segments whose sidecars
say which one, and why: `"event": {"number": 3, "why": "trigger" or "random"}`.

Random negatives: for each event so many pieces without one are owed that their share of all is `random_share`; each
begins at a random instant after the event, when it is quiet, and is as long as the shortest event.
"""

import os

from app.level import Level

WITHIN = 10  # a random piece begins within so many times its own length


class Gate:
    """`trigger`: of the configuration; `streams`: app.stream.Stream. `step(stream)` takes the recorder's place; it
    allocates only where an event begins or ends. `events`, `negatives`: how many were stored.
    """

    def __init__(self, trigger, streams):
        self._watched = [stream for stream in streams if stream.name == trigger["stream"]][0]
        self._level = Level(self._watched.info, trigger["kind"], trigger["threshold"])
        self._hold = int(trigger["hold_s"] * self._watched.driver.rate_hz)
        self._owed = {stream.name: 0 for stream in streams}  # blocks that belong to an event that is over
        self._before = {stream.name: stream.blocks_before(trigger["pre_s"]) for stream in streams}
        self._streams = streams
        share = trigger["random_share"]
        self._credit_per_event = share / (1 - share)
        self._credit = 0
        self._wait = 0  # frames until a random piece begins; 0: none is planned
        self._piece = self._hold + int(trigger["pre_s"] * self._watched.driver.rate_hz)
        self._seen = 0  # blocks of the watched ring that were judged
        self._left = 0  # frames until the gate closes
        self.is_open = False
        self.events = self.negatives = 0
        self._number = 0
        self._is_ending = False

    def step(self, stream):
        """Write or let go one block. -> False when there is none to take now."""
        name = stream.name
        ring = stream.ring
        if stream is self._watched:
            while self._seen < ring.used():
                self._judge(ring.at(self._seen))
                self._seen += 1
        if self.is_open:
            is_taken = stream.recorder.step()
        elif self._owed[name]:
            is_taken = stream.recorder.step()
            self._owed[name] -= 1
            if not self._owed[name]:
                stream.recorder.pause("trigger")
        elif ring.used() > (0 if self._is_ending else self._before[name]):
            is_taken = stream.recorder.skip()
        else:
            return False
        if is_taken and stream is self._watched:
            self._seen -= 1
        return is_taken

    def end(self):
        """The session ends: what is in the rings without an event goes unwritten."""
        self._is_ending = True

    def is_writing(self):
        """-> whether frames that come should reach the flash now."""
        return self.is_open

    def _judge(self, block):
        """The next block of the watched stream has come."""
        n = block.n_frames
        if self._level.is_reached(block):
            if not self.is_open:
                self._open("trigger")
            elif self._why == "random":  # it became an event
                self._why = "trigger"
                self._credit += 1
                self.negatives -= 1
                self.events += 1
                self._credit += self._credit_per_event
                self._tell()
            self._left = self._hold
        elif self.is_open:
            self._left -= n
            if self._left <= 0:
                self._close()
        elif self._wait:
            self._wait -= min(n, self._wait)
            if not self._wait:
                self._open("random")
                self._left = self._hold

    def _open(self, why):
        self.is_open = True
        self._why = why
        self._number += 1
        if why == "trigger":
            self.events += 1
            self._credit += self._credit_per_event
        else:
            self.negatives += 1
            self._credit -= 1
        self._tell()

    def _tell(self):
        event = {"number": self._number, "why": self._why}
        for stream in self._streams:
            stream.recorder.writer.event = event

    def _close(self):
        """Behind the block that is being judged."""
        self.is_open = False
        for stream in self._streams:
            self._owed[stream.name] = stream.ring.used()
        self._owed[self._watched.name] = self._seen + 1
        if self._credit >= 1 and not self._wait:
            chance = int.from_bytes(os.urandom(3), "little")
            self._wait = 1 + chance * WITHIN * self._piece // (1 << 24)
