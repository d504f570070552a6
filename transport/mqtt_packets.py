"""MQTT 3.1.1 packets: what we send as bytes, what comes in taken apart piece by piece in bounded memory.

Section numbers are those of the OASIS standard, MQTT Version 3.1.1.
"""

from .errors import GARBAGE, TransportError

PUBLISH, PUBACK, SUBACK, PINGRESP = 0x30, 0x40, 0x90, 0xD0
PINGREQ = b"\xc0\0"
DISCONNECT = b"\xe0\0"
MAX_LENGTH = 268435455  # of a packet's rest (2.2.3): four bytes of seven bits
_SMALL_BYTES = 512  # a packet up to that size is taken without new memory


def head(kind, length):
    """The fixed header (2.2): kind with its flags, and the length of the rest."""
    out = bytearray((kind,))
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out)


def text(data):
    """Bytes with their length in front (1.5.3)."""
    return len(data).to_bytes(2, "big") + data


def publish(topic, pid, size, retain=False, dup=False):
    """All of a PUBLISH of QoS 1 (3.3) in front of its payload of `size` bytes."""
    return head(PUBLISH | dup << 3 | 2 | retain, 4 + len(topic) + size) + text(topic) + pid.to_bytes(2, "big")


def puback(pid):
    return b"\x40\x02" + pid.to_bytes(2, "big")


def subscribe(pid, topics):
    """SUBSCRIBE (3.8) to `topics`, each with QoS 1."""
    body = b"".join([text(topic) + b"\x01" for topic in topics])
    return head(0x82, 2 + len(body)) + pid.to_bytes(2, "big") + body


class Parser:
    """Takes the broker's bytes as they come and calls `packet(kind, body, length)` for each complete packet.

    `kind` is its first byte. `body` is a memoryview, valid during the call, of the rest of the packet; of one that is
    longer than `largest` bytes, or than the heap can hold, it has the first 512 of `length` bytes, and the others are
    skipped. What a broker may not send raises `TransportError(GARBAGE)`.
    """

    def __init__(self, packet, largest):
        self._packet = packet
        self._largest = largest
        self._small = memoryview(bytearray(_SMALL_BYTES))
        self.reset()

    def reset(self):
        """A new connection begins."""
        self._kind = 0  # 0: none
        self._shift = 0
        self._length = 0
        self._taken = 0
        self._body = None  # None: still in the fixed header

    def feed(self, view):
        """Takes all of `view`."""
        at = 0
        while at < len(view):
            if self._body is None:
                self._header(view[at])
                at += 1
            else:
                count = min(self._length - self._taken, len(view) - at)
                self._take(view[at : at + count])
                at += count
            if self._body is not None and self._taken == self._length:
                kind, body, length = self._kind, self._body, self._length
                self.reset()
                self._packet(kind, body[: min(len(body), length)], length)

    def _header(self, byte):
        if not self._kind:
            _check_kind(byte)
            self._kind = byte
            return
        self._length |= (byte & 0x7F) << self._shift
        self._shift += 7
        if not byte & 0x80:
            _check_length(self._kind, self._length)
            self._body = self._room()
        elif self._shift == 28:
            raise TransportError(GARBAGE, "the broker sends a length of more than four bytes")

    def _room(self):
        """Where the packet goes."""
        if _SMALL_BYTES < self._length <= self._largest:
            try:
                return memoryview(bytearray(self._length))
            except MemoryError:
                pass  # it is skipped like one that is too long
        return self._small

    def _take(self, view):
        """The next bytes of the packet; those for which there is no room are counted only."""
        count = min(len(view), max(0, len(self._body) - self._taken))
        if count:
            self._body[self._taken : self._taken + count] = view[:count]
        self._taken += len(view)


def _check_kind(byte):
    kind = byte & 0xF0
    if kind == PUBLISH:
        if byte & 0x06 not in (0, 2):
            raise TransportError(GARBAGE, "the broker sends with QoS %d what was asked for with 1" % (byte >> 1 & 3))
    elif kind not in (PUBACK, SUBACK, PINGRESP) or byte & 0x0F:
        raise TransportError(GARBAGE, "the broker sends a packet that begins with 0x%02X" % byte)


def _check_length(kind, length):
    """(3.3, 3.4, 3.9, 3.13)"""
    kind &= 0xF0
    least, most = {PUBACK: (2, 2), SUBACK: (3, 2 + 16), PINGRESP: (0, 0)}.get(kind, (3, MAX_LENGTH))
    if not least <= length <= most:
        raise TransportError(GARBAGE, "the broker sends a packet 0x%02X of impossible length %d" % (kind, length))


def parse_publish(kind, body, length):
    """-> (topic, packet id or 0, payload or None if it was skipped, whether it was retained) of a PUBLISH.

    `kind`, `body`, `length` as the parser gives them; topic is bytes, payload a memoryview. TransportError(GARBAGE)
    if it cannot be.
    """
    start = 2 + (body[0] << 8 | body[1])
    end = start + (2 if kind & 0x06 else 0)
    if start < 3 or end > len(body):
        raise TransportError(GARBAGE, "the broker publishes with an impossible topic")
    pid = body[start] << 8 | body[start + 1] if end > start else 0
    if end > start and not pid:
        raise TransportError(GARBAGE, "the broker publishes with the packet id 0")
    return bytes(body[2:start]), pid, body[end:] if length == len(body) else None, bool(kind & 1)
