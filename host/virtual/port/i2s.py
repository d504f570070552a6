"""machine.I2S (receiving) of the virtual board, after MicroPython's extmod/machine_i2s.c and the ESP32 port.

The frame clock starts with the object and never stops. Each frame takes 8 bytes of `ibuf` whatever the format: two
slots of 32 bits, left first; a mono format takes the left one, 16 bits take its upper half. When `ibuf` is full
frames go, without a word: the oldest (ESP32) or, if the world says so, the newest (RP2 and STM32); see ibuf.py. Three
ways to read, as on the real ports: blocking until the buffer is full (at first); what there is, after something polled
the object (asyncio); at once, with a call of `irq`'s handler when the buffer is full. `readinto` allocates nothing.
"""

import errno
import io

import micropython
from clock import NEVER, Event
from hardware import board
from ibuf import Ibuf

_POLL = 3
_POLL_IN = 1
_FRAME_BYTES = 8
_BLOCKING = 0
_ASYNCIO = 1
_NON_BLOCKING = 2
_microphones = {}


def wire(microphones):
    """Connect the ports: {I2S number: chips.mic.Microphone}; a port without one hears zeros."""
    _microphones.update(microphones)


class _Filled(Event):
    """The end of a non-blocking readinto."""

    def __init__(self, i2s):
        super().__init__()
        self._i2s = i2s

    def fire(self):
        self._i2s._fill_pending()


class I2S(io.IOBase):
    """`I2S(id, *, sck, ws, sd, mode=I2S.RX, bits, format, rate, ibuf)`."""

    RX = 16  # the constants' values are the ESP32 port's
    TX = 26
    MONO = 1
    STEREO = 0

    def __init__(self, id, *, sck, ws, sd, mode, bits, format, rate, ibuf):
        self._id = id
        self._filled = _Filled(self)
        self.init(sck=sck, ws=ws, sd=sd, mode=mode, bits=bits, format=format, rate=rate, ibuf=ibuf)

    def init(self, *, sck, ws, sd, mode, bits, format, rate, ibuf):
        """Start again, with an empty buffer."""
        if mode != I2S.RX:
            raise ValueError("invalid mode: nothing here listens to I2S, only RX works")
        if bits not in (16, 32):
            raise ValueError("invalid bits")
        if format not in (I2S.MONO, I2S.STEREO):
            raise ValueError("invalid format")
        if ibuf <= 0:
            raise ValueError("invalid ibuf")
        self.deinit()
        board.clock.add(self._filled)
        self._bits = bits
        self._channels = 1 if format == I2S.MONO else 2
        self._frame_bytes = bits // 8 * self._channels
        self._capacity = ibuf // _FRAME_BYTES
        self._microphone = microphone = _microphones.get(self._id)
        ratio = microphone.rate_ratio if microphone else 1
        self._period_ps = int(1000000000000 / (rate * ratio))
        self._start_us = board.clock.now()
        if microphone:
            self._dma_frames = microphone.dma_frames
            self._ibuf = Ibuf(self._capacity, microphone.dma_frames, microphone.loses)
        else:
            self._dma_frames = 1
            self._ibuf = Ibuf(self._capacity)
        self._mode = _BLOCKING
        self._handler = None
        self._pending = None
        self._pending_done = 0

    def deinit(self):
        """Stop."""
        self._filled.due = NEVER
        board.clock.remove(self._filled)
        self._ibuf = None

    def irq(self, handler):
        """Non-blocking mode: readinto() returns at once and `handler(i2s)` is called when its buffer is full."""
        self._handler = handler
        self._mode = _BLOCKING if handler is None else _NON_BLOCKING

    def ioctl(self, request, arg):
        """Polling: being asked switches to asyncio mode."""
        if request != _POLL:
            return -errno.EINVAL
        self._mode = _ASYNCIO
        return arg & _POLL_IN if self._available() else 0

    def readinto(self, buf):
        """-> bytes read; see the module for how many. OSError(EINVAL) when `buf` does not hold whole frames."""
        size = len(buf)
        if size % self._frame_bytes:
            raise OSError(errno.EINVAL)
        wanted = size // self._frame_bytes
        if self._mode == _NON_BLOCKING:
            self._available()
            self._pending = buf
            self._pending_done = 0
            self._plan_pending(wanted)
            return size
        done = 0
        while done < wanted:
            n = min(self._available(), wanted - done)
            self._take(buf, done, n)
            done += n
            if self._mode == _ASYNCIO:
                break
            if done < wanted:
                board.clock.wait_until(self._time_of_stored(wanted - done))
        return done * self._frame_bytes

    def write(self, buf):
        """Receiving only."""
        raise OSError(errno.EPERM)

    @staticmethod
    def shift(*, buf, bits, shift):
        """Shift the samples in `buf` in place, left if `shift` > 0."""
        from array import array

        if bits not in (16, 32):
            raise ValueError("invalid bits")
        samples = array("h" if bits == 16 else "i", bytes(buf))
        for i in range(len(samples)):
            value = samples[i] << shift if shift >= 0 else samples[i] >> -shift
            half = 1 << (bits - 1)
            samples[i] = ((value + half) & (2 * half - 1)) - half
        buf[:] = bytes(samples)

    def _time_of_stored(self, frames):
        """When the buffer will hold `frames` frames, or be full, us since boot."""
        frames = self._ibuf.seen - self._ibuf.stored + min(frames, self._ibuf.whole_blocks(self._capacity))
        frames = self._ibuf.whole_blocks(frames + self._dma_frames - 1)
        return self._start_us + (frames * self._period_ps + 999999) // 1000000

    def _available(self):
        """Frames waiting."""
        if self._ibuf is None:
            return 0
        self._ibuf.receive((board.clock.now() - self._start_us) * 1000000 // self._period_ps)
        return self._ibuf.stored

    def _take(self, buf, first, n):
        """Move `n` frames to `buf` from its frame `first` on."""
        while n:
            k = min(n, self._ibuf.run)
            if self._microphone:
                self._microphone.fill(buf, first * self._frame_bytes, self._ibuf.first, k, self._bits, self._channels)
            else:
                for i in range(first * self._frame_bytes, (first + k) * self._frame_bytes):
                    buf[i] = 0
            self._ibuf.drop(k)
            first += k
            n -= k

    def _fill_pending(self):
        """Move what came to the waiting buffer; when it is full, the handler is called."""
        wanted = len(self._pending) // self._frame_bytes
        n = min(self._available(), wanted - self._pending_done)
        self._take(self._pending, self._pending_done, n)
        self._pending_done += n
        if self._pending_done < wanted:
            self._plan_pending(wanted)
            return
        self._pending = None
        try:
            micropython.schedule(self._handler, self)
        except RuntimeError:
            pass  # the queue is full: the real ports lose this call, too

    def _plan_pending(self, wanted):
        self._filled.due = self._time_of_stored(wanted - self._pending_done)
