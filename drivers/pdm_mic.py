"""Microphones with a PDM output (MP34DT05, SPH0641, SPM1423, ...): a clock in, one bit per clock out."""

from drivers.kernels import copy
from drivers.pdm_filter import CHUNK, FRAME_BYTES, HISTORY, MEMORY, PdmFilter


def open_pdm(*, id, clk, data, rate_hz, ring_bytes=32768, right=False):
    """-> a source of bits for ``PDMMic`` on this port. OSError where it has none: so far there is RP2's PIO only.

    (MicroPython has no PDM of its own in any release; pull requests 14176 and 18287 are open.)
    """
    try:
        from drivers.pdm_rp2 import PioBits
    except ImportError:
        import sys

        raise OSError(19, f"PDM microphone: port {sys.platform} cannot read one, only rp2 can") from None  # ENODEV
    return PioBits(id, clk=clk, data=data, bit_hz=64 * rate_hz, ring_bytes=ring_bytes, right=right)


class PDMMic:
    """Frames of one int16; losses are counted exactly, because the source counts what it received.

    ``source`` writes bits into a ring, the first one of a byte in bit 0: ``ring`` (bytearray, its length a power of
    two, at least 1024), ``start()`` (empty ring, the count at 0), ``received()`` -> bytes written since then modulo
    ``wrap`` (a power of two, at least twice the ring), ``stop()``, ``close()``. It must be looked at before ``wrap``
    bytes came in.

    ``rate_hz``: samples per second, 1/64 of the bits. ``gain_bits``: each makes it 6 dB louder (``clips[0]`` counts
    what saturated). ``startup_ms``: left out at the start, while the microphone wakes up (data sheets say 10 to 50
    ms); so is the time that the filter needs to fill. After a loss the frames that the filter needs anew are lost, too:
    no frame is mixed of before and after.
    """

    channels = ("mono",)
    units = ("1",)
    scale = (1 / 32768,)
    frame_bytes = 2

    def __init__(self, source, *, rate_hz=16000, gain_bits=0, startup_ms=0):
        size = len(source.ring)
        if size < 4 * CHUNK * FRAME_BYTES or size & size - 1 or source.wrap < 2 * size:
            raise ValueError(f"a ring of {size} bytes: a power of two is needed, at least {4 * CHUNK * FRAME_BYTES}")
        self.rate_hz = rate_hz
        self.fifo_frames = size // FRAME_BYTES - 1  # the frame being written over is not safe
        self._source = source
        self._ring = source.ring
        self._size = size
        self._mask = source.wrap - 1
        self._safe = size - FRAME_BYTES
        self._keep = size // 4 * 3  # bytes still used after an overflow; the rest is room for what comes meanwhile
        self._skip = MEMORY + rate_hz * startup_ms // 1000
        self._filter = PdmFilter(gain_bits)
        self.clips = self._filter.clips
        self._unheard = bytearray(2 * CHUNK)
        self._zero()

    def start(self):
        """Begin with the next bit and all counters at 0."""
        self._source.start()
        self._filter.reset()
        self._zero()
        self._running = True

    def stop(self):
        """Stop the clock. What was not read is gone."""
        self._running = False
        self._source.stop()

    def close(self):
        """Leave the hardware off and free."""
        self.stop()
        self._source.close()

    def available(self):
        """-> frames waiting."""
        behind = self._behind()
        frames = behind // FRAME_BYTES
        self._made = self._handed + self.lost + max(0, frames - self._mute)
        mute = self._mute
        if behind > self._safe:  # what _jump() will do
            frames = self._keep // FRAME_BYTES
            mute = max(MEMORY, mute - (behind - self._keep) // FRAME_BYTES)
        return max(0, frames - mute)

    def produced(self):
        """-> frames made since start(), as counted by the source at the last available()."""
        return max(self._made, self._handed + self.lost)

    def readinto(self, buf):
        """Fill ``buf`` with int16 -> how many. Stops in front of a loss; the next call adds it to ``lost``."""
        room = len(buf) // 2
        done = 0
        while done < room:
            behind = self._behind()
            if behind > self._safe:
                if done:
                    break
                self._jump(behind)
                continue
            at = self._read & self._size - 1
            n = min(behind // FRAME_BYTES, (self._size - at) // FRAME_BYTES, CHUNK, self._mute or room - done)
            if not n:
                break
            copy(self._filter.bits, HISTORY, self._ring, at, FRAME_BYTES * n)
            if self._behind() > self._safe:
                continue  # overwritten while it was copied
            self._read = self._read + FRAME_BYTES * n & self._mask
            if self._mute:
                self._filter.run(self._unheard, 0, n)
                self._mute -= n
                continue
            self._filter.run(buf, done, n)
            self._handed += n
            done += n
        return done

    def _zero(self):
        self.lost = 0
        self.overruns = 0
        self.lost_exact = True
        self.clips[0] = 0
        self._running = False
        self._read = 0  # bytes, modulo wrap
        self._mute = self._skip  # frames that only fill the filter
        self._handed = 0
        self._made = 0

    def _behind(self):
        """-> bytes received and not read."""
        return self._source.received() - self._read & self._mask if self._running else 0

    def _jump(self, behind):
        """The ring was overwritten: go on with what is still there."""
        frames = (behind - self._keep) // FRAME_BYTES
        self._read = self._read + FRAME_BYTES * frames & self._mask
        unheard = min(frames, self._mute)
        self._mute -= unheard
        refill = max(0, MEMORY - self._mute)
        self._mute += refill
        self.lost += frames - unheard + refill
        self.overruns += 1
