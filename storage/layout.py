"""How the spool lies on flash: names, their order, and the walk over them (see storage/spool.py)."""

import os

from storage import files

SEGMENTS_PER_FOLDER = 16
DOCUMENTS = ("session.json", "ledger.json")
LABELS = "labels.jsonl"  # there only when somebody labelled something
SINGLE_FILES = DOCUMENTS + (LABELS,)  # names of the spool that are one file


def sessions(device_path):
    """-> the names of the session directories, oldest first, one by one."""
    return files.directories(device_path, session_key)


def acknowledged(path, document):
    """-> path of the file that says that a session's document was acknowledged."""
    return "%s/%s.ack" % (path, document.rsplit(".", 1)[0])


def session_key(name):
    """-> (boot, session in it, name): the order of sessions; None when `name` is no session."""
    parts = name.split("-")
    if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):
        return None
    return int(parts[0]), int(parts[1]), name


def stream_of(path):
    """-> the stream that a segment belongs to."""
    return path.rsplit("/", 1)[-1][: -len("-000000")]


def folders(session_path):
    """Yield the paths of a session's sub-folders, in the order in which they were filled."""
    for name in files.directories(session_path, lambda name: int(name) if name.isdigit() else None):
        yield "%s/%s" % (session_path, name)


def stems(folder, extension):
    """-> stems of the segments in a sub-folder that have a file of that extension, oldest first.

    Within a stream that is the sequence number; the streams are interleaved evenly, as they were filled side by side.
    """
    streams = {}
    for name in files.listing(folder):
        if name.endswith(extension):
            stem = name[: -len(extension)]
            streams.setdefault(stream_of(stem), []).append(stem)
    order = []
    for numbered in streams.values():
        numbered.sort()
        for i in range(len(numbered)):
            order.append(((2 * i + 1) / len(numbered), numbered[i]))
    order.sort()
    return [stem for _, stem in order]


def documents(session_path):
    """Yield (name, length) of a session's files that are no segments, without what retention notes of it."""
    for name in files.listing(session_path):
        if not name.endswith("-dropped.json"):
            yield name, files.size_of("%s/%s" % (session_path, name))


def remove_session(path):
    """Remove what is left of a session whose segments are gone; the marks that say so go last."""
    for folder in folders(path):
        os.rmdir(folder)
    names = list(files.listing(path))
    marks = [name for name in names if name.endswith(".ack")]
    for name in [name for name in names if name not in marks] + marks:
        files.remove("%s/%s" % (path, name))
    os.rmdir(path)
