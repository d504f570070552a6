"""An SD card, or any block device that may refuse, stall or vanish, under FAT or LittleFS; and its coming back.

Two things would harm a recording. An exception out of a block device leaves the file system's C code by a jump, in the
middle of its work; and `sdcard.py` says nothing when a card refuses a block. So `Card` answers with error codes, and
believes no write that the driver did not vouch for. `Volume` mounts it, and mounts it anew after it failed.
"""

from time import ticks_diff, ticks_ms

import vfs

EIO = 5
ENODEV = 19
SECTOR = 512  # bytes: what drivers of cards count in
LFS_BLOCK = 4096
TRIES = 3  # of each request
_READ, _WRITE = 1, 2  # requests, beside _SYNC
_SYNC, _COUNT, _SIZE = 3, 4, 5  # operations of `ioctl`


class Card:
    """A block device (both interfaces of MicroPython's) on the driver of a card, for one mount.

    `driver`: `readblocks(sector, buf)`, `writeblocks(sector, buf)` and `ioctl(op, arg)` in sectors of 512 bytes, as
    machine.SDCard and micropython-lib's sdcard.SDCard have them. It fails by raising, by False or by another number
    than 0. A write that it answers with True or 0 is believed: that driver has read the card's answer. One that it
    answers with None is read back and compared, which doubles what goes over the bus.

    A request is tried TRIES times; when that was in vain the card is `failed` and answers EIO to everything: what the
    file system holds in RAM is not what is on the card any more. `retries`, `rejected` (writes that read back as
    something else), `longest_ms` (a request with all its tries) are counted.
    """

    def __init__(self, driver):
        self._driver = driver
        self._scratch = bytearray(LFS_BLOCK)
        self._views = {}  # length -> that much of the scratch
        self.block_size = SECTOR
        self.failed = False
        self.retries = self.rejected = self.longest_ms = 0

    def file_system(self):
        """-> the VfsLfs2 or VfsFat that is on the card. OSError: it does not answer, or holds neither."""
        for sector in (0, LFS_BLOCK // SECTOR):  # of the two copies of its first block LittleFS needs one
            view = self._view(SECTOR)
            if self._request(_READ, sector, view):
                raise OSError(EIO, "the card does not answer")
            if bytes(view[8:16]) == b"littlefs":
                self.block_size = LFS_BLOCK
                return vfs.VfsLfs2(self, readsize=SECTOR, progsize=SECTOR)
        return vfs.VfsFat(self)

    def readblocks(self, block, buf, off=0):
        """Fill `buf` from `off` bytes into `block`. -> 0 or -EIO."""
        return self._request(_READ, (block * self.block_size + off) // SECTOR, buf)

    def writeblocks(self, block, buf, off=0):
        """Write `buf` to `off` bytes into `block`. -> 0 or -EIO."""
        return self._request(_WRITE, (block * self.block_size + off) // SECTOR, buf)

    def ioctl(self, op, arg):
        """Block device control. A card erases by itself, and is made ready by its driver."""
        if op == _SIZE:
            return self.block_size
        if op == _COUNT:
            return self._driver.ioctl(op, arg) * SECTOR // self.block_size
        if op == _SYNC:
            return self._request(_SYNC, arg, None)
        return 0

    def _request(self, what, sector, buf):
        """Until it has gone well, at most TRIES times; no bound method is passed, so that nothing is allocated."""
        if self.failed:
            return -EIO
        start = ticks_ms()
        tries = TRIES
        while tries:
            try:
                if self._do(what, sector, buf):
                    break
            except Exception:  # noqa: BLE001 - whatever it is, it must not reach the file system
                pass
            tries -= 1
            self.retries += 1
        self.failed = not tries
        took_ms = ticks_diff(ticks_ms(), start)
        if took_ms > self.longest_ms:
            self.longest_ms = took_ms
        return -EIO if self.failed else 0

    def _do(self, what, sector, buf):
        """-> whether it went well."""
        if what == _READ:
            return _is_good(self._driver.readblocks(sector, buf))
        if what == _SYNC:
            return _is_good(self._driver.ioctl(_SYNC, sector))
        answer = self._driver.writeblocks(sector, buf)
        return _is_good(answer) if answer is not None else self._is_there(sector, buf)

    def _is_there(self, sector, buf):
        """-> whether the card holds `buf`."""
        n = len(buf)
        at = 0
        while at < n:
            step = min(n - at, LFS_BLOCK)
            view = self._view(step)
            if not _is_good(self._driver.readblocks(sector + at // SECTOR, view)):
                return False
            if view != (buf if step == n else buf[at : at + step]):
                self.rejected += 1
                return False
            at += step
        return True

    def _view(self, n):
        if n not in self._views:
            self._views[n] = memoryview(self._scratch)[:n]
        return self._views[n]


class Volume:
    """A card mounted at `path`. `open_driver()` makes a driver, which initialises the card, or raises OSError.

    `failures`: how often a card was lost that had been mounted.
    """

    def __init__(self, path, open_driver):
        self._path = path
        self._open_driver = open_driver
        self.card = None
        self.failures = 0

    def ready(self):
        """Mount the card, if it is not mounted or has failed. -> whether that was needed; OSError: in vain.

        Files that were open on a card that failed stay dead: close them and open them anew.
        """
        if self.card:
            if not self.card.failed:
                return False
            self.failures += 1
            self.unmount()
        card = Card(self._open_driver())
        try:
            vfs.mount(card.file_system(), self._path)
        except OSError as error:
            raise OSError(ENODEV, "no card with FAT or LittleFS at %s: %s" % (self._path, error)) from None
        self.card = card
        return True

    def unmount(self):
        """Let the card go."""
        if self.card:
            self.card = None
            try:
                vfs.umount(self._path)
            except OSError:
                pass  # it is not mounted any more, whatever it had still to write

    def status(self):
        """-> counters of the card as a dict."""
        card = self.card
        status = {"mounted": bool(card) and not card.failed, "failures": self.failures}
        if card:
            status.update({"retries": card.retries, "rejected": card.rejected, "longest_ms": card.longest_ms})
        return status


def _is_good(answer):
    """-> whether a driver's answer to a request means success: None, True or 0."""
    return answer is None or answer is True or (answer is not False and answer == 0)
