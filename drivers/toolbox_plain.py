"""The toolbox's kernels in plain Python: what they mean, and what runs where there is no native code emitter."""

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"  # RFC 4648, section 4


def swap16(dst, dst_at, src, src_at, n):
    """Copy ``n`` 16-bit words with their bytes exchanged; source and destination are the same place, or apart."""
    for _ in range(n):
        low = src[src_at]
        dst[dst_at] = src[src_at + 1]
        dst[dst_at + 1] = low
        src_at += 2
        dst_at += 2


def swap32(dst, dst_at, src, src_at, n):
    """Copy ``n`` 32-bit words with their bytes in reverse; source and destination are the same place, or apart."""
    for _ in range(n):
        b0 = src[src_at]
        b1 = src[src_at + 1]
        dst[dst_at + 1] = src[src_at + 2]
        dst[dst_at] = src[src_at + 3]
        dst[dst_at + 2] = b1
        dst[dst_at + 3] = b0
        src_at += 4
        dst_at += 4


def s24_to_s16(dst, dst_at, src, src_at, n, shift, clips):
    """``n`` packed little-endian 24-bit numbers, shifted right, become int16 in ``dst``.

    Values beyond int16 saturate, each adds one to ``clips[0]`` (array('i')). ``shift``: 0 .. 23, arithmetic; 8 keeps
    the upper 16 bits.
    """
    for _ in range(n):
        value = ((src[src_at + 2] ^ 0x80) - 0x80 << 16 | src[src_at + 1] << 8 | src[src_at]) >> shift
        if value > 32767:
            value = 32767
            clips[0] += 1
        elif value < -32768:
            value = -32768
            clips[0] += 1
        dst[dst_at] = value & 0xFF
        dst[dst_at + 1] = value >> 8 & 0xFF
        src_at += 3
        dst_at += 2


def s24_to_s32(dst, dst_at, src, src_at, n):
    """``n`` packed little-endian 24-bit numbers become int32 of the same value in ``dst``."""
    for _ in range(n):
        dst[dst_at] = src[src_at]
        dst[dst_at + 1] = src[src_at + 1]
        dst[dst_at + 2] = high = src[src_at + 2]
        dst[dst_at + 3] = 0xFF if high & 0x80 else 0
        src_at += 3
        dst_at += 4


def interleave(dst, dst_at, src, src_at, n, channel, channels):
    """``n`` int16 of one channel go to their places in frames of ``channels`` int16; other channels stay as they are.

    ``dst_at``: byte offset of the first frame; ``src_at``: of the first sample.
    """
    dst_at += 2 * channel
    for _ in range(n):
        dst[dst_at] = src[src_at]
        dst[dst_at + 1] = src[src_at + 1]
        src_at += 2
        dst_at += 2 * channels


def deinterleave(dst, dst_at, src, src_at, n, channel, channels):
    """Take one channel out of ``n`` frames of ``channels`` int16.

    ``src_at``: byte offset of the first frame; ``dst_at``: of the first sample.
    """
    src_at += 2 * channel
    for _ in range(n):
        dst[dst_at] = src[src_at]
        dst[dst_at + 1] = src[src_at + 1]
        dst_at += 2
        src_at += 2 * channels


def base64(dst, dst_at, src, src_at, n):
    """Write ``n`` bytes as base64 (RFC 4648, padded, no line breaks) -> characters written, 4 per 3 bytes begun."""
    start = dst_at
    end = src_at + n
    while src_at < end:
        a = src[src_at]
        b = src[src_at + 1] if src_at + 1 < end else 0
        c = src[src_at + 2] if src_at + 2 < end else 0
        dst[dst_at] = ALPHABET[a >> 2]
        dst[dst_at + 1] = ALPHABET[(a & 3) << 4 | b >> 4]
        dst[dst_at + 2] = ALPHABET[(b & 15) << 2 | c >> 6] if src_at + 1 < end else 61
        dst[dst_at + 3] = ALPHABET[c & 63] if src_at + 2 < end else 61
        src_at += 3
        dst_at += 4
    return dst_at - start
