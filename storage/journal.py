"""A stream's journal: what the unfinished segment's file cannot say, its gaps and when its frames were taken.

One small file per stream and session, rewritten in place while a segment grows. 32-bit words, little-endian (those of
every chip that runs MicroPython), each below 2^30, so that filling them in allocates nothing:

    0     1    2 3          4     5        6 7 8          9 10 11        12 13         14 ...
    magic seq  first frame  gaps  anchors  first anchor   latest anchor  check sums    gaps of 4 words
                                           (offset, t_lo, t_hi each)                   (stored frames before it; lost,
                                                                                       low 28 bits and above; cause)

With few gaps only the first 128 bytes are written: LittleFS keeps these in the directory, without a block of their own.
"""

import array

from storage.stream import CAUSES

MAX_GAPS = 64
UNKNOWN = -1  # in place of a number of lost frames
MAGIC = 0x4D4A31
FIRST_GAP = 14
_SHORT_GAPS = 4
SHORT_BYTES = 4 * (FIRST_GAP + 4 * _SHORT_GAPS) + 8
_SPLIT = 28
_MASK = (1 << _SPLIT) - 1


class Journal:
    """The journal of one stream while it is being recorded. After `begin` nothing allocates until `close`.

    `gap(at, lost, cause)` and `anchor(offset, t_lo, t_hi)` take note, `save()` makes it durable.
    """

    def __init__(self):
        self._words = array.array("i", bytes(4 * (FIRST_GAP + 4 * MAX_GAPS)))
        self._long = memoryview(self._words)
        self._short = self._long[: SHORT_BYTES // 4]
        self._file = None
        self._is_long = False  # the file on flash has outgrown its directory
        self.gaps = 0
        self.unsaved_gaps = False

    def begin(self, path, seq, first_frame):
        """Start over for another segment. The file is opened here; its content stays until the first `save`."""
        words = self._words
        for i in range(len(words)):
            words[i] = 0
        words[0] = MAGIC
        words[1] = seq
        words[2] = first_frame & 0x3FFFFFFF
        words[3] = first_frame >> 30
        self.gaps = 0
        self.unsaved_gaps = False
        self._is_long = False
        self._file = open(path, "wb")

    def close(self):
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def gap(self, at, lost, cause):
        """Note a gap behind `at` stored frames; one at the same place with the same cause is added to.

        `cause` is an index into CAUSES. At one place there are two entries per cause at most.
        """
        words = self._words
        i = FIRST_GAP
        end = FIRST_GAP + 4 * self.gaps
        while i < end:
            if words[i] == at and words[i + 3] == cause and (words[i + 1] < 0) == (lost < 0):
                break
            i += 4
        if i == end:
            self.gaps += 1
            words[i] = at
            words[i + 3] = cause
        if lost < 0:
            words[i + 1] = UNKNOWN
        else:
            low = words[i + 1] + (lost & _MASK)
            words[i + 1] = low & _MASK
            words[i + 2] += (lost >> _SPLIT) + (low >> _SPLIT)
        self.unsaved_gaps = True

    def anchor(self, offset, t_lo, t_hi):
        """Note an anchor: the first is kept, the latest replaces the one before."""
        words = self._words
        i = 9 if words[5] else 6
        words[5] = 2 if words[5] else 1
        words[i] = offset
        words[i + 1] = t_lo
        words[i + 2] = t_hi

    def save(self):
        """Make it durable."""
        words = self._words
        words[4] = self.gaps
        if self.gaps > _SHORT_GAPS:
            self._is_long = True
        view = self._long if self._is_long else self._short
        add_sums(words, len(view))
        self._file.seek(0)
        self._file.write(view)
        self._file.flush()
        self.unsaved_gaps = False

    def noted(self):
        """-> [[stored frames before it, lost or None, cause], ...], in order."""
        return gaps_of(self._words, self.gaps)


def add_sums(words, n):
    """Put the check sums of the first n words into words 12 and 13: those of Adler-32, over 16-bit halves."""
    words[12] = words[13] = 0
    a = 1
    b = 0
    i = 0
    while i < n:
        a = (a + (words[i] & 0xFFFF)) % 65521
        b = (b + a) % 65521
        a = (a + (words[i] >> 16 & 0xFFFF)) % 65521
        b = (b + a) % 65521
        i += 1
    words[12] = a
    words[13] = b


def gaps_of(words, n):
    """-> the first n gaps, in the order of their places."""
    gaps = []
    for i in range(FIRST_GAP, FIRST_GAP + 4 * n, 4):
        lost = None if words[i + 1] < 0 else words[i + 2] << _SPLIT | words[i + 1]
        gaps.append([words[i], lost, CAUSES[words[i + 3]]])
    return gaps

