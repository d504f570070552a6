"""The two inner loops of the writer, in viper where the port has it, else in plain Python: neither allocates.

`copy(dst, at, src, start, n)`: n bytes of `src` from `start` on to `dst` from `at` on.
`crc32(state, buf, n)`: n bytes of `buf` into a running CRC-32 (zlib's); its state is 4 bytes, because a CRC is no small
integer on a 32-bit port.
"""

try:
    from storage.kernels_viper import copy, crc32
except (ImportError, SyntaxError, ValueError, NotImplementedError):  # no emitter for this chip (or CPython)
    from storage.kernels_plain import copy, crc32

__all__ = ("copy", "crc32", "crc32_start", "crc32_value")


def crc32_start(state):
    """Set a state (bytearray of 4) to that of no data; allocates nothing."""
    for i in range(4):
        state[i] = 0xFF


def crc32_value(state):
    """-> the CRC so far as an unsigned number (may allocate)."""
    return int.from_bytes(state, "little") ^ 0xFFFFFFFF
