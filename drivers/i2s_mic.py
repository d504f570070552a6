"""Microphones on I2S (INMP441, ICS-43434, SPH0645, ...), read through MicroPython's ``machine.I2S``."""

import sys
from array import array

from drivers.kernels import copy, s32_to_s16
from drivers.timing import Meter, muldiv, ticks_diff, ticks_us

_FRAME_IN_IBUF = 8  # two slots of 32 bits, whatever format was asked for
_BURST_POWER = 8
_BURST = 1 << _BURST_POWER
_TRUSTED_S = 30  # the measured rate replaces the nominal one after this time without a loss
_MOST_GAPS = 8  # not passed yet; more of them become one
_EIO = 5
# part: (shift, start-up in frames and in ms). The shift leaves the part's own noise at a few units: it is about -87 dB
# of full scale in the INMP441, -91 dB in the others. Start-up: INMP441 data sheet 1.1, "Normal Operation": 2**18
# clocks; ICS-43434: as of the ICS-43432, which it replaces: 4462 clocks and 256 frames of soft unmute; SPH0645: 50 ms,
# an allowance, for want of a figure. All three fill the slot from its top bit on (24, 24 and 18 bits), in the left slot
# when their select pin (L/R, LR, SEL) is low. The SPH0645 has a DC offset, which is recorded as it is; it changes its
# output late, so that a port which samples early (ESP32) may see all bits one place further down (then shift 12).
PARTS = {"inmp441": (14, 4096, 0), "ics43434": (13, 326, 0), "sph0645": (13, 0, 50)}
_DROPS_NEWEST = ("rp2", "pyboard", "mimxrt")  # a full ibuf takes nothing more there; elsewhere (ESP32) its oldest goes


def open_i2s(id, *, sck, ws, sd, rate_hz, ibuf_bytes):
    """-> a ``machine.I2S`` receiving 32-bit mono (the left slot) on the pins with these numbers."""
    from machine import I2S, Pin

    return I2S(
        id, sck=Pin(sck), ws=Pin(ws), sd=Pin(sd), mode=I2S.RX, bits=32, format=I2S.MONO, rate=rate_hz, ibuf=ibuf_bytes
    )


