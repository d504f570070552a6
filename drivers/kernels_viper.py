# ruff: noqa: F821 (ptr8 and its like are types of the viper compiler)
"""The kernels in native code; kernels_plain.py says what each does. No bounds are checked."""

import micropython


@micropython.viper
def copy(dst, dst_at: int, src, src_at: int, n: int):
    d = int(ptr8(dst)) + dst_at
    s = int(ptr8(src)) + src_at
    i = 0
    if (d | s) & 3 == 0:
        d32 = ptr32(d)
        s32 = ptr32(s)
        words = n >> 2
        while i < words:
            d32[i] = s32[i]
            i += 1
        i = words << 2
    d8 = ptr8(d)
    s8 = ptr8(s)
    while i < n:
        d8[i] = s8[i]
        i += 1


@micropython.viper
def zero(dst: ptr8, at: int, n: int):
    end = at + n
    while at < end:
        dst[at] = 0
        at += 1


@micropython.viper
def gather(dst, dst_at: int, src, src_at: int, n: int, stride: int, order):
    size = int(len(order))
    which = ptr8(order)
    d = ptr8(int(ptr8(dst)) + dst_at)
    s = int(ptr8(src)) + src_at
    while n > 0:
        packet = ptr8(s)
        k = 0
        while k < size:
            d[k] = packet[which[k]]
            k += 1
        d = ptr8(int(d) + size)
        s += stride
        n -= 1


@micropython.viper
def crc32(state: ptr32, src: ptr8, at: int, n: int, table: ptr32):
    crc = int(state[0]) ^ -1
    end = at + n
    while at < end:
        crc ^= int(src[at])
        crc = int(table[crc & 15]) ^ ((crc >> 4) & 0x0FFFFFFF)
        crc = int(table[crc & 15]) ^ ((crc >> 4) & 0x0FFFFFFF)
        at += 1
    state[0] = crc ^ -1


@micropython.viper
def s32_to_s16(dst: ptr16, dst_at: int, src: ptr16, n: int, shift: int, clips: ptr32):
    i = 0
    while i < n:
        high = int(src[i + i + 1])
        value = ((((high ^ 0x8000) - 0x8000) << 16) | int(src[i + i])) >> shift
        if value > 32767:
            value = 32767
            clips[0] = int(clips[0]) + 1
        elif value < -32768:
            value = -32768
            clips[0] = int(clips[0]) + 1
        dst[dst_at + i] = value
        i += 1


@micropython.viper
def untag(dst: ptr8, src: ptr8, n: int, slot: ptr8, state: ptr32, marks: ptr32) -> int:
    want = int(state[0])
    gyro_at = int(state[1])
    have = int(state[2])
    slot_count = int(state[3])
    last = int(state[4])
    counting = int(state[5])
    orphans = int(state[6])
    size = 6
    if want == 3:
        size = 12
    found = 0
    frames = 0
    out = 0
    at = 0
    end = 7 * n
    while at < end:
        tag = int(src[at])
        bit = tag >> 3
        if (bit == 1 or bit == 2) and want & bit != 0:
            count = (tag >> 1) & 3
            if have != 0 and (have & bit != 0 or count != slot_count):
                have = 0
                orphans += 1
            to = 0
            if bit == 1:
                to = gyro_at
            k = 0
            while k < 6:
                slot[to + k] = src[at + 1 + k]
                k += 1
            have |= bit
            slot_count = count
            if have == want:
                have = 0
                if last != 4:
                    if count != last:
                        counting = 1
                    missing = orphans
                    if counting != 0:
                        missing = (count - last - 1) & 3
                        if missing == 0 and orphans != 0:
                            missing = 4
                    if missing != 0:
                        marks[found + found] = frames
                        marks[found + found + 1] = missing
                        found += 1
                orphans = 0
                last = count
                k = 0
                while k < size:
                    dst[out + k] = slot[k]
                    k += 1
                out += size
                frames += 1
        at += 7
    state[2] = have
    state[3] = slot_count
    state[4] = last
    state[5] = counting
    state[6] = orphans
    state[7] = found
    return frames
