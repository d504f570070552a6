"""The NOR flash model: what it stores, counts, refuses, and how it loses power."""

import io
import os

import micropython
import vfs

from host.virtual.port.flash import Flash, PowerCut

IMAGE = "mp_flash.%d.tmp" % os.urandom(1)[0]


def raises(kind, call):
    try:
        call()
    except kind as e:
        return e
    raise AssertionError("%s expected" % kind)


def test_new_memory_is_erased():
    dev = Flash(None, 3, 512)
    assert dev.snapshot() == b"\xff" * 1536
    assert (dev.ioctl(4, 0), dev.ioctl(5, 0)) == (3, 512)


def test_program_read_erase_and_counters():
    dev = Flash(None, 2, 512)
    dev.writeblocks(1, b"abcd", 8)
    got = bytearray(6)
    dev.readblocks(1, got, 7)
    assert got == b"\xffabcd\xff", got
    dev.ioctl(6, 1)
    assert dev.snapshot() == b"\xff" * 1024
    assert (dev.programs, dev.programmed_bytes, dev.erases, dev.erased_bytes) == (1, 4, 1, 512)
    assert dev.reads == 1


def test_programming_a_programmed_byte_is_refused():
    dev = Flash(None, 2, 512)
    dev.writeblocks(0, b"\x00", 100)
    before = dev.snapshot()
    raises(RuntimeError, lambda: dev.writeblocks(0, b"abcd", 97))
    assert dev.snapshot() == before and dev.programs == 1
    dev.writeblocks(0, b"abcd", 101)  # the refusal left nothing behind


def test_simple_interface_erases_first():
    dev = Flash(None, 4, 512)
    dev.writeblocks(1, b"x" * 1024)
    dev.writeblocks(1, b"y" * 1024)
    assert dev.snapshot() == b"\xff" * 512 + b"y" * 1024 + b"\xff" * 512
    assert dev.erases == 4


def test_an_existing_image_is_kept_and_extended():
    try:
        dev = Flash(IMAGE, 1, 512)
        dev.writeblocks(0, b"keep", 0)
        dev.close()
        dev = Flash(IMAGE, 2, 512)
        assert dev.snapshot() == b"keep" + b"\xff" * 1020
        dev.close()
    finally:
        os.remove(IMAGE)


def test_no_heap():
    for source in (None, IMAGE):
        dev = Flash(source, 4, 4096)
        page = bytearray(128)
        dev.writeblocks(1, page, 0)
        micropython.heap_lock()
        try:
            dev.ioctl(6, 1)
            dev.writeblocks(1, page, 256)
            dev.readblocks(1, page, 250)
        finally:
            micropython.heap_unlock()
        dev.close()
    os.remove(IMAGE)


def test_stalls():
    dev = Flash(None, 2, 4096)
    stalls = []
    dev.stall = stalls.append
    dev.erase_us = 45000
    dev.program_us = 700
    dev.writeblocks(0, bytes(257), 0)
    dev.ioctl(6, 0)
    assert stalls == [1400, 45000], stalls


def test_cut_happens_at_operation_k_and_is_final():
    for torn in (False, True):
        dev = Flash(None, 2, 512)
        dev.torn = torn
        dev.cut_at = 2
        dev.ioctl(6, 0)
        dev.writeblocks(0, b"a" * 256, 0)
        raises(PowerCut, lambda dev=dev: dev.writeblocks(0, b"b" * 256, 256))
        written = dev.snapshot()[256:512].rstrip(b"\xff")
        assert written == b"b" * (85 if torn else 0), written
        raises(PowerCut, lambda dev=dev: dev.readblocks(0, bytearray(1), 0))
        raises(PowerCut, lambda dev=dev: dev.ioctl(6, 1))
        assert dev.operations == 2


def test_torn_erase():
    dev = Flash(None, 1, 512)
    dev.writeblocks(0, bytes(512), 0)
    dev.cut_at = 1
    dev.torn = True
    raises(PowerCut, lambda: dev.ioctl(6, 0))
    assert dev.snapshot() == b"\xff" * 48 + bytes(464)


def test_littlefs_survives_a_cut_at_every_operation():
    base = Flash(None, 16, 4096)
    vfs.VfsLfs2.mkfs(base)
    image = base.snapshot()
    done = False
    k = 0
    while not done:
        dev = Flash(io.BytesIO(image), 16, 4096)
        dev.cut_at = k
        dev.torn = k & 1 == 1
        try:
            fs = vfs.VfsLfs2(dev)
            with fs.open("a.txt", "w") as f:
                f.write("x" * 300)
            done = True
        except PowerCut:
            pass
        fs = vfs.VfsLfs2(Flash(io.BytesIO(dev.snapshot()), 16, 4096))
        sizes = [e[3] for e in fs.ilistdir("/")]
        assert sizes in ([], [0], [300]), sizes
        k += 1
    assert k > 3 and sizes == [300]
