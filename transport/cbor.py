"""CBOR (RFC 8949), as much of it as SMP requests and answers need. Nothing is allocated but what is returned.

Values: maps, arrays (lists, tuples), text, byte strings, whole numbers of up to 64 bits, floats (written only),
true, false and null. `Writer` writes into a buffer that it is given, `loads` reads one map of such values.
"""

import struct

UINT, NINT, BYTES, TEXT, ARRAY, MAP = range(6)  # major types (RFC 8949 section 3.1)
_BREAK = 0xFF
_MAX_MEMBERS = 32


class Full(Exception):
    """What is written does not fit into the buffer."""


class Writer:
    """Writes at `buffer[at]` and onwards; `at` moves on. Raises Full before it writes beyond `end`."""

    def __init__(self, buffer, at=0, end=None):
        self.buffer = buffer
        self.at = at
        self.end = len(buffer) if end is None else end

    def room(self):
        """-> bytes left."""
        return self.end - self.at

    def head(self, major, value):
        """The first bytes of an item: its major type and its value, length or number of members."""
        if value < 24:
            self._byte(major << 5 | value)
        elif value < 0x100:
            self._pack(">BB", major << 5 | 24, value, 2)
        elif value < 0x10000:
            self._pack(">BH", major << 5 | 25, value, 3)
        elif value <= 0xFFFFFFFF:
            self._pack(">BI", major << 5 | 26, value, 5)
        else:
            self._pack(">BQ", major << 5 | 27, value, 9)

    def open(self, major):
        """Begin an array or map of unknown length; `close()` ends it (section 3.2.2)."""
        self._byte(major << 5 | 31)

    def close(self):
        self._byte(_BREAK)

    def value(self, value):
        """Any value of those above; maps keep their order."""
        if value is None:
            self._byte(0xF6)
        elif value is True or value is False:
            self._byte(0xF5 if value else 0xF4)
        elif isinstance(value, int):
            if value >= 0:
                self.head(UINT, value)
            else:
                self.head(NINT, -1 - value)
        elif isinstance(value, float):
            self._pack(">Bd", 0xFB, value, 9)
        elif isinstance(value, str):
            self._string(TEXT, value.encode())
        elif isinstance(value, (bytes, bytearray, memoryview)):
            self._string(BYTES, value)
        elif isinstance(value, dict):
            self.head(MAP, len(value))
            for key in value:
                self.value(key)
                self.value(value[key])
        else:
            self.head(ARRAY, len(value))
            for member in value:
                self.value(member)

    def _string(self, major, data):
        self.head(major, len(data))
        at = self._claim(len(data))
        self.buffer[at : at + len(data)] = data

    def _byte(self, byte):
        self.buffer[self._claim(1)] = byte

    def _pack(self, form, first, value, n):
        struct.pack_into(form, self.buffer, self._claim(n), first, value)

    def _claim(self, n):
        at = self.at
        if at + n > self.end:
            raise Full()
        self.at = at + n
        return at


def loads(data):
    """-> the dict that `data` (bytes) holds: text keys, and values that are no maps or arrays. ValueError for anything
    else, for a key that stands there twice and for bytes behind the end.

    Maps of unknown length are read as well: Nordic's library for Android writes them.
    """
    reader = _Reader(data)
    major, n = reader.head(True)
    if major != MAP or (n is not None and n > _MAX_MEMBERS):
        raise ValueError("no map, or a very long one")
    found = {}
    while n is None or len(found) < n:
        if n is None and reader.ends():
            break
        key = reader.value()
        if not isinstance(key, str) or key in found or len(found) == _MAX_MEMBERS:
            raise ValueError("a wrong key")
        found[key] = reader.value()
    if reader.at != len(data):
        raise ValueError("bytes behind the end")
    return found


class _Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def ends(self):
        """Whether the item of unknown length ends here."""
        if self.at < len(self.data) and self.data[self.at] == _BREAK:
            self.at += 1
            return True
        return False

    def head(self, indefinite=False):
        """-> (major type, its number; None: of unknown length, where that is allowed)."""
        first = self._take(1)[0]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        if short < 28 and major != 7:
            return major, int.from_bytes(self._take(1 << (short - 24)), "big")
        if short == 31 and indefinite:
            return major, None
        raise ValueError("a wrong or unsupported first byte")

    def value(self):
        major, n = self.head()
        if major == UINT:
            return n
        if major == NINT:
            return -1 - n
        if major == BYTES:
            return self._take(n)
        if major == TEXT:
            return str(self._take(n), "utf-8")  # UnicodeError is a ValueError
        if major == 7 and 20 <= n <= 22:
            return (False, True, None)[n - 20]
        raise ValueError("a value of an unsupported type")

    def _take(self, n):
        at = self.at
        if n > len(self.data) - at:
            raise ValueError("cut off")
        self.at = at + n
        return self.data[at : at + n]
