"""The toolbox: right against independent references, native and plain twin equal on random input, no heap."""

import binascii
import random
import struct
from array import array

import micropython

from drivers import toolbox, toolbox_plain
from mptest import SkipTest

TWINS = (toolbox, toolbox_plain)


def noise(n):
    return bytearray(random.getrandbits(8) for _ in range(n))


def native():
    if toolbox.swap16 is toolbox_plain.swap16:
        raise SkipTest("no native code emitter here: there is one set of kernels only")
    return toolbox


def test_native_kernels_are_used():
    assert native().swap16 is not toolbox_plain.swap16


def test_swaps_reverse_bytes_at_every_alignment_and_in_place():
    random.seed(1)
    for kernel in TWINS:
        for swap, size in ((kernel.swap16, 2), (kernel.swap32, 4)):
            for _ in range(200):
                n = random.randrange(8)
                a, b = random.randrange(8), random.randrange(8)
                src, dst = noise(48), noise(48)
                words = [bytes(reversed(src[b + size * i : b + size * i + size])) for i in range(n)]
                want = bytes(dst[:a]) + b"".join(words) + bytes(dst[a + size * n :])
                swap(dst, a, src, b, n)
                assert dst == want, (size, a, b, n)
                before = bytes(src)
                swap(src, b, src, b, n)
                assert src == before[:b] + b"".join(words) + before[b + size * n :]


def test_s24_keeps_the_sign_shifts_and_saturates():
    values = (0, 1, -1, 255, 256, -256, -257, 0x7FFFFF, -0x800000, 0x123456, 40000, -40000)
    src = b"\xaa" + b"".join(struct.pack("<i", v)[:3] for v in values)
    for kernel in TWINS:
        wide = bytearray(4 * len(values) + 3)
        kernel.s24_to_s32(wide, 2, src, 1, len(values))
        assert struct.unpack_from("<%di" % len(values), wide, 2) == values
        assert wide[0] == wide[1] == wide[-1] == 0
        for shift in (0, 1, 7, 8, 12, 23):
            dst = bytearray(2 * len(values) + 4)
            clips = array("i", [100])
            kernel.s24_to_s16(dst, 3, src, 1, len(values), shift, clips)
            want = tuple(min(32767, max(-32768, v >> shift)) for v in values)
            assert struct.unpack_from("<%dh" % len(values), dst, 3) == want, shift
            assert bytes(dst[:3]) + bytes(dst[-1:]) == bytes(4)
            assert clips[0] == 100 + sum(1 for v in values if not -32768 <= v >> shift <= 32767)


def test_channels_go_in_and_come_out():
    random.seed(2)
    for kernel in TWINS:
        for channels in (1, 2, 3, 6):
            for at in (0, 1, 2, 5):
                n = random.randrange(9)
                parts = [noise(2 * n + 1) for _ in range(channels)]
                frames = bytearray(b"\x55" * (2 * n * channels + 8))
                for channel in range(channels):
                    kernel.interleave(frames, at, parts[channel], 1, n, channel, channels)
                want = b""
                for i in range(n):
                    for part in parts:
                        want += bytes(part[1 + 2 * i : 3 + 2 * i])
                assert frames == b"\x55" * at + want + b"\x55" * (8 - at), (channels, at, n)
                for channel in range(channels):
                    out = bytearray(2 * n + 2)
                    kernel.deinterleave(out, 1, frames, at, n, channel, channels)
                    assert out == b"\0" + bytes(parts[channel][1:]) + b"\0"


def test_base64_is_binascii_base64():
    random.seed(3)
    for kernel in TWINS:
        for n in list(range(10)) + [57, 58, 59]:
            data = noise(n + 3)
            text = bytearray(b"#" * 90)
            written = kernel.base64(text, 2, data, 3, n)
            want = binascii.b2a_base64(bytes(data[3:]))[:-1]
            assert written == len(want) and text == b"##" + want + b"#" * (88 - written), n


def test_native_and_plain_are_equal_on_random_input():
    fast = native()
    random.seed(4)
    for _ in range(300):
        src = noise(200)
        n = random.randrange(16)
        a, b, c = random.randrange(9), random.randrange(9), random.randrange(1, 7)
        results = []
        for kernel in (fast, toolbox_plain):
            out = bytearray(1200)
            clips = array("i", [0])
            kernel.swap16(out, a, src, b, n)
            kernel.swap32(out, 100 + a, src, b, n)
            kernel.s24_to_s16(out, 200 + a, src, b, n, c * 3, clips)
            kernel.s24_to_s32(out, 300 + a, src, b, n)
            kernel.interleave(out, 400 + a, src, b, n, c - 1, c)
            kernel.deinterleave(out, 800 + a, src, b, n, c - 1, c)
            size = kernel.base64(out, 900 + a, src, b, 5 * n)
            results.append((bytes(out), clips[0], size))
        assert results[0] == results[1], (n, a, b, c)


def test_casts_share_the_memory():
    numbers = array("h", [1, -2, 300])
    view = toolbox.as_bytes(numbers, 2)
    assert len(view) == 6 and struct.unpack("<3h", view) == (1, -2, 300)
    toolbox.swap16(view, 0, view, 0, 3)
    assert list(numbers) == [256, -257, 300 % 256 * 256 + 300 // 256]
    raw = bytearray(struct.pack("<3h", 5, -6, 7))
    words = toolbox.as_int16(raw)
    assert (words[0], words[1], words[2]) == (5, -6, 7)
    words[1] = -32768
    assert raw[2:4] == b"\x00\x80"


def test_a_cast_array_goes_through_the_plain_twin():
    numbers = array("h", [0x0102, 0x0304])
    view = toolbox.as_bytes(numbers, 2)
    toolbox_plain.swap16(view, 0, view, 0, 2)
    assert list(numbers) == [0x0201, 0x0403]


def test_neither_twin_needs_the_heap():
    src = noise(96)
    src[2] = 0x80
    dst = bytearray(200)
    clips = array("i", [0])
    words = toolbox.as_int16(src)
    for kernel in TWINS:
        for at in (0, 1):
            micropython.heap_lock()
            try:
                kernel.swap16(dst, at, src, at, 9)
                kernel.swap32(dst, at, src, at, 9)
                kernel.s24_to_s16(dst, at, src, at, 9, 0, clips)
                kernel.s24_to_s32(dst, at, src, at, 9)
                kernel.interleave(dst, at, src, at, 9, 1, 3)
                kernel.deinterleave(dst, at, src, at, 9, 1, 3)
                kernel.base64(dst, at, src, at, 50)
                words[3] = words[4] + 1 & 0x7FFF
            finally:
                micropython.heap_unlock()


def test_the_toolbox_has_the_drivers_kernels_and_only_once():
    from drivers import kernels

    for name in ("copy", "zero", "gather", "crc32", "crc32_table", "s32_to_s16"):
        assert getattr(toolbox, name) is getattr(kernels, name), name
