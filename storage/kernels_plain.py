"""The kernels (see storage/kernels.py) in plain Python: slow, but small integers only, so no allocation either."""

import array


def _tables():
    """-> low and high 16 bits of the CRC-32 of each byte, reflected polynomial 0xedb88320 (RFC 1952, section 8)."""
    low = array.array("H", bytes(512))
    high = array.array("H", bytes(512))
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        low[byte] = value & 0xFFFF
        high[byte] = value >> 16
    return low, high


_LOW, _HIGH = _tables()


def copy(dst, at, src, start, n):
    """Copy n bytes."""
    i = 0
    while i < n:
        dst[at + i] = src[start + i]
        i += 1


def crc32(state, buf, n):
    """Run n bytes of `buf` through the CRC, held as two halves of 16 bits."""
    low = state[0] | state[1] << 8
    high = state[2] | state[3] << 8
    i = 0
    while i < n:
        k = (low ^ buf[i]) & 0xFF
        low = (low >> 8 | (high & 0xFF) << 8) ^ _LOW[k]
        high = high >> 8 ^ _HIGH[k]
        i += 1
    state[0] = low & 0xFF
    state[1] = low >> 8
    state[2] = high & 0xFF
    state[3] = high >> 8
