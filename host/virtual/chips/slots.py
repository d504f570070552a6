"""Samples to I2S slots, in plain Python; slots_viper.py is the same for ports with a native code emitter."""


def copy_slots(buf, samples, how):
    """Write `how[1]` frames to `buf`; `how`: see chips.mic.Microphone. Moves how[0] on."""
    at, n, shift, mask, noise, width, channels = how
    drop = 32 - 8 * width
    for i in range(n):
        noise = (noise * 20077 + 12345) & 0x3FFFFFFF
        slot = ((samples[i] << shift) | (noise >> 8 & mask)) >> drop
        for k in range(width):
            buf[at + k] = slot >> 8 * k & 0xFF
        at += width
        if channels == 2:
            for k in range(width):
                buf[at + k] = 0
            at += width
    how[0] = at
    how[4] = noise
