"""The kernels: right against independent references, native and plain twin equal on random input, no heap."""

import binascii
import random
import struct
from array import array

import micropython

from drivers import kernels, kernels_plain
from drivers.untag_state import GYRO_AT, LAST, MARKS, NONE, ORPHANS, STATE_SIZE, WANT
from mptest import SkipTest

TWINS = (kernels, kernels_plain)


def noise(n):
    return bytearray(random.getrandbits(8) for _ in range(n))


def native():
    if kernels.copy is kernels_plain.copy:
        raise SkipTest("no native code emitter here: there is one set of kernels only")
    return kernels


def test_native_kernels_are_used():
    assert native().copy is not kernels_plain.copy


def test_copy_and_zero_touch_exactly_their_bytes():
    random.seed(1)
    for kernel in TWINS:
        for _ in range(200):
            src = noise(40)
            dst = noise(40)
            n = random.randrange(21)
            a, b = random.randrange(20), random.randrange(20)
            want = bytes(dst[:a]) + bytes(src[b : b + n]) + bytes(dst[a + n :])
            kernel.copy(dst, a, src, b, n)
            assert dst == want, (a, b, n)
            kernel.zero(dst, a, n)
            assert dst == want[:a] + bytes(n) + want[a + n :]


def test_copy_works_through_memoryviews():
    src = bytearray(range(32))
    dst = bytearray(32)
    for kernel in TWINS:
        kernel.copy(memoryview(dst)[3:], 1, memoryview(src)[5:], 2, 9)
        assert dst == bytes(4) + bytes(range(7, 16)) + bytes(19)


def test_crc32_is_binascii_crc32():
    random.seed(2)
    table = kernels.crc32_table()
    for kernel in TWINS:
        for n in (0, 1, 2, 3, 64, 255):
            data = noise(n + 4)
            cut = n // 3
            state = array("I", [0])
            kernel.crc32(state, data, 2, cut, table)
            kernel.crc32(state, data, 2 + cut, n - cut, table)
            assert state[0] == binascii.crc32(bytes(data[2 : 2 + n])), n


def test_s32_to_s16_shifts_and_saturates():
    values = (0, 1, -1, 65535, 65536, -65536, -65537, 0x7FFFFFFF, -0x80000000, 0x12345678, 40000 << 8, -40000 << 8)
    src = bytearray(struct.pack("<%di" % len(values), *values))
    for kernel in TWINS:
        for shift in (0, 1, 7, 8, 14, 16, 31):
            dst = bytearray(2 * len(values) + 6)
            clips = array("i", [100])
            kernel.s32_to_s16(dst, 2, src, len(values), shift, clips)
            want = [min(32767, max(-32768, v >> shift)) for v in values]
            assert list(struct.unpack("<%dh" % len(values), dst[4:-2])) == want, shift
            assert bytes(dst[:4] + dst[-2:]) == bytes(6)
            assert clips[0] == 100 + sum(1 for v in values if not -32768 <= v >> shift <= 32767)


def untag_state(want):
    state = array("i", [0] * STATE_SIZE)
    state[WANT] = want
    state[GYRO_AT] = 6 if want == 3 else 0
    state[LAST] = NONE
    return state


def word(sensor, count, value):
    return bytes([sensor << 3 | count << 1]) + struct.pack("<hhh", value, value + 1, -value)


def untagged(kernel, want, words, state=None):
    src = bytearray(b"".join(words))
    dst = bytearray(12 * len(words) + 12)
    marks = array("i", [0] * (2 * len(words) + 2))
    state = state or untag_state(want)
    frames = kernel.untag(dst, src, len(words), bytearray(12), state, marks)
    return frames, dst[: frames * (12 if want == 3 else 6)], list(marks[: 2 * state[MARKS]]), state


def test_untag_puts_accel_in_front_in_either_order():
    for kernel in TWINS:
        words = [word(1, 0, 10), word(2, 0, 20), word(2, 1, 21), word(1, 1, 11)]
        frames, data, marks, _ = untagged(kernel, 3, words)
        assert frames == 2 and marks == []
        assert struct.unpack("<12h", data) == (20, 21, -20, 10, 11, -10, 21, 22, -21, 11, 12, -11)


