"""Makes bundles on MicroPython, for test_bundle.py. Arguments: the function's name, then its own."""

import gc
import json
import sys

from storage import bundle


class StoredBlocks:
    """Stands in for a DeflateIO that can write: a true deflate stream of stored blocks (RFC 1951, 3.2.4)."""

    def __init__(self, stream, format, wbits=0):
        self.stream = stream

    def write(self, data):
        n = len(data)
        self.stream.write(bytes((0, n & 255, n >> 8, ~n & 255, ~n >> 8 & 255)))
        self.stream.write(data)

    def close(self):
        self.stream.write(b"\x01\x00\x00\xff\xff")


class StandIn:
    RAW, DeflateIO = 3, StoredBlocks


def prepare(method):
    """A firmware that cannot compress gets the stand-in."""
    if method not in bundle.methods():
        sys.modules["deflate"] = StandIn
    assert method in bundle.methods(), bundle.methods()


def methods():
    print(json.dumps(bundle.methods()))


def of_files(folder, names, target, method, buffer_bytes):
    """Bundle files; the output can only be written to. Prints its length."""
    prepare(method)
    opened = [(name, open(folder + "/" + name, "rb")) for name in json.loads(names)]
    with open(target, "wb") as file:

        class Pipe:
            write = file.write

        print(bundle.write(Pipe, opened, method, bytearray(int(buffer_bytes))))
    for _, file in opened:
        file.close()


def of_spool(target):
    """Record, bundle what is pending, and give up on a second bundle after its first piece."""
    from disk import Disk, begin, info, record

    with Disk(blocks=128) as disk:
        spool = disk.spool()
        writers = begin(spool, info(), info(name="mic", ext="wav", channels=1))
        for writer in writers:
            record(writer, 2000)
            record(writer, 700)
        names = spool.pending()
        with open(target, "wb") as file:
            n = bundle.write(file, bundle.of_segments(spool, names + ["dev/" + spool.session + "/imu-000099"]))
        names_and_hashes = [part for name in names for part in spool.parts(name)]
        sender = bundle.pieces(bundle.of_segments(spool, names[1:]))
        next(sender)
        assert spool.lent, "nothing is held open while it is sent"
        sender.close()
        assert not spool.lent, "held open for ever after a sender gave up"
        print(json.dumps([n, names_and_hashes]))


def large(n_bytes, method):
    """Bundle a file larger than the heap; prints its bundle's length and the most heap used at a time."""
    prepare(method)

    class Zeros:
        left = int(n_bytes)

        def readinto(self, buffer):
            n = min(len(buffer), self.left)
            self.left -= n
            return n

    class Counter:
        n = most = 0

        def write(self, data):
            self.n += len(data)
            gc.collect()
            self.most = max(self.most, gc.mem_alloc())

    counter = Counter()
    bundle.write(counter, [("large.bin", Zeros())], method, bytearray(16384))
    print(counter.n, counter.most)


globals()[sys.argv[1]](*sys.argv[2:])
