# ruff: noqa: F821 (ptr8 and its like are types of the viper compiler)
"""The toolbox's kernels in native code; toolbox_plain.py says what each does. No bounds are checked."""

import micropython

from drivers.toolbox_plain import ALPHABET


@micropython.viper
def swap16(dst, dst_at: int, src, src_at: int, n: int):
    d = int(ptr8(dst)) + dst_at
    s = int(ptr8(src)) + src_at
    i = 0
    if (d | s) & 3 == 0:  # two words at once; a Cortex-M0 faults on an unaligned 32-bit access
        d32 = ptr32(d)
        s32 = ptr32(s)
        pairs = n >> 1
        while i < pairs:
            v = int(s32[i])
            d32[i] = ((v & 0x00FF00FF) << 8) | ((v >> 8) & 0x00FF00FF)
            i += 1
    i <<= 2
    n <<= 1
    d8 = ptr8(d)
    s8 = ptr8(s)
    while i < n:
        low = s8[i]
        d8[i] = s8[i + 1]
        d8[i + 1] = low
        i += 2


@micropython.viper
def swap32(dst, dst_at: int, src, src_at: int, n: int):
    d = int(ptr8(dst)) + dst_at
    s = int(ptr8(src)) + src_at
    i = 0
    if (d | s) & 3 == 0:
        d32 = ptr32(d)
        s32 = ptr32(s)
        while i < n:
            v = int(s32[i])
            v = ((v & 0x00FF00FF) << 8) | ((v >> 8) & 0x00FF00FF)
            d32[i] = (v << 16) | ((v >> 16) & 0xFFFF)
            i += 1
        return
    d8 = ptr8(d)
    s8 = ptr8(s)
    n <<= 2
    while i < n:
        b0 = s8[i]
        b1 = s8[i + 1]
        d8[i + 1] = s8[i + 2]
        d8[i] = s8[i + 3]
        d8[i + 2] = b1
        d8[i + 3] = b0
        i += 4


@micropython.viper
def s24_to_s16(dst, dst_at: int, src, src_at: int, n: int, shift: int, clips: ptr32):
    d = ptr8(int(ptr8(dst)) + dst_at)
    s = ptr8(int(ptr8(src)) + src_at)
    at = 0
    to = 0
    n += n
    while to < n:
        value = ((((int(s[at + 2]) ^ 0x80) - 0x80) << 16) | (int(s[at + 1]) << 8) | int(s[at])) >> shift
        if value > 32767:
            value = 32767
            clips[0] = int(clips[0]) + 1
        elif value < -32768:
            value = -32768
            clips[0] = int(clips[0]) + 1
        d[to] = value
        d[to + 1] = value >> 8
        at += 3
        to += 2


@micropython.viper
def s24_to_s32(dst, dst_at: int, src, src_at: int, n: int):
    d = ptr8(int(ptr8(dst)) + dst_at)
    s = ptr8(int(ptr8(src)) + src_at)
    at = 0
    to = 0
    n <<= 2
    while to < n:
        high = int(s[at + 2])
        d[to] = s[at]
        d[to + 1] = s[at + 1]
        d[to + 2] = high
        d[to + 3] = 0 - (high >> 7)
        at += 3
        to += 4


@micropython.viper
def interleave(dst, dst_at: int, src, src_at: int, n: int, channel: int, channels: int):
    d = int(ptr8(dst)) + dst_at + channel + channel
    s = int(ptr8(src)) + src_at
    step = channels + channels
    if (d | s) & 1 == 0:
        while n > 0:
            ptr16(d)[0] = ptr16(s)[0]
            d += step
            s += 2
            n -= 1
        return
    while n > 0:
        ptr8(d)[0] = ptr8(s)[0]
        ptr8(d)[1] = ptr8(s)[1]
        d += step
        s += 2
        n -= 1


@micropython.viper
def deinterleave(dst, dst_at: int, src, src_at: int, n: int, channel: int, channels: int):
    d = int(ptr8(dst)) + dst_at
    s = int(ptr8(src)) + src_at + channel + channel
    step = channels + channels
    if (d | s) & 1 == 0:
        while n > 0:
            ptr16(d)[0] = ptr16(s)[0]
            d += 2
            s += step
            n -= 1
        return
    while n > 0:
        ptr8(d)[0] = ptr8(s)[0]
        ptr8(d)[1] = ptr8(s)[1]
        d += 2
        s += step
        n -= 1


@micropython.viper
def base64(dst, dst_at: int, src, src_at: int, n: int) -> int:
    letters = ptr8(ALPHABET)
    d = ptr8(int(ptr8(dst)) + dst_at)
    s = ptr8(int(ptr8(src)) + src_at)
    at = 0
    to = 0
    whole = n - 2
    while at < whole:
        word = (int(s[at]) << 16) | (int(s[at + 1]) << 8) | int(s[at + 2])
        d[to] = letters[word >> 18]
        d[to + 1] = letters[(word >> 12) & 63]
        d[to + 2] = letters[(word >> 6) & 63]
        d[to + 3] = letters[word & 63]
        at += 3
        to += 4
    if at < n:
        word = int(s[at]) << 16
        if at + 1 < n:
            word |= int(s[at + 1]) << 8
        d[to] = letters[word >> 18]
        d[to + 1] = letters[(word >> 12) & 63]
        d[to + 2] = letters[(word >> 6) & 63]
        if at + 1 == n:
            d[to + 2] = 61
        d[to + 3] = 61
        to += 4
    return to
