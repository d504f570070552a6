"""Machine-code kernels (see storage/kernels.py). Importing it raises where the port has no emitter for its chip."""

import array

import micropython


def _table():
    """-> the CRC-32 of the bytes 0x00..0x0f, then of 0x00..0xf0, reflected polynomial 0xedb88320 (RFC 1952, section 8).
    That of a byte is the one of its low half XOR the one of its high half: a table of them all takes 1 KB of heap.
    """
    table = array.array("I", bytes(128))
    for entry in range(32):
        value = entry if entry < 16 else (entry - 16) << 4
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        table[entry] = value
    return table


_TABLE = _table()


@micropython.viper
def copy(dst: ptr8, at: int, src: ptr8, start: int, n: int):  # noqa: F821
    """Copy n bytes, by words where both places are aligned."""
    to = uint(dst) + uint(at)  # noqa: F821
    origin = uint(src) + uint(start)  # noqa: F821
    i = 0
    if (to | origin) & uint(3) == uint(0):  # noqa: F821
        to32 = ptr32(to)  # noqa: F821
        from32 = ptr32(origin)  # noqa: F821
        words = n >> 2
        while i < words:
            to32[i] = from32[i]
            i += 1
        i <<= 2
    to8 = ptr8(to)  # noqa: F821
    from8 = ptr8(origin)  # noqa: F821
    while i < n:
        to8[i] = from8[i]
        i += 1


@micropython.viper
def _crc32(state: ptr32, table: ptr32, buf: ptr8, n: int):  # noqa: F821
    crc = uint(state[0])  # noqa: F821
    i = 0
    while i < n:
        byte = int(crc & uint(255)) ^ buf[i]  # noqa: F821
        crc = (crc >> uint(8)) ^ uint(table[byte & 15] ^ table[16 + (byte >> 4)])  # noqa: F821
        i += 1
    state[0] = int(crc)


def crc32(state, buf, n):
    """Run n bytes of `buf` through the CRC."""
    _crc32(state, _TABLE, buf, n)
