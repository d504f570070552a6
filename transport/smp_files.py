"""SMP's file group (8), read-only, over the spool: download, length, CRC-32 and SHA-256 of any part of a file.

A file's name is `/` and its remote name (`/<device>/<session>/imu-000003.npy`; the first `/` may be missing), or
`/index`: a list of the oldest files that wait, as text, for clients that know only this group. Zephyr's documentation
of the "SMP Group 8 - File Management" says what each field means.
"""

import asyncio
import hashlib
import io
from binascii import crc32

from transport import cbor, smp

GROUP = 8
SLICE_BYTES = 2048  # read at once; then others have their turn: 1 to 2 ms on a board's flash
INDEX = "/index"
_INDEX_BYTES = 4096
_HEAD_BYTES = 35  # in front of a download's data, at most: with fewer, not more data, so that all answers hold the same

BAD_NAME, NOT_FOUND, READ_FAILED, BEYOND_END, NO_SUCH_HASH, READ_ONLY = 2, 3, 7, 12, 13, 15  # FS_MGMT_ERR_...


class Files:
    """Handlers of the group. Each opens the file anew: nothing is kept between requests.

    `limit`: bytes of the longest answer to a download.
    """

    def __init__(self, spool, limit):
        self._spool = spool
        self.limit = limit

    def handlers(self):
        return {
            (GROUP, 0): self._download,
            (GROUP, 1): self._length,
            (GROUP, 2): self._hash,
            (GROUP, 3): self._hashes,
            (GROUP, 4): self._close,
        }

    async def _download(self, op, request, out):
        """{"off", "name"} -> {"off", "data"}, and "len" of the whole file when off is 0."""
        if op != smp.READ:
            raise smp.Error(smp.DENIED, READ_ONLY)
        off = _count(request["off"])
        file = await self._open(request["name"])
        try:
            size = _seek_within(file, off)
            out.head(cbor.MAP, 2 if off else 3)
            out.value("off")
            out.value(off)
            if not off:
                out.value("len")
                out.value(size)
            out.value("data")
            n = min(size - off, self.limit - _HEAD_BYTES)
            out.head(cbor.BYTES, n)
        except BaseException:
            file.close()
            raise
        return file, n

    async def _length(self, op, request, out):
        """{"name"} -> {"len"}"""
        with await self._open(request["name"]) as file:
            out.value({"len": file.seek(0, 2)})

    async def _hash(self, op, request, out):
        """{"name", "type", "off", "len"} -> {"type", "off" unless it is 0, "len", "output"} of that part of the file;
        all but the name may be missing.
        """
        kind = request.get("type") or "crc32"
        if kind not in ("crc32", "sha256"):
            raise smp.Error(smp.INVALID, NO_SUCH_HASH)
        off = _count(request.get("off") or 0)
        with await self._open(request["name"]) as file:
            n = _seek_within(file, off) - off
            if request.get("len") is not None:
                n = min(n, _count(request["len"]))
            sha256 = hashlib.sha256() if kind == "sha256" else None
            crc = await checksum(file, n, 0, memoryview(out.buffer)[smp.HEADER_BYTES :], sha256)
        answer = {"type": kind, "len": n, "output": sha256.digest() if sha256 else crc}
        if off:
            answer["off"] = off
        out.value(answer)

    async def _hashes(self, op, request, out):
        out.value({"types": {"crc32": {"format": 0, "size": 4}, "sha256": {"format": 1, "size": 32}}})

    async def _close(self, op, request, out):
        """Nothing is open between requests."""
        out.value({})

    async def _open(self, name):
        name = name if name.startswith("/") else "/" + name
        if name == INDEX or name.startswith(INDEX + "/"):
            return io.BytesIO(await self._index(name))
        if not is_name(name[1:], self._spool.device):
            raise smp.Error(smp.INVALID, BAD_NAME)
        try:
            return self._spool.open(name[1:])
        except OSError:
            raise smp.Error(smp.NO_ENTRY, NOT_FOUND) from None

    async def _index(self, name):
        """-> lines `<bytes> <SHA-256> /<remote name>`, in a bytearray; the last one names the next page if there is
        one: `/index/20` begins with the 20th name that waits.
        """
        first = int(name[len(INDEX) + 1 :] or 0)
        text = bytearray()
        at = 0
        for name, _ in self._spool.waiting():
            await asyncio.sleep_ms(0)
            if at >= first:
                lines = ["%d %s /%s\n" % (size, sha256, remote) for remote, size, sha256 in parts(self._spool, name)]
                if len(text) + sum([len(line) for line in lines]) > _INDEX_BYTES:
                    text.extend(("more: %s/%d\n" % (INDEX, at)).encode())
                    break
                for line in lines:
                    text.extend(line.encode())
            at += 1
        return text


def parts(spool, name):
    """-> the spool's parts of a name; [] when it is gone, or damaged."""
    try:
        return spool.parts(name)
    except OSError:
        return []


async def checksum(file, n, crc, scratch, sha256=None):
    """-> CRC-32 of the next n bytes of the file, going on from `crc`; fed to `sha256` as well, if there is one."""
    while n:
        got = file.readinto(scratch[: min(n, SLICE_BYTES, len(scratch))])
        if not got:
            raise smp.Error(smp.UNKNOWN, READ_FAILED)
        piece = scratch[:got]
        if sha256:
            sha256.update(piece)
        crc = crc32(piece, crc)
        n -= got
        await asyncio.sleep_ms(0)
    return crc


def is_name(name, device):
    """-> whether it is shaped as `<device>/<session>/<file>`, and so cannot lead anywhere else."""
    places = name.split("/")
    if len(name) > 120 or len(places) != 3 or places[0] != device or "." not in places[2]:
        return False
    return all([_is_plain(place) for place in places])


def _is_plain(place):
    if not place or place[0] == ".":
        return False
    for letter in place:
        if not ("a" <= letter <= "z" or "A" <= letter <= "Z" or "0" <= letter <= "9" or letter in "._-"):
            return False
    return True


def _seek_within(file, off):
    """Go to `off`. -> length of the file."""
    size = file.seek(0, 2)
    if off > size:
        raise smp.Error(smp.INVALID, BEYOND_END)
    file.seek(off)
    return size


def _count(value):
    """`value` if it is a whole number from 0; else ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("no offset or length")
    return value
