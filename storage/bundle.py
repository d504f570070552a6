"""Many files as one `.zip`, which is an `.npz` as well (`numpy.load`, `unzip`, any archiver), made while it is sent.

    for piece in bundle.pieces(bundle.of_segments(spool, names), "stored"):
        writer.write(piece)
        await writer.drain()

The container is micropython-zipfile's business. It needs about 37 kB of heap on a 32-bit board, once, and 0.44 kB per
member of a bundle (measured); what is sent is read through one buffer. The same members always give the same bytes (no
wall-clock time is in them), so a first pass may count and hash what a second one sends.

Deflated members are compressed here: micropython-zipfile holds a whole member, its copy and its compressed form in RAM
(256 KB of zeros fail on a heap of 640 KB; here they take 77 kB, of which 49 are the package, 16 the buffer; 64 bits).
MicroPython's codes are fixed, not made for the data: recorded sound became 20 % smaller, motion 4 to 5 % larger.
"""

import io

STORED, DEFLATED = "stored", "deflated"
BUFFER_BYTES = 2048


def methods():
    """What this board can do: (), ("stored",) or ("stored", "deflated").

    Needs micropython-zipfile, and for the second a firmware whose DeflateIO can write: a build option
    (MICROPY_PY_DEFLATE_COMPRESS) that is off in most releases.
    """
    try:
        import zipfile  # noqa: F401 - is it there?
    except ImportError:
        return ()
    try:
        import deflate
    except ImportError:
        return (STORED,)
    return (STORED, DEFLATED) if hasattr(deflate.DeflateIO, "write") else (STORED,)


def pieces(members, method=STORED, buffer=None):
    """Yield the bytes of a bundle; use each piece before asking for the next one.

    `members`: (name in the bundle, file open for reading) pairs. If it is a generator, as of_segments() is, it is
    closed in every case: also when this one is closed by a sender that gives up. `method`: one of methods().
    `buffer`: a bytearray that the files are read into.
    """
    import zipfile

    buffer = buffer or bytearray(BUFFER_BYTES)
    out = _Outbox()
    archive = zipfile.ZipFile(out, "w")
    try:
        for name, file in members:
            info = zipfile.ZipInfo(name)  # dated 1980-01-01
            info.compress_type = zipfile.ZIP_DEFLATED if method == DEFLATED else zipfile.ZIP_STORED
            member = archive.open(info, "w")
            if method == DEFLATED:
                member._compressor = _Deflate()  # not public, but the lock file holds the package to this version
            while n := file.readinto(buffer):
                member.write(buffer if n == len(buffer) else bytes(memoryview(buffer)[:n]))
                yield from out.take()
            member.close()
            yield from out.take()
    finally:
        if hasattr(members, "close"):
            members.close()
    archive.close()
    yield from out.take()


def write(file, members, method=STORED, buffer=None):
    """Write a bundle to an open file, which need not be able to seek. -> its length in bytes."""
    n_bytes = 0
    for piece in pieces(members, method, buffer):
        file.write(piece)
        n_bytes += len(piece)
    return n_bytes


def of_segments(spool, names):
    """Yield the members for pieces(): all parts of these segments or documents of a spool, their names as on the wire.

    A sidecar follows its data, as everywhere; both are held open, so that retention leaves a segment alone while it is
    sent, and leaves out one that it took before.
    """
    for name in names:
        opened = []
        try:
            for remote_name, _, _ in spool.parts(name):
                opened.append((remote_name, spool.open(remote_name)))
            yield from opened
        finally:
            for _, file in opened:
                file.close()


class _Outbox:
    """The file that zipfile writes to: keeps the pieces until they are taken. It cannot seek, so sizes follow data."""

    def __init__(self):
        self._pieces = []

    def write(self, data):
        if data:
            self._pieces.append(data)
        return len(data)

    def flush(self):
        pass

    def take(self):
        """Yield and forget what was written."""
        for piece in self._pieces:
            yield piece
        self._pieces.clear()


class _Deflate:
    """A compressor as zipfile wants it, on DeflateIO: RAM for the window and for what one buffer becomes."""

    def __init__(self):
        import deflate

        self._out = io.BytesIO()  # DeflateIO writes byte by byte: to a class of ours each would be a call
        self._in = deflate.DeflateIO(self._out, deflate.RAW)

    def compress(self, data):
        self._in.write(data)
        return self._taken()

    def flush(self):
        self._in.close()
        return self._taken()

    def _taken(self):
        """What was written since; the place in memory is used again."""
        n = self._out.tell()
        self._out.seek(0)
        data = self._out.read(n)
        self._out.seek(0)
        return data
