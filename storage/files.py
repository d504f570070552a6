"""Small-file work of the spool: JSON that is there whole or not at all, directories read without listing them."""

import errno
import hashlib
import json
import os
from binascii import hexlify

TMP = ".tmp"
MAX_JSON_BYTES = 32768
ENOSPC = 28  # most ports leave it out of their errno module
NAMES = 16  # of directories in RAM at once
_DIRECTORY = 0x4000


def size_of(path):
    """-> length of a file in bytes (0 for a directory), or None when there is none."""
    try:
        return os.stat(path)[6]
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return None


def exists(path):
    """-> whether a file or directory of that name is there."""
    return size_of(path) is not None


def remove(path):
    """Remove a file; none there is fine, too (the job of an earlier start that was cut off)."""
    try:
        os.remove(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def make_directory(path):
    """Make a directory and those above it."""
    at = path.find("/", 1)
    while at != -1:
        _mkdir(path[:at])
        at = path.find("/", at + 1)
    _mkdir(path)


def _mkdir(path):
    if not exists(path):
        os.mkdir(path)


def listing(path, directories=False):
    """Yield the names of the files (or of the directories) in a directory; none when it is not there."""
    try:
        entries = os.ilistdir(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return
    for entry in entries:
        if (entry[1] == _DIRECTORY) == directories and entry[0] not in (".", ".."):
            yield entry[0]


def is_empty(path):
    """-> whether a directory holds nothing."""
    for _ in os.ilistdir(path):
        return False
    return True


def directories(path, key):
    """Yield the names of the sub-directories in the order of `key(name)`, without those for which it is None.

    However many there are, it holds a few names in RAM; it lists the directory anew for each few, so the caller may
    remove some meanwhile.
    """
    after = None
    while True:
        first = []
        for name in listing(path, directories=True):
            k = key(name)
            if k is None or (after is not None and k <= after):
                continue
            if len(first) < NAMES or k < first[-1][0]:
                first.append((k, name))
                first.sort()
                del first[NAMES:]
        for after, name in first:  # noqa: B007
            yield name
        if len(first) < NAMES:
            return


def read_json(path):
    """-> the object in a JSON file, or None when the file is missing, cut off, damaged, or holds no object."""
    size = size_of(path)
    if not size or size > MAX_JSON_BYTES:
        return None
    with open(path, "rb") as file:
        text = file.read(size)  # of unknown length it would take twice the heap
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def write_file(path, data):
    """Write a small file in one go: on LittleFS it is complete or empty after a power cut."""
    with open(path, "wb") as file:
        if file.write(data) != len(data):
            raise OSError(ENOSPC)


def write_json(path, value):
    """Write a small JSON file. -> its length."""
    data = json.dumps(value).encode()
    write_file(path, data)
    return len(data)


def replace_json(path, value):
    """Write a JSON file so that after a power cut its old or its new content is there, whole. -> its length."""
    n_bytes = write_json(path + TMP, value)
    os.rename(path + TMP, path)
    return n_bytes


def measured(path):
    """-> (length, SHA-256 in hex) of a file."""
    digest = hashlib.sha256()
    n_bytes = 0
    with open(path, "rb") as file:
        data = file.read(1024)
        while data:
            digest.update(data)
            n_bytes += len(data)
            data = file.read(1024)
    return n_bytes, hexlify(digest.digest()).decode()
