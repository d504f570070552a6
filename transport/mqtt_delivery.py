"""What is published: short messages, and names of the spool streamed from flash."""

import hashlib
import json
from binascii import hexlify

_MANIFEST_BYTES = 4096  # docs/mqtt.md


class Message:
    """`payload` (bytes) for `topic` (bytes)."""

    def __init__(self, topic, payload, retain=False):
        self.topic = topic
        self.size = len(payload)
        self.retain = retain
        self.pid = 0
        self.dup = False
        self.is_open = False
        self._payload = payload
        self._at = 0

    def open(self):
        """Back to its first byte."""
        self.is_open = True
        self._at = 0

    def fill(self, view):
        """The next bytes: exactly as many as the view has."""
        view[:] = self._payload[self._at : self._at + len(view)]
        self._at += len(view)

    def close(self):
        self.is_open = False


class Delivery:
    """A name of the spool on its way: the manifest, a line of JSON, and then its files (docs/mqtt.md).

    `prepare` comes first. `size`: bytes of the payload; `digest`: SHA-256 of the manifest in hex, by which the
    collector's acknowledgement names it. `due_ms`: until then that is waited for (None: not yet).
    """

    retain = False

    def __init__(self, spool, name, topic):
        self.name = name
        self.topic = topic
        self.size = 0
        self.digest = None
        self.pid = 0
        self.dup = False
        self.is_open = False
        self.taken_ms = 0  # when the broker had taken it
        self.due_ms = None
        self._spool = spool
        self._manifest = None
        self._parts = ()
        self._file = None
        self._left = 0  # bytes of the open file

    def prepare(self):
        """Looks at the files. -> False when the spool has let go of the name. OSError: they cannot be read."""
        self._parts = self._spool.parts(self.name)
        if not self._parts:
            return False
        start = self.name.rfind("/") + 1
        manifest = {"name": self.name, "files": [[part[0][start:], part[1], part[2]] for part in self._parts]}
        self._manifest = json.dumps(manifest).encode()
        if len(self._manifest) > _MANIFEST_BYTES:
            raise OSError("its manifest is longer than %d bytes" % _MANIFEST_BYTES)
        self.digest = hexlify(hashlib.sha256(self._manifest).digest()).decode()
        self.size = len(self._manifest) + 1 + sum([part[1] for part in self._parts])
        return True

    def open(self):
        """To be sent from the start."""
        self.is_open = True
        self._head = memoryview(self._manifest + b"\n")
        self._parts = list(self._parts)
        self._manifest = None

    def fill(self, view):
        """The next bytes: exactly as many as the view has. EOFError: a file is shorter than it should be."""
        at = 0
        if len(view) <= self._left:  # the common case, without a new object
            at = self._file.readinto(view)
            self._left -= at
        while at < len(view):
            if self._head:
                count = min(len(self._head), len(view) - at)
                view[at : at + count] = self._head[:count]
                self._head = self._head[count:]
            else:
                count = self._read(view[at:] if at else view)
            at += count

    def _read(self, view):
        """-> bytes read from the open file, or from the next one."""
        while not self._left:
            self._close_file()
            name, self._left, _ = self._parts.pop(0)
            self._file = self._spool.open(name)
        count = self._file.readinto(view if len(view) <= self._left else view[: self._left])
        if not count:
            raise EOFError("the file is shorter than it should be")
        self._left -= count
        return count

    def close(self):
        """Lets go of the files; what is left to remember is short."""
        self.is_open = False
        self._close_file()
        self._head = None
        self._manifest = None
        self._parts = ()

    def _close_file(self):
        self._left = 0
        if self._file:
            self._file.close()
            self._file = None
