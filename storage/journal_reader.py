"""Reads a stream's journal (storage/journal.py): for recovery, so that a board forgets it once it has started."""

import array

from storage.journal import FIRST_GAP, MAGIC, MAX_GAPS, SHORT_BYTES, add_sums, gaps_of


def load(path):
    """-> {"seq", "first_frame", "anchors", "gaps"} of the journal at `path`, or None when it is missing or damaged."""
    words = array.array("i", bytes(4 * (FIRST_GAP + 4 * MAX_GAPS)))
    try:
        with open(path, "rb") as file:
            n_bytes = file.readinto(words) or 0
    except OSError:
        return None
    if n_bytes < SHORT_BYTES or words[0] != MAGIC:
        return None
    sums = (words[12], words[13])
    add_sums(words, len(words) if n_bytes == 4 * len(words) else SHORT_BYTES // 4)
    if sums != (words[12], words[13]):
        return None
    anchors = []
    for i in (6, 9)[: words[5]]:
        anchors.append((words[i], words[i + 2] << 30 | words[i + 1]))
    return {
        "seq": words[1],
        "first_frame": words[3] << 30 | words[2],
        "anchors": anchors,
        "gaps": gaps_of(words, words[4]),
    }