def test_untag_takes_one_sensor_and_skips_other_tags():
    for kernel in TWINS:
        words = [word(3, 0, 1), word(2, 0, 20), word(1, 0, 10), word(31, 3, 2), word(2, 1, 21), word(4, 1, 9)]
        frames, data, marks, _ = untagged(kernel, 2, words)
        assert (frames, marks) == (2, []) and struct.unpack("<6h", data) == (20, 21, -20, 21, 22, -21)


def test_untag_marks_what_is_missing():
    for kernel in TWINS:
        words = [word(2, c, c) for c in (3, 0, 1, 3, 0, 3)]
        assert untagged(kernel, 2, words)[2] == [3, 1, 5, 2]
        # the gyro word of slot 1 has no partner: one frame is missing
        words = [word(1, 0, 0), word(2, 0, 0), word(1, 1, 0), word(1, 2, 0), word(2, 2, 0)]
        frames, _, marks, _ = untagged(kernel, 3, words)
        assert (frames, marks) == (2, [1, 1])


def test_untag_without_a_counter_notices_orphans_only():
    for kernel in TWINS:
        words = [word(sensor, 0, 0) for sensor in (1, 2, 1, 1, 2, 1, 2)]
        frames, _, marks, state = untagged(kernel, 3, words)
        assert (frames, marks, state[ORPHANS]) == (3, [1, 1], 0)


def test_untag_start_up_halves_are_no_loss():
    for kernel in TWINS:
        words = [word(2, 0, 0), word(2, 1, 0), word(2, 2, 0), word(1, 2, 0)]
        frames, _, marks, _ = untagged(kernel, 3, words)
        assert (frames, marks) == (1, [])


def test_twins_agree_on_noise():
    fast = native()
    random.seed(3)
    table = kernels.crc32_table()
    for _ in range(300):
        n = random.randrange(1, 24)
        src = noise(7 * n)
        for i in range(n):  # mostly tags that mean something
            if random.random() < 0.9:
                src[7 * i] = random.choice((1, 2)) << 3 | random.getrandbits(2) << 1
        want = random.choice((1, 2, 3))
        results = []
        for kernel in (fast, kernels_plain):
            state = untag_state(want)
            slot = bytearray(12)
            out = bytearray(12 * n + 12)
            marks = array("i", [0] * (2 * n + 2))
            got = []
            for _part in range(2):  # the second call goes on with what the first left over
                frames = kernel.untag(out, src, n, slot, state, marks)
                got += [frames, bytes(out[: frames * 12]), list(marks[: 2 * state[MARKS]]), list(state), bytes(slot)]
            crc = array("I", [0x89ABCDEF])
            kernel.crc32(crc, src, 1, 7 * n - 1, table)
            clips = array("i", [0])
            pcm = bytearray(4 * n)
            kernel.s32_to_s16(pcm, 1, src, n, n, clips)
            results.append((got, crc[0], clips[0], bytes(pcm)))
        assert results[0] == results[1]


def test_kernels_need_no_heap():
    fast = native()
    src = bytearray(64)
    dst = bytearray(128)
    src[3] = 0x80
    table = kernels.crc32_table()
    crc = array("I", [0xFFFFFFFF])
    clips = array("i", [0])
    state = untag_state(3)
    slot = bytearray(12)
    marks = array("i", [0] * 20)
    micropython.heap_lock()
    try:
        for _ in range(3):
            fast.copy(dst, 1, src, 2, 33)
            fast.zero(dst, 5, 9)
            fast.crc32(crc, src, 0, 64, table)
            fast.s32_to_s16(dst, 1, src, 16, 8, clips)
            fast.untag(dst, src, 9, slot, state, marks)
    finally:
        micropython.heap_unlock()


def test_gather_takes_bytes_in_order_out_of_packets():
    random.seed(4)
    for kernel in TWINS:
        for _ in range(200):
            stride = random.randrange(1, 20)
            order = bytes(random.randrange(stride) for _ in range(random.randrange(1, 13)))
            n = random.randrange(6)
            src = noise(stride * n + 7)
            dst = bytearray(100)
            kernel.gather(dst, 3, src, 5, n, stride, order)
            frames = b"".join(bytes(src[5 + i * stride + at] for at in order) for i in range(n))
            assert dst == bytes(3) + frames + bytes(97 - len(frames))
