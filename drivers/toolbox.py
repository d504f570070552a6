"""What ``array`` lacks for samples: byte order, 24 bits, channels, base64, casts - in place, fast, without the heap.

The kernels that the drivers use (``copy``, ``zero``, ``gather``, ``s32_to_s16``, ``crc32``) are here, too; a program
that needs no others imports ``drivers.kernels`` alone and saves the RAM. Offsets are in bytes unless a kernel says
otherwise; buffers are byte buffers; no bounds are checked.
"""

try:
    from drivers.toolbox_viper import base64, deinterleave, interleave, s24_to_s16, s24_to_s32, swap16, swap32
except (ImportError, SyntaxError, ValueError):  # no MicroPython; no native emitter; native code of another processor
    from drivers.toolbox_plain import base64, deinterleave, interleave, s24_to_s16, s24_to_s32, swap16, swap32

try:
    import uctypes
except ImportError:  # CPython
    uctypes = None

from drivers.kernels import copy, crc32, crc32_table, gather, s32_to_s16, zero

__all__ = (
    "as_bytes",
    "as_int16",
    "base64",
    "copy",
    "crc32",
    "crc32_table",
    "deinterleave",
    "gather",
    "interleave",
    "s24_to_s16",
    "s24_to_s32",
    "s32_to_s16",
    "swap16",
    "swap32",
    "zero",
)


def as_bytes(buffer, itemsize):
    """-> the memory of ``buffer`` (an array of ``itemsize`` bytes each, say) as a byte buffer: not a copy.

    Keep ``buffer`` itself alive as long as the result is used.
    """
    if uctypes is None:
        return memoryview(buffer).cast("B")
    return uctypes.bytearray_at(uctypes.addressof(buffer), len(buffer) * itemsize)


def as_int16(buffer):
    """-> the memory of a byte buffer as int16 in this machine's byte order: ``x[i]`` reads and writes it, not a copy.

    On MicroPython it has no length. Keep ``buffer`` itself alive as long as the result is used, and at an even address.
    """
    if uctypes is None:
        return memoryview(buffer).cast("h")
    return uctypes.struct(uctypes.addressof(buffer), (uctypes.ARRAY | 0, uctypes.INT16 | len(buffer) // 2))
