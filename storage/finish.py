"""From a data file to a finished segment: its hashes and its sidecar, for the writer and for recovery."""

import hashlib
import math
from binascii import hexlify

from storage.kernels import crc32, crc32_start, crc32_value


class Digest:
    """Running length, CRC-32 and SHA-256 of a file. `add` allocates nothing."""

    def __init__(self):
        self.n_bytes = 0
        self._crc = bytearray(4)
        crc32_start(self._crc)
        self._sha = hashlib.sha256()
        self._facts = None

    def add(self, view, n):
        """`view` holds n bytes."""
        self._sha.update(view)
        crc32(self._crc, view, n)
        self.n_bytes += n

    def facts(self):
        """-> (length, CRC-32 as 8 hex digits, SHA-256 as 64). Nothing may be added afterwards."""
        if not self._facts:  # MicroPython's hash tells its digest once
            self._facts = (self.n_bytes, "%08x" % crc32_value(self._crc), hexlify(self._sha.digest()).decode())
        return self._facts


def sidecar(info, segment, before, dropped):
    """-> a sidecar without `bytes`, `crc32`, `sha256` (see docs/architecture.md, Files).

    `segment`: {"device", "session", "seq", "first_frame", "frames", "noted": [[stored frames before it, lost, cause]],
    "anchors": [(offset, t_us)], "clock_fixes", "reason"}. `before`: the running ledger in front of it. `dropped`:
    frames of this stream that retention has removed in this session so far.
    """
    frames = segment["frames"]
    first_frame = segment["first_frame"]
    gaps = []
    number = first_frame
    for at, lost, cause in segment["noted"]:
        at = min(at, frames)  # what was noted behind frames that did not reach the flash
        gaps.append([number + at, lost, cause])
        number += lost or 0
    anchors = [[first_frame + offset, t_us] for offset, t_us in segment["anchors"]]
    rate_hz, residual_us = line(anchors, gaps)
    return {
        "format": 1,
        "device": segment["device"],
        "session": segment["session"],
        "stream": info.name,
        "seq": segment["seq"],
        "file": "%s-%06d.%s" % (info.name, segment["seq"], info.ext),
        "first_frame": first_frame,
        "frames": frames,
        "end_frame": number + frames,
        "channels": info.channels,
        "units": info.units,
        "scale": info.scale,
        "rate_hz": info.rate_hz,
        "rate_measured_hz": rate_hz,
        "residual_us": residual_us,
        "anchors": anchors,
        "gaps": gaps,
        "clock_fixes": segment["clock_fixes"],
        "reason": segment["reason"],
        "ledger": running(before, frames, gaps, dropped),
    }


def running(before, frames, gaps, dropped):
    """-> the running ledger `before` (None at the start of a session) with `frames` more stored and `gaps` more lost.

    Frames that retention has removed (`dropped`, in all) count as lost, no more as stored.
    """
    before = before or {"expected": 0, "stored": 0, "lost": {}, "unknown": 0}
    lost = dict(before["lost"])
    stored = before["stored"] + lost.pop("retention", 0) + frames
    unknown = before["unknown"]
    for _, n, cause in gaps:
        if n is None:
            unknown += 1
        else:
            lost[cause] = lost.get(cause, 0) + n
    expected = stored + sum(lost.values())
    if dropped:
        lost["retention"] = dropped
    return {"expected": expected, "stored": stored - dropped, "lost": lost, "unknown": unknown}


def line(anchors, gaps):
    """-> (frames per second, rms distance of the anchors from the line in us); (None, None) when they are under 1 s
    apart or a gap is unknown.

    Anchors are late, never early: the line runs under them, along the edge of their convex hull below the middle.
    """
    if len(anchors) < 2 or anchors[-1][1] - anchors[0][1] < 1000000 or anchors[-1][0] <= anchors[0][0]:
        return None, None
    for frame, lost, _ in gaps:
        if lost is None and anchors[0][0] < frame <= anchors[-1][0]:
            return None, None
    twice_middle = anchors[0][0] + anchors[-1][0]
    left = lowest = anchors[0]
    right = anchors[-1]
    while lowest:
        frames = right[0] - left[0]
        us = right[1] - left[1]
        lowest = None
        deepest = total = 0
        for anchor in anchors:
            height = (anchor[1] - left[1]) * frames - us * (anchor[0] - left[0])  # above the line, times frames
            total += height * height
            if height < deepest:
                deepest = height
                lowest = anchor
        if lowest and 2 * lowest[0] <= twice_middle:
            left = lowest
        elif lowest:
            right = lowest
    return frames * 1000000 / us, round(math.sqrt(total / len(anchors)) / frames, 1)
