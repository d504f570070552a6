"""An I2S microphone: what stands in the left slot of each I2S frame; the right one is empty.

A slot is 32 bits: sample << `shift`, with `noise_bits` random bits at its lower end (a real converter is never
quiet). Frame i of the I2S clock shows sample i of the recording, whatever rate the file says, and starts again from
the top after its last. A recording is mono 16-bit PCM in a WAV file; without one a tone is synthesised.
"""

import struct
from array import array

try:
    from .slots_viper import copy_slots
except (ImportError, SyntaxError):  # this port has no native code emitter
    from .slots import copy_slots

from .source import sine

_BUFFER_SAMPLES = 512


class Wav:
    """Samples of a WAV file (RIFF: chunks 'fmt ' and 'data'), read piece by piece. Other formats: ValueError that
    says what.
    """

    def __init__(self, file, name):
        self._file = file
        self._start, self.samples = _wav_header(file, name)
        self._at = -1

    def read(self, i, buffer, n):
        """Put samples i .. i+n-1 into `buffer`, as far as the file goes. -> how many"""
        i %= self.samples
        n = min(n, self.samples - i)
        if i != self._at:
            self._file.seek(self._start + 2 * i)
        self._file.readinto(buffer, 2 * n)
        self._at = i + n
        return n


class Tone:
    """A tone whose loudness swells: the sample's number decides everything."""

    def read(self, i, buffer, n):
        for k in range(n):
            at = i + k
            buffer[k] = sine(23 * at) * ((at >> 6 & 255) + 64) >> 6
        return n


class Microphone:
    """`rate_ratio`: how much faster than asked the board's I2S clock runs; `loses`, `dma_frames`: how its port receives
    (port/ibuf.py).
    """

    def __init__(self, sound, *, shift=16, noise_bits=0, rate_ratio=1.0, loses="oldest", dma_frames=1):
        self._sound = sound
        self.rate_ratio = rate_ratio
        self.loses = loses
        self.dma_frames = dma_frames
        self._buffer = array("h", bytes(2 * _BUFFER_SAMPLES))
        # copy_slots: next byte, samples, shift, mask of the noise, its state, bytes per slot in the buffer, channels
        self._how = array("i", (0, 0, shift, (1 << noise_bits) - 1, 12345, 4, 1))

    def fill(self, buf, start, frame, n, bits, channels):
        """Write frames `frame` .. `frame` + n - 1 to `buf` from byte `start` on, as `bits` of the slot and 1 or 2
        slots.
        """
        how = self._how
        how[0] = start
        how[5] = bits >> 3
        how[6] = channels
        while n > 0:
            got = self._sound.read(frame, self._buffer, min(n, _BUFFER_SAMPLES))
            how[1] = got
            copy_slots(buf, self._buffer, how)
            frame += got
            n -= got


def _wav_header(file, name):
    """-> (offset of the samples, how many)."""
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise ValueError(f"{name}: not a WAV file")
    form = None
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise ValueError(f"{name}: has no data chunk with samples")
        size = struct.unpack("<I", head[4:])[0]
        if head[:4] == b"fmt ":
            form = struct.unpack("<HHIIHH", file.read(16))
            file.seek(size - 16 + (size & 1), 1)
        elif head[:4] == b"data" and size >= 2:
            break
        else:
            file.seek(size + (size & 1), 1)
    if form is None or form[0] not in (1, 0xFFFE) or form[1] != 1 or form[5] != 16:
        found = "none" if form is None else f"format {form[0]}, {form[1]} channels, {form[5]} bits"
        raise ValueError(f"{name}: mono 16-bit PCM is needed; the file says {found}")
    start = file.seek(0, 1)
    size = min(size, file.seek(0, 2) - start)
    if size < 2:
        raise ValueError(f"{name}: has no samples")
    file.seek(start)
    return start, size // 2
