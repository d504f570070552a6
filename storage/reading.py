"""What a transport reads of a spool (storage/spool.py), and takes off it. In RAM only while something is sent."""

import errno
import os

from storage import files
from storage.layout import SINGLE_FILES, acknowledged, folders


def locate(spool, name):
    """-> path of a pending segment (no extension) or document by its name, or None."""
    device, session, stem = name.split("/")
    path = "%s/%s" % (spool.path, session)
    if stem in SINGLE_FILES:
        return "%s/%s" % (path, stem) if spool.is_due(path, stem) else None
    where = spool.where
    if where and where.startswith(path + "/") and files.exists("%s/%s.json" % (where, stem)):
        return "%s/%s" % (where, stem)
    for folder in folders(path):
        if files.exists("%s/%s.json" % (folder, stem)):
            spool.where = folder
            return "%s/%s" % (folder, stem)
    return None


def parts(spool, name):
    """See `Spool.parts`."""
    path = locate(spool, name)
    if path is None:
        return []
    if name.rsplit("/", 1)[-1] in SINGLE_FILES:
        return [(name,) + files.measured(path)]
    sidecar = files.read_json(path + ".json")
    if not sidecar:
        raise OSError(errno.EIO, "%s.json is damaged" % name)
    if not files.exists("%s/%s" % (path.rsplit("/", 1)[0], sidecar["file"])):
        acknowledge(spool, name)  # a card failed while that was going on: its data goes first
        return []
    data = "%s%s" % (name[: name.rfind("/") + 1], sidecar["file"])
    return [(data, sidecar["bytes"], sidecar["sha256"]), (name + ".json",) + files.measured(path + ".json")]


def open_part(spool, remote_name):
    """See `Spool.open`."""
    stem, _, extension = remote_name.rpartition(".")
    document = remote_name.rsplit("/", 1)[-1] in SINGLE_FILES
    path = locate(spool, remote_name if document else stem)
    if path is None:
        raise OSError(errno.ENOENT)
    return Lent(path if document else "%s.%s" % (path, extension), path, spool.lent)


def acknowledge(spool, name):
    """See `Spool.acknowledge`."""
    path = locate(spool, name)
    if path is None:
        return
    device, session, stem = name.split("/")
    if stem in SINGLE_FILES:
        files.write_file(acknowledged("%s/%s" % (spool.path, session), stem), b"")
        spool.sweep(session)
        return
    if spool.keep_acknowledged:
        os.rename(path + ".json", path + ".ack")
        spool.pending_segments -= 1
    else:
        spool.discard(path)
        spool.pending_segments -= 1
    spool.sweep(session, path.rsplit("/", 1)[0])


class Lent:
    """A file of the spool, open for reading, that retention must not touch."""

    def __init__(self, path, key, lent):
        self._file = open(path, "rb")
        self._key = key
        self._lent = lent
        lent[key] = lent.get(key, 0) + 1

    def read(self, n=-1):
        return self._file.read(n)

    def readinto(self, buf):
        return self._file.readinto(buf)

    def seek(self, offset, whence=0):
        return self._file.seek(offset, whence)

    def close(self):
        """Give it back; a second time does nothing."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        self._lent[self._key] -= 1
        if not self._lent[self._key]:
            del self._lent[self._key]

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()
