"""One continuous recording with one configuration: from ``begin`` to a ledger that closes."""

import asyncio
import sys

from app.clock import rtc_fix

EMPTY_ROUNDS = 50  # rings full of frames that a sensor may go on delivering while its recording is being closed


class Session:
    """Runs ``streams`` (app.stream.Stream) into ``spool``. ``fix()``: what time it is, as a clock fix or None; without
    it the RTC is asked. ``gate`` (app.trigger.Gate): what is not around an event goes unwritten; None: everything is
    stored.
    """

    def __init__(self, spool, streams, clock, fix=None, gate=None):
        self.spool = spool
        self.streams = streams
        self.clock = clock
        self._fix = fix
        self._gate = gate
        self._step = gate.step if gate else _write
        self.name = None
        self.started_t_us = 0
        self._ended_t_us = None
        self.failure = None  # why a task died: a bug of ours, never swallowed
        self._tasks = []

    def begin(self, facts):
        """Write session.json, give the streams their writers, start the sensors and the tasks. ``facts``: what
        session.json says besides the streams; not kept, for it takes 2 KB of heap.
        """
        t_us = self.clock.t_us()
        fix = self._fix() if self._fix else rtc_fix(t_us)
        meta = dict(facts)
        meta["started_t_us"] = t_us
        meta["clock_fixes"] = ([fix] if fix else []) + self.clock.fixes
        meta["streams"] = {stream.name: stream.info.as_dict() for stream in self.streams}
        self.name = self.spool.begin(meta)
        self.started_t_us = t_us
        for stream in self.streams:
            stream.attach(self.spool)
        for stream in self.streams:
            stream.sampler.start()
            self._tasks.append(asyncio.create_task(self._guard(stream.sampler.run())))
        self._tasks.append(asyncio.create_task(self._guard(self._record())))

    async def _guard(self, coroutine):
        try:
            await coroutine
        except Exception as error:
            self._failed(error)

    def _failed(self, error):
        sys.print_exception(error)
        self.failure = "%s: %s" % (type(error).__name__, error)

    async def _record(self):
        """The only task that writes sample data: one block of each stream at a time, so that none starves."""
        while True:
            busy = False
            for stream in self.streams:
                if self._step(stream):
                    busy = True
            await asyncio.sleep_ms(0 if busy else 10)

    def is_writing(self):
        """-> whether frames that come should reach the flash now."""
        return self._gate is None or self._gate.is_writing()

    def seconds(self):
        """-> how long this session has run, or had run when it ended."""
        return ((self._ended_t_us or self.clock.t_us()) - self.started_t_us) / 1e6

    async def end(self, reason):
        """Stop the tasks, take what chips and rings still hold, close every segment, write ledger.json. May be called
        again, where Ctrl-C came in the middle.
        """
        if self.spool.session != self.name:  # it has ended
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.sleep_ms(0)
        self._tasks = []
        if self._gate:
            self._gate.end()
        for stream in self.streams:  # all sensors stop before the first file is closed, which may take long
            self._empty(stream)
        self._ended_t_us = self.clock.t_us()
        accounts = {}
        for stream in self.streams:
            recorder = stream.recorder
            tail = recorder.close(reason)
            accounts[stream.name] = recorder.account(stream.sampler.produced(), tail)
            accounts[stream.name]["lost_exact"] = stream.sampler.lost_exact()
        try:
            self.spool.end({"reason": reason, "ended_t_us": self._ended_t_us, "streams": accounts})
        except OSError as error:  # the segments are closed; recovery writes the ledger at the next start
            self.failure = "ledger.json cannot be written: %s" % error

    def _empty(self, stream):
        """Everything that the chip holds goes through the ring to the writer; then the sensor is stopped. A driver that
        fails in doing so costs no other stream anything.
        """
        for step in (self._drain, self._stop):
            try:
                step(stream)
            except Exception as error:
                self._failed(error)
        while self._step(stream):
            pass

    def _drain(self, stream):
        for _ in range(EMPTY_ROUNDS):
            while self._step(stream):
                pass
            if stream.sampler.try_drain(1) == 0:
                break

    def _stop(self, stream):
        stream.sampler.stop()


def _write(stream):
    """Without a gate: one block of the stream is written. -> False when there was none."""
    return stream.recorder.step()
