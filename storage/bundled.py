"""Small segments shipped as bundles: a spool's interface for a transport, in which one name stands for many segments.

    transport = Https(BundledSpool(spool, "stored"), url=...)

A bundle is made while it is sent (storage/bundle.py), twice the same: once for its length and hash, once to be sent.
Nothing of it is on flash. The collector unpacks it and answers 201 when every member is stored.
"""

import hashlib
from binascii import hexlify

from storage import bundle
from storage.layout import SINGLE_FILES

MAX_SEGMENTS = 8  # a bundle holds 0.44 kB of heap per member while it is made, and a segment is two
MAX_BYTES = 65536  # of data: it is read in one go for its hash, which no stream's buffer may notice


class BundledSpool:
    """`spool` with neighbouring small segments of a session under one name, `<device>/<session>/bundle-...-8.zip`.

    `method`: one of storage.bundle.methods(). What cannot go as a bundle (`skip` names it in `pending`) goes segment
    by segment.
    """

    def __init__(self, spool, method):
        self.device = spool.device
        self._spool = spool
        self._method = method
        self._members = {}  # name of a bundle -> names of its segments, as long as one of them is pending

    def pending(self, limit=32, skip=(), taken=()):
        """-> names that wait, bundles where they are possible, in their order; none `taken`, nor what is in one."""
        self._members = {name: members for name, members in self._members.items() if self.is_pending(name)}
        gone = set()
        for name in taken:
            gone.update(self._members.get(name, (name,)))
        single = set()
        for name, members in self._members.items():
            if any([name in known for known in skip]):
                single.update(members)
        names = []
        run = []  # neighbours that may become a bundle
        n_bytes = 0
        for name in self._spool.pending(limit, skip, gone):
            size = MAX_BYTES if name in single else self._bytes(name)
            if run and (n_bytes + size > MAX_BYTES or len(run) == MAX_SEGMENTS or _session(run[0]) != _session(name)):
                names.append(self._named(run))
                run = []
                n_bytes = 0
            run.append(name)
            n_bytes += size
        if run:
            names.append(self._named(run))
        return names

    def waiting(self):
        """Yields (name, path) of all that waits, segment by segment: for counting."""
        return self._spool.waiting()

    def _bytes(self, name):
        """-> length of a segment's data; a document, or what is gone or damaged, is none for a bundle."""
        if name.rsplit("/", 1)[-1] in SINGLE_FILES:
            return MAX_BYTES
        try:
            return self._spool.parts(name)[0][1]
        except (OSError, IndexError):
            return MAX_BYTES

    def _named(self, run):
        if len(run) == 1:
            return run[0]
        folder, stem = run[0].rsplit("/", 1)
        name = "%s/bundle-%s-%d.zip" % (folder, stem, len(run))
        self._members[name] = run
        return name

    def is_pending(self, name):
        """-> whether anything of it waits to be acknowledged."""
        return any([self._spool.is_pending(member) for member in self._members.get(name, (name,))])

    def parts(self, name):
        """-> [(remote name, bytes, SHA-256 in hex)]: of a bundle, one part."""
        if name not in self._members:
            return self._spool.parts(name)
        digest = hashlib.sha256()
        n_bytes = 0
        for piece in self._pieces(name):
            digest.update(piece)
            n_bytes += len(piece)
        return [(name, n_bytes, hexlify(digest.digest()).decode())]

    def open(self, remote_name):
        """-> the file of that remote name, open for reading."""
        if remote_name not in self._members:
            return self._spool.open(remote_name)
        return Stream(self._pieces(remote_name))

    def rest(self):
        """Nothing is going to be read for a while."""
        self._spool.rest()

    def _pieces(self, name):
        return bundle.pieces(bundle.of_segments(self._spool, self._members[name]), self._method)

    def acknowledge(self, name):
        """The receiver has all of it for good."""
        for member in self._members.get(name, (name,)):
            self._spool.acknowledge(member)


class Stream:
    """Pieces of bytes, read as a file; a piece may be overwritten when the next one is made."""

    def __init__(self, pieces):
        self._pieces = pieces
        self._rest = b""

    def readinto(self, buf):
        """Fill `buf` from its start. -> how many bytes; 0 behind the end."""
        while not len(self._rest):
            try:
                self._rest = memoryview(next(self._pieces))
            except StopIteration:
                return 0
        n = min(len(buf), len(self._rest))
        buf[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n

    def close(self):
        """Lets go of the files it is made of."""
        self._pieces.close()


def _session(name):
    return name.rsplit("/", 1)[0]