class I2SMic:
    """Frames of one int16; losses are counted, placed, and estimates (``lost_exact``), because I2S never tells of
    them.

    ``i2s``: a ``machine.I2S`` that receives 32 bits, MONO - or a function that opens one, which ``start()`` calls and
    ``stop()`` undoes. A sample is the received 32-bit value ``>> shift``, limited to int16 (``clips[0]`` counts how
    often). ``part``: a name from PARTS; its shift holds unless ``shift`` is given (without either it is 16), and its
    start-up is left out of every start. ``ibuf_bytes``: the I2S buffer's size. ``ticks_us``: a microsecond clock
    modulo 2**30.

    How a loss is found: each time the I2S buffer is read empty, the frames that came since the last time are all that
    were made; from these the true rate is measured. When the clock says that more wait than the buffer holds, the
    surplus is lost. It must be emptied at least every 8 minutes (half the period of ``ticks_us``).
    """

    channels = ("mono",)
    units = ("1",)
    scale = (1 / 32768,)
    frame_bytes = 2

    def __init__(
        self, i2s, *, rate_hz=16000, part=None, shift=None, ibuf_bytes=40000, ticks_us=ticks_us, drops_newest=None
    ):
        if part is not None and part not in PARTS:
            raise ValueError(f"part {part}: one of {', '.join(sorted(PARTS))}")
        usual, frames, ms = PARTS[part] if part else (16, 0, 0)
        if shift is None:
            shift = usual
        if not 0 <= shift <= 31:
            raise ValueError(f"shift {shift}: 0 to 31 bits")
        self.rate_hz = rate_hz
        self.fifo_frames = ibuf_bytes // _FRAME_IN_IBUF
        if self.fifo_frames < _BURST:
            raise ValueError(f"ibuf_bytes {ibuf_bytes}: at least {_BURST * _FRAME_IN_IBUF}")
        self.clips = array("i", [0])
        self._open = i2s if callable(i2s) else None
        self._i2s = None if callable(i2s) else i2s
        self._shift = shift
        self._startup = frames + rate_hz * ms // 1000
        self._ticks_us = ticks_us
        self._drops_newest = sys.platform in _DROPS_NEWEST if drops_newest is None else drops_newest
        self._meter = Meter(1000000, rate_hz, _TRUSTED_S * rate_hz)
        self._safe_us = muldiv(self.fifo_frames * 7 // 8, 1000000, rate_hz)  # nothing can be lost in a shorter time
        self._raw = bytearray(4 * _BURST)
        whole = memoryview(self._raw)
        self._bursts = tuple(whole[: 4 << power] for power in range(_BURST_POWER + 1))
        self._size = max(_BURST, self.fifo_frames // 2)
        self._held = bytearray(2 * self._size)
        self._gaps = array("i", [0] * (2 * _MOST_GAPS))  # (frames behind the gap before it, frames lost)
        self._zero()

    def start(self):
        """Begin with the next sample and all counters at 0."""
        if self._open is not None:
            if self._i2s is not None:
                self.stop()
            self._i2s = self._open()
        _set_asyncio_mode(self._i2s)
        if self._open is None:
            self._discard()
        self._zero()

    def stop(self):
        """Close what ``start()`` opened; frames that were read already stay."""
        if self._open is not None and self._i2s is not None:
            self._i2s.deinit()
            self._i2s = None

    def close(self):
        """Leave the hardware off."""
        if self._i2s is not None:
            self._i2s.deinit()
            self._i2s = None

    def available(self):
        """-> frames waiting. Empties the I2S buffer as far as there is room here."""
        while self._pull():
            pass
        level = 0 if self._empty else min(max(0, self._level(self._ticks_us())), self.fifo_frames)
        waiting = self._end - self._first + level
        self._produced = self._handed + self._lost_ahead + waiting
        return waiting

    def produced(self):
        """-> frames made since start(), by the frames received and the clock, at the last available()."""
        return max(self._produced, self._handed)

    def readinto(self, buf):
        """Fill ``buf`` with int16 -> how many. Stops in front of a loss; the next call adds it to ``lost``."""
        room = len(buf) // 2
        done = 0
        while done < room:
            n = self._end - self._first
            if not n:
                if not self._pull():
                    break
                continue
            if self._gap_count:
                if not self._gaps[0]:
                    if done:
                        break
                    self._pass_gap()
                    continue
                n = min(n, self._gaps[0])
            n = min(n, room - done)
            copy(buf, 2 * done, self._held, 2 * self._first, 2 * n)
            self._first += n
            self._handed += n
            if self._gap_count:
                self._gaps[0] -= n
                self._ahead -= n
            done += n
        return done

    def _zero(self):
        self.lost = 0
        self.overruns = 0
        self.lost_exact = True
        self.clips[0] = 0
        self._first = 0  # frames held: from here ...
        self._end = 0  # ... to here
        self._gap_count = 0
        self._ahead = 0  # frames in front of the last gap
        self._lost_ahead = 0  # frames lost in all gaps that were not passed yet
        self._skip = self._startup  # frames of the start-up that are still to come
        self._handed = 0  # frames handed out, and frames lost in front of them
        self._produced = 0
        self._empty = False  # the last read emptied the I2S buffer
        self._since_us = self._ticks_us()  # when it was empty last
        self._since = 0  # frames read or lost since
        self._lossless = True
        self._jitter = 0  # most frames by which clock and frames ever differed when it was empty: the port's DMA block
        self._meter.reset()

    def _discard(self):
        """Let go of what the buffer holds from before the start."""
        for _ in range(2 + 2 * self.fifo_frames // _BURST):
            if (self._i2s.readinto(self._raw) or 0) < len(self._raw):
                break

    def _pull(self):
        """Move one burst from the I2S buffer here -> frames; 0 when it is empty, or no room is left here."""
        if self._i2s is None:
            return 0
        if self._first:
            if self._first == self._end:
                self._first = self._end = 0
            elif self._end == self._size:
                copy(self._held, 0, self._held, 2 * self._first, 2 * (self._end - self._first))
                self._end -= self._first
                self._first = 0
        room = self._size - self._end
        if not room:
            return 0
        if self._skip:
            room = min(room, self._skip)
        power = _BURST_POWER
        while 1 << power > room:
            power -= 1
        now = self._ticks_us()
        self._notice_overflow(now)
        size = self._i2s.readinto(self._bursts[power]) or 0
        if size & 3:
            raise OSError(_EIO, f"{self._i2s}: {size} bytes are no whole number of 32-bit samples")
        frames = size >> 2
        if self._skip:
            self._skip -= frames
        else:
            s32_to_s16(self._held, self._end, self._raw, frames, self._shift, self.clips)
            self._end += frames
        self._since += frames
        self._empty = frames < 1 << power
        if self._empty:
            self._note_empty(now)
        return frames

    def _level(self, now):
        """-> frames in the I2S buffer by the clock; may be off by a DMA block, and beyond what it can hold."""
        return self._meter.frames_in(max(0, ticks_diff(now, self._since_us))) - self._since

    def _notice_overflow(self, now):
        if ticks_diff(now, self._since_us) > self._safe_us:
            lost = self._level(now) - self.fifo_frames
            if lost > 0:
                self._lose(lost, self.fifo_frames if self._drops_newest else 0)

    def _lose(self, frames, behind):
        """``frames`` are lost ``behind`` so many frames that are still to be read."""
        gaps = self._gaps
        self._since += frames
        self._lossless = False
        unheard = min(frames, max(0, self._skip - behind))  # lost out of the start-up: nobody misses them
        self._skip -= unheard
        frames -= unheard
        if not frames:
            return
        count = self._gap_count
        ahead = self._end - self._first + max(0, behind - self._skip)
        if count and (ahead <= self._ahead or count == _MOST_GAPS):
            gaps[2 * count - 1] += frames
        else:
            gaps[2 * count] = ahead - self._ahead
            gaps[2 * count + 1] = frames
            self._gap_count = count + 1
            self._ahead = ahead
            self.overruns += 1
        self._lost_ahead += frames
        self.lost_exact = False

    def _pass_gap(self):
        """The next frame lies behind the first gap."""
        gaps = self._gaps
        self.lost += gaps[1]
        self._handed += gaps[1]
        self._lost_ahead -= gaps[1]
        self._gap_count -= 1
        for i in range(2 * self._gap_count):
            gaps[i] = gaps[i + 2]

    def _note_empty(self, now):
        """All that were made are read: compare with the clock, and measure the rate from here on."""
        passed = ticks_diff(now, self._since_us)
        rest = self._level(now)
        if passed > self._safe_us and rest > 2 * self._jitter + (self._since >> 7) + 4:
            self._lose(rest, 0)  # it held less than it should
        if self._lossless:
            self._jitter = max(self._jitter, min(abs(rest), _BURST))
            self._meter.add(passed, self._since)
        self._since_us = now
        self._since = 0
        self._lossless = True
        # An available() that had to ask the clock may have promised some frames too many
        self._produced = min(self._produced, self._handed + self._lost_ahead + self._end - self._first)


def _set_asyncio_mode(i2s):
    """Poll once: from then on ``readinto`` gives what is there instead of waiting (machine_i2s.c, ioctl)."""
    import select

    poller = select.poll()
    try:
        poller.register(i2s, select.POLLIN)
        poller.poll(0)
        poller.unregister(i2s)
    except (OSError, TypeError, AttributeError):
        pass  # no stream: then it has no such modes
