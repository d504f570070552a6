"""PCM WAV, pure format code for board and laptop (Microsoft, Multimedia Programming Interface 1.0, 1991: RIFF WAVE).

A file is `RIFF`, length, `WAVE` and chunks: four letters, length (little-endian), content, and a pad byte behind an odd
length. `fmt ` says what the samples are, `data` holds them.
"""

import struct

from storage.headers import HEADER_BYTES, PCM, wav_header

header = wav_header
__all__ = ("HEADER_BYTES", "header", "read_header")

EXTENSIBLE = 0xFFFE  # the real tag is then the first field of the GUID at byte 24


def read_header(file):
    """-> (frames, channels, rate_hz, bits, data_offset) of the PCM file that starts here; ValueError when it is none.

    Chunks other than `fmt ` and `data` are skipped. `frames` is what the header says; the file may be shorter.
    """
    start = file.read(12)
    if len(start) < 12 or start[:4] != b"RIFF" or start[8:] != b"WAVE":
        raise ValueError("no WAV file: it does not start with RIFF....WAVE")
    at = 12
    fmt = None
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise ValueError("WAV file without a data chunk" if fmt else "WAV file without a fmt chunk")
        kind, length = struct.unpack("<4sI", head)
        at += 8
        if kind == b"data":
            break
        if kind == b"fmt ":
            fmt = _format(file.read(min(length, 40)))
        at += length + (length & 1)
        file.seek(at)
    if fmt is None:
        raise ValueError("WAV file whose data comes before its fmt chunk")
    channels, rate_hz, align, bits = fmt
    return length // align, channels, rate_hz, bits, at


def _format(chunk):
    """-> (channels, rate_hz, bytes per frame, bits) of a fmt chunk."""
    if len(chunk) < 16:
        raise ValueError("WAV file with a fmt chunk of %d bytes: 16 are the least" % len(chunk))
    tag, channels, rate_hz, _, align, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack("<H", chunk[24:26])[0]
    if tag != PCM:
        raise ValueError("WAV file of encoding %d: only PCM (1) is read" % tag)
    if not channels or not rate_hz or align != channels * ((bits + 7) // 8) or not align:
        raise ValueError("WAV file whose fmt chunk contradicts itself")
    return channels, rate_hz, align, bits
