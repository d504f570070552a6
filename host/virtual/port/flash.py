"""NOR flash as a MicroPython block device (extended interface), on a host file or in memory, that counts and can lose
power.

It stands alone (no world, no other module of the virtual board), so that storage tests can use it directly. Reading,
programming and erasing allocate nothing, and work under `micropython.heap_lock()`.
"""

import io

_CHUNK = 512  # bytes that are looked at or erased at once: two such buffers are all the RAM that a flash takes


class PowerCut(BaseException):
    """Power was lost at this operation; the device answers nothing any more. Not an `Exception`: no recorder code may
    catch it.
    """


class Flash:
    """NOR flash: erasing sets whole blocks to 0xff, programming fills erased bytes once.

    `file_or_path`: path of an image, a binary stream opened for reading and writing, or None for memory. An image
    that is too short (or new) is extended with erased blocks; an existing one is kept. Programming a byte that is not
    erased raises RuntimeError: on real NOR flash it would silently give the AND of old and new.

    `programs`, `erases`, `programmed_bytes`, `erased_bytes`, `reads` count finished operations. `cut_at`
    = k: the power goes instead of operation k (programs and erases counted together from 0); with `torn` a part of that
    operation still happens. `on_cut()` is called then; the default raises PowerCut, now and at every later access.
    `erase_us` (a block) and `program_us` (each 256 B begun) go to `stall(us)`; reading takes no time.
    """

    def __init__(self, file_or_path, blocks, block_size=4096):
        self.blocks = blocks
        self.block_size = block_size
        self.programs = self.erases = self.programmed_bytes = self.erased_bytes = self.reads = 0
        self.cut_at = None
        self.torn = False
        self.dead = False
        self.on_cut = None
        self.erase_us = self.program_us = 0
        self.stall = None
        self._cut = PowerCut("flash: power cut")
        self._erased = b"\xff" * _CHUNK
        self._scratch = bytearray(self._erased)
        self.stream = _open(file_or_path, blocks * block_size) if _is_source(file_or_path) else file_or_path
        _extend(self.stream, blocks * block_size)

    @property
    def operations(self):
        """Programs and erases finished so far: the number that `cut_at` is compared with."""
        return self.programs + self.erases

    def snapshot(self):
        """The whole image as bytes (it allocates)."""
        self.stream.seek(0)
        return self.stream.read(self.blocks * self.block_size)

    def close(self):
        """Close the image; the device is of no use afterwards."""
        self.stream.close()

    def readblocks(self, block, buf, off=0):
        """Fill `buf` from `off` bytes into `block`."""
        if self.dead:
            raise self._cut
        self.stream.seek(block * self.block_size + off)
        self.stream.readinto(buf)
        self.reads += 1
        return 0

    def writeblocks(self, block, buf, off=None):
        """Program `buf` at `off` bytes into `block`; without `off` (simple interface) the blocks that `buf` covers
        are erased first.
        """
        if off is None:
            off = 0
            n = 0
            while n * self.block_size < len(buf):
                self.erase(block + n)
                n += 1
        self._program(block * self.block_size + off, buf)
        return 0

    def ioctl(self, op, arg):
        """Block device control: 3 = sync, 4 = number of blocks, 5 = block size, 6 = erase block `arg`."""
        if op == 4:
            return self.blocks
        if op == 5:
            return self.block_size
        if op == 6:
            self.erase(arg)
        return 0

    def erase(self, block):
        """Set one block to 0xff."""
        n = self._before(self.block_size)
        self.stream.seek(block * self.block_size)
        left = n
        while left > 0:
            left -= self.stream.write(self._erased, min(left, _CHUNK))
        if self.dead:
            self._power_off()
        self.erases += 1
        self.erased_bytes += n
        if self.erase_us and self.stall:
            self.stall(self.erase_us)

    def _program(self, at, buf):
        """Program `buf` at byte `at`; every byte there must be erased (the scratch stays 0xff beyond what was read)."""
        if self.dead:
            raise self._cut
        start = 0
        while start < len(buf):  # no more than the scratch at once
            n = min(len(buf) - start, _CHUNK)
            self.stream.seek(at + start)
            self.stream.readinto(self._scratch, n)
            if self._scratch != self._erased:
                self._scratch[:] = self._erased
                raise RuntimeError("flash: byte range %d+%d is programmed without having been erased" % (at + start, n))
            start += n
        n = self._before(len(buf))
        self.stream.seek(at)
        self.stream.write(buf, n)
        if self.dead:
            self._power_off()
        self.programs += 1
        self.programmed_bytes += n
        if self.program_us and self.stall:
            self.stall(self.program_us * ((n + 255) >> 8))

    def _before(self, n):
        """How many of the operation's `n` bytes happen: all, or, when the power goes now, none or (torn) some; sets
        `dead`.
        """
        if self.dead:
            raise self._cut
        if self.cut_at is None or self.programs + self.erases != self.cut_at:
            return n
        self.dead = True
        return (self.cut_at * 37 + 11) % n if self.torn else 0  # spread over the operation, the same at every run

    def _power_off(self):
        if self.on_cut:
            self.on_cut()
        raise self._cut


def _is_source(file_or_path):
    return file_or_path is None or isinstance(file_or_path, str)


def _open(path, size):
    if path is None:
        return io.BytesIO(b"")
    try:
        return open(path, "r+b")
    except OSError:
        return open(path, "w+b")


def _extend(stream, size):
    """Make the image `size` bytes long, new bytes erased (0xff)."""
    have = stream.seek(0, 2)
    chunk = b"\xff" * 4096
    while have < size:
        have += stream.write(chunk, min(len(chunk), size - have))
