"""From the bits of a PDM microphone to int16: 64 bits make one sample. Allocates only when it is made.

Three steps. A CIC filter of order 4 (four running sums of 16 bits) goes to 4 times the sample rate; it is taken as
the one FIR filter of 61 taps that it is, 8 bits at once from a table: 8 look-ups per value instead of 64 additions. A
half-band filter goes to twice the rate. The last filter goes to the sample rate, and makes up for the droop of the CIC.

Together: flat within +-0.02 dB up to 0.4 of the sample rate, -6 dB at 0.5, what would fold back below 0.4 is at least
60 dB down. A sample lies 13.7 sample times behind the sound.

No sum overflows: the CIC gives -32768 .. 32768 (exactly, its taps' sum is 65536); the taps' magnitudes add up to
10184 / 8192 in the half-band filter, so it gives at most 40736; and to 14500 in the last, so its sum is at most
590,672,000 + bias, less than 2**30.
"""

from array import array

try:
    from drivers.pdm_viper import cic, fir2, fir2_s16
except (ImportError, SyntaxError, ValueError):  # no MicroPython; no native emitter; native code of another processor
    from drivers.pdm_plain import cic, fir2, fir2_s16

CHUNK = 32  # frames at once, at most
FRAME_BYTES = 8  # of bits
HISTORY = 6  # bytes before the new ones in ``PdmFilter.bits``
MEMORY = 28  # frames after which nothing remembers what came before them
_HALF = (91, 0, -498, 0, 2458, 4090, 2458, 0, -498, 0, 91)
_LAST = (-2, -4, 2, 11, -3, -21, 4, 38, -4, -62, 4, 97, -4, -148, 3, 220, -1, -328, -4, 512, 15, -915, -81, 2648, 4238)
_ONE = 13  # taps are in units of 2**-13
_SILENCE = 0x55  # as many ones as zeros


def cic_table():
    """-> array('H'): what each value of each of 8 bytes (first bit of a byte in bit 0) adds to the CIC's sum."""
    taps = [1]
    for _ in range(4):  # convolved with 16 ones
        taps = [sum(taps[max(0, i - 15) : i + 1]) for i in range(len(taps) + 15)]
    taps += [0] * 3
    table = array("H", bytes(2 * 8 * 256))
    for k in range(8):
        for byte in range(1, 256):
            low = byte & -byte
            bit = 0
            while low >> bit != 1:
                bit += 1
            table[256 * k + byte] = table[256 * k + (byte & byte - 1)] + taps[8 * k + bit]
    return table


class PdmFilter:
    """Put ``8 * n`` bytes (n <= CHUNK) into ``bits`` from byte HISTORY on, the first bit in bit 0, and call ``run``.

    ``gain_bits``: 0 .. 6, each 6 dB; 0 makes full scale of the bits full scale of the samples. ``clips[0]`` counts
    samples that saturated.
    """

    def __init__(self, gain_bits=0):
        if not 0 <= gain_bits <= 6:
            raise ValueError(f"gain_bits {gain_bits}: 0 to 6")
        self.clips = array("i", [0])
        self.bits = bytearray(HISTORY + FRAME_BYTES * CHUNK)
        self._table = cic_table()
        self._half = array("i", _HALF)
        self._last = array("i", _LAST + tuple(reversed(_LAST[:-1])))
        self._half_how = array("i", (len(self._half), 1 << _ONE - 1, _ONE))
        shift = _ONE - gain_bits
        self._last_how = array("i", (len(self._last), 1 << shift - 1, shift))
        self._x4 = array("i", bytes(4 * (len(self._half) - 2 + 4 * CHUNK)))
        self._x2 = array("i", bytes(4 * (len(self._last) - 2 + 2 * CHUNK)))
        self._x4_new = len(self._half) - 2
        self._x2_new = len(self._last) - 2
        self.reset()

    def reset(self):
        """Begin as after silence."""
        for i in range(HISTORY):
            self.bits[i] = _SILENCE
        for x in (self._x4, self._x2):
            for i in range(len(x)):
                x[i] = 0

    def run(self, dst, dst_at, n):
        """The ``n`` frames in ``bits`` become int16 in ``dst`` from sample ``dst_at`` on."""
        cic(self._x4, self._x4_new, self.bits, 4 * n, self._table)
        fir2(self._x2, self._x2_new, self._x4, 2 * n, self._half, self._half_how)
        fir2_s16(dst, dst_at, self._x2, n, self._last, self._last_how, self.clips)
