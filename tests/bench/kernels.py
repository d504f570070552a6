"""Benchmark, on MicroPython: each kernel against the same job with `struct`, against `array('h', buf)` and a copy.

Prints one JSON object: {"copy": bytes per microsecond of mv[:] = src, "array": of array('h', buf), "kernels": [{"name",
"native", "plain", "usual": bytes of input per microsecond, "how": what "usual" is}, ...]}.
"""

import array
import binascii
import json
import struct
import time

from drivers import kernels, kernels_plain, toolbox, toolbox_plain

SIZE = 4200  # divisible by 2, 3, 4, 7 and 12
SOURCE = bytearray((i * 29 ^ i >> 3) & 0xFF for i in range(SIZE))
TARGET = bytearray(2 * SIZE)
CLIPS = array.array("i", [0])
TAKE = bytes(range(1, 7))  # of a tagged FIFO word, all but its tag


def speed(work, size, least_us=15000):
    """-> input bytes per microsecond, the best of three runs of at least ``least_us``."""
    best = 0.0
    repeat = 1
    for _ in range(3):
        while True:
            start = time.ticks_us()
            for _ in range(repeat):
                work()
            passed = time.ticks_diff(time.ticks_us(), start)
            if passed >= least_us:
                break
            repeat *= 4
        best = max(best, size * repeat / passed)
    return best


def each(unpack, pack, step_in, step_out, change=None):
    """-> the usual way: unpack a word, change it, pack it, next."""

    def work():
        to = 0
        for at in range(0, SIZE, step_in):
            words = struct.unpack_from(unpack, SOURCE, at)
            struct.pack_into(pack, TARGET, to, *(change(words) if change else words))
            to += step_out

    return work


def limited(value):
    return (min(32767, max(-32768, value)),)


def joined(words):
    return words[0] | (words[1] ^ 0x80) - 0x80 << 16


def zeros():
    for at in range(0, SIZE, 2):
        struct.pack_into("<h", TARGET, at, 0)


TABLE = kernels.crc32_table()
STRUCT = "struct.unpack_from + pack_into"
STATE = array.array("I", [0])

# name, kernel on a module, the usual way, what that is
JOBS = (
    ("copy", lambda k: k.copy(TARGET, 0, SOURCE, 0, SIZE), each("<h", "<h", 2, 2), STRUCT),
    ("zero", lambda k: k.zero(TARGET, 0, SIZE), zeros, "struct.pack_into"),
    (
        "gather (tag removal)",
        lambda k: k.gather(TARGET, 0, SOURCE, 0, SIZE // 7, 7, TAKE),
        each("<xhhh", "<hhh", 7, 6),
        STRUCT,
    ),
    ("swap16", lambda k: k.swap16(TARGET, 0, SOURCE, 0, SIZE // 2), each(">h", "<h", 2, 2), STRUCT),
    ("swap32", lambda k: k.swap32(TARGET, 0, SOURCE, 0, SIZE // 4), each(">i", "<i", 4, 4), STRUCT),
    (
        "s32_to_s16",
        lambda k: k.s32_to_s16(TARGET, 0, SOURCE, SIZE // 4, 14, CLIPS),
        each("<i", "<h", 4, 2, lambda words: limited(words[0] >> 14)),
        STRUCT,
    ),
    (
        "s24_to_s16",
        lambda k: k.s24_to_s16(TARGET, 0, SOURCE, 0, SIZE // 3, 6, CLIPS),
        each("<HB", "<h", 3, 2, lambda words: limited(joined(words) >> 6)),
        STRUCT,
    ),
    (
        "s24_to_s32",
        lambda k: k.s24_to_s32(TARGET, 0, SOURCE, 0, SIZE // 3),
        each("<HB", "<i", 3, 4, lambda words: (joined(words),)),
        STRUCT,
    ),
    (
        "interleave",
        lambda k: k.interleave(TARGET, 0, SOURCE, 0, SIZE // 2, 1, 2),
        each("<h", "<h", 2, 4),
        STRUCT,
    ),
    (
        "deinterleave",
        lambda k: k.deinterleave(TARGET, 0, SOURCE, 0, SIZE // 4, 1, 2),
        each("<xxh", "<h", 4, 2),
        STRUCT,
    ),
    ("base64", lambda k: k.base64(TARGET, 0, SOURCE, 0, SIZE), lambda: binascii.b2a_base64(SOURCE), "binascii"),
    ("crc32", lambda k: k.crc32(STATE, SOURCE, 0, SIZE, TABLE), lambda: binascii.crc32(SOURCE), "binascii"),
)


def main():
    view = memoryview(TARGET)[:SIZE]

    def memory_copy():
        view[:] = SOURCE

    plain_copy = speed(memory_copy, SIZE)
    result = []
    for name, job, usual, how in JOBS:
        kernel = name.split()[0]
        native = toolbox if hasattr(toolbox, kernel) else kernels
        plain = toolbox_plain if hasattr(toolbox_plain, kernel) else kernels_plain
        row = {
            "name": name,
            "native": speed(lambda job=job, native=native: job(native), SIZE),
            "plain": speed(lambda job=job, plain=plain: job(plain), SIZE),
            "usual": speed(usual, SIZE),
            "how": how,
        }
        result.append(row)
    array_h = speed(lambda: array.array("h", SOURCE), SIZE)
    print(json.dumps({"copy": plain_copy, "array": array_h, "kernels": result}))


main()
