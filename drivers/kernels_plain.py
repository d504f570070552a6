"""The kernels in plain Python: what they mean, and what runs where there is no native code emitter."""

from drivers.untag_state import COUNT, COUNTING, GYRO_AT, HAVE, LAST, MARKS, NONE, ORPHANS, WANT


def copy(dst, dst_at, src, src_at, n):
    """Copy ``n`` bytes; the ranges must not overlap."""
    for i in range(n):
        dst[dst_at + i] = src[src_at + i]


def zero(dst, at, n):
    """Set ``n`` bytes to 0."""
    for i in range(at, at + n):
        dst[i] = 0


def gather(dst, dst_at, src, src_at, n, stride, order):
    """Take ``n`` frames out of packets of ``stride`` bytes: byte k of a frame is byte ``order[k]`` of its packet.

    So headers go, axes change places and big-endian words become little-endian. ``order`` is bytes.
    """
    for _ in range(n):
        for at in order:
            dst[dst_at] = src[src_at + at]
            dst_at += 1
        src_at += stride


def crc32(state, src, at, n, table):
    """Carry the CRC-32 in ``state`` (array('I') of one, 0 at first; equals binascii.crc32) over ``n`` bytes.

    ``table`` is ``crc32_table()``.
    """
    crc = state[0] ^ 0xFFFFFFFF
    for i in range(at, at + n):
        crc ^= src[i]
        crc = table[crc & 15] ^ (crc >> 4)
        crc = table[crc & 15] ^ (crc >> 4)
    state[0] = crc ^ 0xFFFFFFFF


def s32_to_s16(dst, dst_at, src, n, shift, clips):
    """``n`` little-endian int32 of ``src``, shifted right, become int16 in ``dst`` from sample ``dst_at`` on.

    Values beyond int16 saturate, each adds one to ``clips[0]``. ``shift``: 0 .. 31, arithmetic. Both buffers are
    byte buffers.
    """
    for i in range(n):
        at = 4 * i
        high = src[at + 2] | src[at + 3] << 8
        value = (((high ^ 0x8000) - 0x8000) << 16 | src[at + 1] << 8 | src[at]) >> shift
        if value > 32767:
            value = 32767
            clips[0] += 1
        elif value < -32768:
            value = -32768
            clips[0] += 1
        at = 2 * (dst_at + i)
        dst[at] = value & 0xFF
        dst[at + 1] = value >> 8 & 0xFF


def untag(dst, src, n, slot, state, marks):
    """Turn ``n`` tagged 7-byte FIFO words of ``src`` into frames in ``dst`` -> frames written.

    A word is a tag byte (sensor in bits 7..3: 1 gyro, 2 accel; time slot modulo 4 in bits 2..1) and 3 int16. The
    words of one slot make one frame, accel in front; what is incomplete waits in ``slot`` (12 bytes) and ``state``
    for the next call. A frame in front of which slots are missing is noted in ``marks`` (array('i')) as (frame,
    slots missing, modulo 4), and ``state[MARKS]`` says how many such notes there are. A slot whose other word never
    came is dropped (ORPHANS counts them).
    """
    want = state[WANT]
    frames = 0
    state[MARKS] = 0
    for i in range(n):
        at = 7 * i
        tag = src[at]
        bit = tag >> 3
        if bit != 1 and bit != 2 or not want & bit:
            continue
        count = tag >> 1 & 3
        if state[HAVE] and (state[HAVE] & bit or count != state[COUNT]):
            state[HAVE] = 0
            state[ORPHANS] += 1
        to = state[GYRO_AT] if bit == 1 else 0
        for k in range(6):
            slot[to + k] = src[at + 1 + k]
        state[HAVE] |= bit
        state[COUNT] = count
        if state[HAVE] != want:
            continue
        state[HAVE] = 0
        missing = 0
        if state[LAST] != NONE:
            if count != state[LAST]:
                state[COUNTING] = 1
            if state[COUNTING]:
                missing = (count - state[LAST] - 1) & 3 or (4 if state[ORPHANS] else 0)
            else:
                missing = state[ORPHANS]
            if missing:
                marks[2 * state[MARKS]] = frames
                marks[2 * state[MARKS] + 1] = missing
                state[MARKS] += 1
        state[ORPHANS] = 0
        state[LAST] = count
        size = 12 if want == 3 else 6
        for k in range(size):
            dst[frames * size + k] = slot[k]
        frames += 1
    return frames
