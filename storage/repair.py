"""A data file that was cut short gets a true header, by copying it.

The writer uses it for a segment that ends early, recovery for one that lost power: one way to do it.
"""

import os

from storage.files import TMP, remove, size_of
from storage.finish import Digest


def whole_frames(path, info):
    """-> how many whole frames the data file at `path` holds."""
    n_bytes = os.stat(path)[6] - len(info.header(info.segment_frames))
    return max(0, min(n_bytes // info.frame_bytes, info.segment_frames))


def make_true(path, info, frames, buf):
    """Let the data file hold exactly its first `frames` frames, with a header that says so. -> the facts of `Digest`.

    A file that is true already (an earlier repair was cut off behind the rename) is only read. Otherwise a copy takes
    its place by renaming: at every instant one of the two is there, whole. Without a frame to keep there need not be a
    file: FAT has none until its first sync. `buf` (bytearray) is scratch space.
    """
    header = info.header(frames)
    n_bytes = frames * info.frame_bytes
    view = memoryview(buf)
    if size_of(path) == len(header) + n_bytes:
        with open(path, "rb") as file:
            if file.read(len(header)) == header:
                file.seek(0)
                return _pump(file, None, len(header) + n_bytes, view, Digest())
    digest = Digest()
    digest.add(header, len(header))
    try:
        with open(path + TMP, "wb") as target:
            target.write(header)
            if not frames:
                facts = digest.facts()
            else:
                with open(path, "rb") as source:
                    source.seek(len(info.header(info.segment_frames)))
                    facts = _pump(source, target, n_bytes, view, digest)
        os.rename(path + TMP, path)
    except OSError:
        _give_up(path + TMP)
        raise
    return facts


def shorten(path, n_bytes, buf):
    """Let the file at `path` hold only its first n bytes: a copy takes its place. `buf` is scratch space."""
    try:
        with open(path, "rb") as source:
            with open(path + TMP, "wb") as target:
                _pump(source, target, n_bytes, memoryview(buf), Digest())
        os.rename(path + TMP, path)
    except OSError:
        _give_up(path + TMP)
        raise


def _give_up(path):
    """A copy that did not come to its end takes no room."""
    try:
        remove(path)
    except OSError:
        pass  # the first error is the one to tell


def _pump(source, target, n_bytes, view, digest):
    """Bring n bytes from one file to the other (None: nowhere) and into the digest. -> its facts."""
    while n_bytes:
        part = view if n_bytes >= len(view) else view[:n_bytes]
        n = source.readinto(part)
        if not n:
            raise OSError(5, "the file ends early")
        if n < len(part):
            part = part[:n]
        if target is not None:
            target.write(part)
        digest.add(part, n)
        n_bytes -= n
    return digest.facts()
