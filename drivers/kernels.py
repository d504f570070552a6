"""The inner loops over bytes: native code where the port can make it, plain Python with the same result elsewhere.

None of them allocates (on a 32-bit port the plain ``crc32`` does: its values exceed 30 bits). None checks bounds.
"""

try:
    from drivers.kernels_viper import copy, crc32, gather, s32_to_s16, untag, zero
except (ImportError, SyntaxError, ValueError):  # no MicroPython; no native emitter; native code of another processor
    from drivers.kernels_plain import copy, crc32, gather, s32_to_s16, untag, zero

from array import array

__all__ = ("copy", "crc32", "crc32_table", "gather", "s32_to_s16", "untag", "zero")


def crc32_table():
    """-> the table that ``crc32`` needs (64 bytes; make it once)."""
    table = array("I", bytes(64))
    for n in range(16):
        crc = n
        for _ in range(4):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
        table[n] = crc
    return table
