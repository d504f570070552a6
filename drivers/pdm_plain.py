"""The kernels of the PDM filter in plain Python: what they mean, and what runs where there is no native code emitter.

Each works on a buffer that begins with what it needs of the past, and at the end moves what the next call needs there.
No value reaches 2**30 (see drivers/pdm_filter.py), so none of them allocates, on 32-bit ports neither.
"""


def cic(dst, dst_at, bits, n, table):
    """``n`` values into ``dst`` (array('i')) from ``dst_at`` on, each from 8 bytes of ``bits``, 2 bytes on per value.

    Byte k of the 8 stands for ``table[256 * k + byte]`` (array('H')); their sum less 32768 is the value.
    """
    for i in range(n):
        at = 2 * i
        value = -32768
        for k in range(8):
            value += table[256 * k + bits[at + k]]
        dst[dst_at + i] = value
    for k in range(6):
        bits[k] = bits[2 * n + k]


def fir2(dst, dst_at, src, n, taps, how):
    """Filter, and keep every second value: ``n`` of them into ``dst`` (array('i')) from ``dst_at`` on.

    ``how``: array('i') of the number of taps, a bias that is added to the sum, and the right shift of both.
    """
    size = how[0]
    for i in range(n):
        value = how[1]
        at = 2 * i
        for k in range(size):
            value += taps[k] * src[at + k]
        dst[dst_at + i] = value >> how[2]
    for k in range(size - 2):
        src[k] = src[2 * n + k]


def fir2_s16(dst, dst_at, src, n, taps, how, clips):
    """As ``fir2``, into int16 of a byte buffer from sample ``dst_at`` on; what saturates counts in ``clips[0]``."""
    size = how[0]
    for i in range(n):
        value = how[1]
        at = 2 * i
        for k in range(size):
            value += taps[k] * src[at + k]
        value >>= how[2]
        if value > 32767:
            value = 32767
            clips[0] += 1
        elif value < -32768:
            value = -32768
            clips[0] += 1
        at = 2 * (dst_at + i)
        dst[at] = value & 0xFF
        dst[at + 1] = value >> 8 & 0xFF
    for k in range(size - 2):
        src[k] = src[2 * n + k]
