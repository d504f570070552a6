"""A small dictionary that outlives deep sleep, resets and power cuts."""

import json
from binascii import crc32

from storage.files import read_json, replace_json

PATH = "/power.json"


def load(rtc):
    """-> the dictionary that was saved last, {} at the very first start.

    The RTC's memory is asked first: it is a cache that outlives all but a loss of power, and its CRC says whether it
    did. The file is the copy that counts.
    """
    if hasattr(rtc, "memory"):
        data = rtc.memory()
        if len(data) > 4 and int.from_bytes(data[:4], "little") == crc32(data[4:]):
            return json.loads(data[4:])
    return read_json(PATH) or {}


def save(rtc, kept):
    """Keep it. First in the RTC's memory: a reset in between must not leave the older copy where it is read first.
    OSError when the flash refuses.
    """
    if hasattr(rtc, "memory"):
        data = json.dumps(kept).encode()
        rtc.memory(crc32(data).to_bytes(4, "little") + data)
    replace_json(PATH, kept)
