"""Samples to I2S slots, as native code; slots.py says the same in plain Python."""
# ruff: noqa: F821

import micropython


@micropython.viper
def copy_slots(buf: ptr8, samples: ptr16, how: ptr32):
    """Write how[1] frames to `buf`; `how`: see chips.mic.Microphone. Moves how[0] on."""
    at = int(how[0])
    n = int(how[1])
    shift = int(how[2])
    mask = int(how[3])
    noise = int(how[4])
    width = int(how[5])
    channels = int(how[6])
    drop = 32 - 8 * width
    i = 0
    while i < n:
        noise = (noise * 20077 + 12345) & 0x3FFFFFFF
        sample = int(samples[i])
        if sample >= 32768:
            sample -= 65536
        slot = ((sample << shift) | ((noise >> 8) & mask)) >> drop
        k = 0
        while k < width:
            buf[at] = (slot >> (8 * k)) & 0xFF
            at += 1
            k += 1
        if channels == 2:
            k = 0
            while k < width:
                buf[at] = 0
                at += 1
                k += 1
        i += 1
    how[0] = at
    how[4] = noise
