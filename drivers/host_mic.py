"""A microphone of the host, on MicroPython's Unix port: a capture program, a pipe, a socket, or a WAV file."""

from drivers.host_source import PIECE, find_source
from drivers.kernels import copy
from drivers.timing import ticks_diff, ticks_us

_HELD = 1 << 15  # bytes
_WINDOW_S = 2
_ENOUGH = 8  # looks at an empty source that make a window
_SECOND = 1000000


class HostMic:
    """Frames of one int16 from ``source`` (see ``find_source``), the same surface as a microphone on I2S.

    A WAV file is played at ``rate_hz`` by the clock, from the top again after its end, and nothing of it is lost. A
    program or a socket cannot tell of losses: what came is compared with the clock, at its best in every 2 seconds.
    When it falls back by more than 50 ms from one such window to the next, that is a loss: counted as an estimate, and
    placed within the two windows. Less than that is taken for the source's unsteadiness.
    """

    channels = ("mono",)
    units = ("1",)
    scale = (1 / 32768,)
    frame_bytes = 2

    def __init__(self, source, *, rate_hz=16000, ticks_us=ticks_us):
        self.rate_hz = rate_hz
        self.fifo_frames = rate_hz  # a pipe of 64 KB, or a socket's buffers, and what is held here
        self._source = find_source(source, rate_hz)
        self._ticks_us = ticks_us
        self._per_second = rate_hz
        self._ticks = _SECOND
        while not self._per_second % 2 and not self._ticks % 2:
            self._per_second //= 2
            self._ticks //= 2
        while not self._per_second % 5 and not self._ticks % 5:
            self._per_second //= 5
            self._ticks //= 5
        self._piece = memoryview(bytearray(PIECE))
        self._held = bytearray(_HELD)
        self._open = False
        self._zero()

    def start(self):
        """Open the source; all counters at 0."""
        self._source.open()
        self._open = True
        self._zero()

    def stop(self):
        """Close the source; frames that were read already stay."""
        self._open = False
        self._source.close()

    def close(self):
        """As ``stop``."""
        self.stop()

    def available(self):
        """-> frames waiting. Takes in what the source has, as far as there is room here."""
        while self._pull():
            pass
        waiting = self._end - self._first >> 1
        self._made = self._handed + self.lost + self._gap + waiting
        return waiting

    def produced(self):
        """-> frames made since start(), lost ones included, at the last available()."""
        return max(self._made, self._handed + self.lost)

    def readinto(self, buf):
        """Fill ``buf`` with int16 -> how many."""
        room = len(buf) // 2
        done = 0
        while done < room:
            n = min(self._end - self._first >> 1, room - done)
            if not n:
                if self._pull():
                    continue
                break
            if self._gap:
                if done:
                    break
                self.lost += self._gap
                self.overruns += 1
                self.lost_exact = False
                self._gap = 0
            copy(buf, 2 * done, self._held, self._first, 2 * n)
            self._first += 2 * n
            self._handed += n
            done += n
        return done

    def _zero(self):
        self.lost = 0
        self.overruns = 0
        self.lost_exact = True
        self._first = 0  # bytes held: from here ...
        self._end = 0  # ... to here
        self._handed = 0
        self._made = 0
        self._gap = 0  # frames lost in front of what comes next
        self._came = 0  # bytes from the source
        self._due = 0  # frames that the clock says
        self._part = 0  # of the next one, in 1 / _ticks
        self._then = self._ticks_us()
        self._fresh = False  # something came since the source was empty last
        self._begin_window()
        self._before = None  # frames by which the window before was behind the clock, at its best

    def _begin_window(self):
        self._best = None
        self._looks = 0
        self._window_due = self._due

    def _clock(self):
        """Let ``_due`` follow the clock."""
        now = self._ticks_us()
        passed = max(0, ticks_diff(now, self._then))
        self._then = now
        while passed:
            step = min(passed, _SECOND)
            passed -= step
            self._part += step * self._per_second
            self._due += self._part // self._ticks
            self._part %= self._ticks

    def _pull(self):
        """Move one piece from the source here -> bytes; 0 when there is none, or no room."""
        if not self._open:
            return 0
        if self._first and self._end + PIECE > _HELD:
            copy(self._held, 0, self._held, self._first, self._end - self._first)
            self._end -= self._first
            self._first = 0
        if self._end + PIECE > _HELD:
            return 0
        live = self._source.live
        if live and not self._came:
            self._then = self._ticks_us()  # the clock runs from the first sound on
        self._clock()
        if not live and 2 * self._due < self._came + PIECE:
            return 0  # a file is read in whole pieces, when they are due
        n = self._source.readinto(self._piece)
        if n:
            copy(self._held, self._end, self._piece, 0, n)
            self._end += n
            self._came += n
            self._fresh = True
        elif live and self._fresh:
            self._fresh = False
            self._look()
        return n

    def _look(self):
        """The source is empty: all that it made has come. How far behind the clock is that?"""
        behind = self._due - (self._came >> 1) - self.lost - self._gap
        if self._best is None or behind < self._best:
            self._best = behind
        self._looks += 1
        if self._looks < _ENOUGH or self._due - self._window_due < _WINDOW_S * self.rate_hz:
            return
        best = self._best
        if self._before is not None and best - self._before > self.rate_hz // 20:
            self._gap += best - self._before
        else:
            self._before = best
        self._begin_window()
