"""What stands in front of the data in `.npy` and `.wav` files, made (npy.py and wavfmt.py read it, and say by which
specification). Apart from these, because a board that records only makes headers.
"""

import struct

MAGIC = b"\x93NUMPY"
ALIGN = 64
HEADER_BYTES = 44
MAX_BYTES = 0xFFFFFFFF
PCM = 1


def npy_header(frames, channels):
    """-> everything in front of the data of an int16 array of shape (frames, channels), C order, version 1."""
    return array_header("<i2", (frames, channels))


def array_header(descr, shape):
    """-> everything in front of the data of an array of NumPy's dtype `descr` in C order, version 1."""
    numbers = ", ".join(["%d" % n for n in shape]) + ("," if len(shape) == 1 else "")
    text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (descr, numbers)
    padding = -(len(MAGIC) + 4 + len(text) + 1) % ALIGN
    return MAGIC + b"\x01\x00" + struct.pack("<H", len(text) + padding + 1) + (text + " " * padding + "\n").encode()


def wav_header(frames, channels, rate_hz):
    """-> the 44 bytes in front of `frames` 16-bit PCM frames; ValueError when they do not fit a WAV file (4 GiB)."""
    n_bytes = frames * channels * 2
    if n_bytes + HEADER_BYTES - 8 > MAX_BYTES:
        raise ValueError("%d frames of %d channels are more than the 4 GiB of a WAV file" % (frames, channels))
    rate_hz = int(round(rate_hz))
    riff = struct.pack("<4sI4s", b"RIFF", n_bytes + HEADER_BYTES - 8, b"WAVE")
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, PCM, channels, rate_hz, rate_hz * channels * 2, channels * 2, 16)
    return riff + fmt + struct.pack("<4sI", b"data", n_bytes)
