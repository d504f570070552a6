"""What `check` reserves for the sidecar in an MQTT message is enough for the largest one that can be written."""

import json

from config.messages import OVERHEAD_BYTES
from storage.finish import sidecar
from storage.journal import MAX_GAPS
from storage.segment import MAX_ANCHORS
from storage.stream import CAUSES, StreamInfo

HEADER_BYTES = 128
MANIFEST_BYTES = 1024
US = 10**15  # 31 years


def test_the_largest_sidecar_fits():
    names = ("ax", "ay", "az", "gx", "gy", "gz")
    info = StreamInfo("a" * 16, "npy", names, ("deg/s",) * 6, (0.0000610351562512345,) * 6, 26667.123456789, 16777216)
    segment = {
        "device": "d" * 32, "session": "00001-00-0badcafe", "seq": 999999, "first_frame": US, "frames": 16777216,
        "noted": [[16777216 // MAX_GAPS * i, 10**9 + i, CAUSES[i % len(CAUSES)]] for i in range(MAX_GAPS)],
        "anchors": [(i * 10**6, US + 7**i % 10**9 + i * 10**6) for i in range(MAX_ANCHORS)],
        "clock_fixes": [[US, 2 * US, 999999, "sntp:" + "h" * 40]] * 8, "reason": "retention",
    }  # fmt: skip
    before = {"expected": US, "stored": US, "lost": dict.fromkeys(CAUSES, US), "unknown": 999999}
    document = sidecar(info, segment, before, US) | {"bytes": 10**9, "crc32": "0" * 8, "sha256": "0" * 64}
    assert HEADER_BYTES + len(json.dumps(document)) + MANIFEST_BYTES <= OVERHEAD_BYTES
