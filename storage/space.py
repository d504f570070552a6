"""Free space by counting: `statvfs` walks the whole of a LittleFS, so it is never asked while recording."""

import os

POINTERS = 8  # bytes per LittleFS block that hold no file data, on the average
INLINE_BYTES = 128  # LittleFS keeps a file of up to this length in its directory: the cache size that ports give it
ENTRY_PART = 16  # a directory's entry takes up to such a part of a block of the one that it is in
EXTRA_BLOCKS = 2  # a segment's sidecar, and its share of the sub-folder (two blocks for 16 segments) and of splits


class Space:
    """What `root`'s file system has left, and what the spool uses of it, in whole blocks. All sizes are file lengths
    in bytes.

    `margin` is kept free always: the reserve for the file system, and never less than the largest segment, because a
    segment that was cut short is repaired by copying it.
    """

    def __init__(self, root, reserve_bytes, max_bytes, known=None):
        """`known`: what `known()` said before the board slept, or None."""
        self._root = root
        self._max_bytes = max_bytes
        self.margin = reserve_bytes
        self._reserved = 0  # of segments that are being written
        self.is_estimate = known is not None  # counted on and on: never too high
        self.block_size, self.free_bytes, self.used_bytes = known or (0, 0, 0)
        if not known:
            self.measure()

    def known(self):
        """-> what a start that continues this one needs to know; None while a segment is unfinished."""
        return None if self._reserved else [self.block_size, self.free_bytes, self.used_bytes]

    def measure(self):
        """Ask the file system (slow: not while recording, unless it has just said that it is full)."""
        status = os.statvfs(self._root)
        self.block_size = status[0]
        self.is_estimate = False
        free = status[3]
        if free > status[2]:  # LittleFS counts blocks twice while files change, and its difference goes below zero
            free = 0
        self.free_bytes = status[0] * free - self._reserved

    def cost(self, n_bytes):
        """-> bytes of flash that a file of that length takes."""
        data = self.block_size - POINTERS
        return (n_bytes + data - 1) // data * self.block_size

    def keep(self, n_bytes):
        """A segment of this length is going to be written: its copy must fit, too."""
        self.margin = max(self.margin, self.cost(n_bytes) + self.block_size)

    def document(self, n_bytes):
        """A file of this length, which is not counted as used, is there now, or (-n_bytes) is gone."""
        cost = self.cost(abs(n_bytes)) if abs(n_bytes) > INLINE_BYTES else 0
        self.free_bytes -= cost if n_bytes > 0 else -cost

    def fits(self, n_bytes):
        """-> whether a new segment of that length may be begun."""
        cost = self.cost(n_bytes) + EXTRA_BLOCKS * self.block_size
        if self._max_bytes is not None and self.used_bytes + cost > self._max_bytes:
            return False
        return self.free_bytes - cost >= self.margin

    def has(self, n_bytes):
        """-> whether a file of that length can be written at all, from the reserve if need be."""
        return self.free_bytes >= self.cost(n_bytes) + EXTRA_BLOCKS * self.block_size

    def reserve(self, n_bytes):
        """A segment of that length is going to be written."""
        self._reserved += self.cost(n_bytes)
        self.take(n_bytes)

    def release(self, n_bytes):
        """It is written, or given up."""
        self._reserved -= self.cost(n_bytes)
        self.give(n_bytes)

    def take(self, n_bytes):
        """A file of this length is there now."""
        cost = self.cost(n_bytes)
        self.free_bytes -= cost
        self.used_bytes += cost

    def give(self, n_bytes):
        """A file of this length is gone."""
        cost = self.cost(n_bytes)
        self.free_bytes += cost
        self.used_bytes = max(0, self.used_bytes - cost)

    def directory(self, n):
        """n directories more (less, when negative)."""
        self.free_bytes -= n * (2 * self.block_size + self.block_size // ENTRY_PART)

    def count(self, n_bytes):
        """A file of this length was found at start: the file system has counted it already, the spool has not."""
        self.used_bytes += self.cost(n_bytes)
