# ruff: noqa: F821 (ptr8 and its like are types of the viper compiler)
"""The kernels of the PDM filter in native code; pdm_plain.py says what each does.

A 64-bit port loads 32-bit values without their sign; sums and products are right in their lower 32 bits all the same,
and get their sign back before they are shifted: they are less than 2**30.
"""

import micropython


@micropython.viper
def cic(dst: ptr32, dst_at: int, bits: ptr8, n: int, table: ptr16):
    i = 0
    while i < n:
        s = ptr8(int(bits) + i + i)
        value = int(table[int(s[0])]) + int(table[256 + int(s[1])])
        value += int(table[512 + int(s[2])]) + int(table[768 + int(s[3])])
        value += int(table[1024 + int(s[4])]) + int(table[1280 + int(s[5])])
        value += int(table[1536 + int(s[6])]) + int(table[1792 + int(s[7])])
        dst[dst_at + i] = value - 32768
        i += 1
    rest = ptr8(int(bits) + n + n)
    i = 0
    while i < 6:
        bits[i] = rest[i]
        i += 1


@micropython.viper
def fir2(dst: ptr32, dst_at: int, src: ptr32, n: int, taps: ptr32, how: ptr32):
    size = int(how[0])
    bias = int(how[1])
    shift = int(how[2])
    top = 1
    top <<= 30
    mask = top + top - 1
    i = 0
    while i < n:
        x = ptr32(int(src) + (i << 3))
        value = bias
        k = 0
        while k < size:
            value += int(taps[k]) * int(x[k])
            k += 1
        dst[dst_at + i] = (((value + top) & mask) - top) >> shift
        i += 1
    rest = ptr32(int(src) + (n << 3))
    i = 2
    while i < size:
        src[i - 2] = rest[i - 2]
        i += 1


@micropython.viper
def fir2_s16(dst: ptr16, dst_at: int, src: ptr32, n: int, taps: ptr32, how: ptr32, clips: ptr32):
    size = int(how[0])
    bias = int(how[1])
    shift = int(how[2])
    top = 1
    top <<= 30
    mask = top + top - 1
    i = 0
    while i < n:
        x = ptr32(int(src) + (i << 3))
        value = bias
        k = 0
        while k < size:
            value += int(taps[k]) * int(x[k])
            k += 1
        value = (((value + top) & mask) - top) >> shift
        if value > 32767:
            value = 32767
            clips[0] = int(clips[0]) + 1
        elif value < -32768:
            value = -32768
            clips[0] = int(clips[0]) + 1
        dst[dst_at + i] = value
        i += 1
    rest = ptr32(int(src) + (n << 3))
    i = 2
    while i < size:
        src[i - 2] = rest[i - 2]
        i += 1
