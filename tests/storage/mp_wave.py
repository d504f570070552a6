"""storage/wave.py on the board: memory, real files, arrays, and when the header is patched."""

import array
import gc
import os

from storage import wave

PATH = "mp_wave.tmp"


class Counting:
    """A file that counts its seeks and writes."""

    def __init__(self, inner):
        self.inner, self.seeks, self.writes = inner, 0, 0
        self.tell, self.flush = inner.tell, inner.flush

    def write(self, data):
        self.writes += 1
        return self.inner.write(data)

    def seek(self, offset, whence=0):
        self.seeks += 1
        return self.inner.seek(offset, whence)


def remove():
    try:
        os.remove(PATH)
    except OSError:
        pass


def test_arrays_of_every_width_come_back_from_a_file():
    for typecode, width, items in (("B", 1, [0, 255]), ("h", 2, [-32768, 32767]), ("i", 4, [-(2**31), 2**31 - 1])):
        with wave.open(PATH, "wb") as w:
            w.setparams((2, width, 44100, 0, "NONE", "not compressed"))
            w.writeframes(array.array(typecode, items))
            w.writeframes(memoryview(array.array(typecode, items)))
            assert w.getnframes() == 2
        with wave.open(PATH, "rb") as r:
            assert r.getparams() == (2, width, 44100, 2, "NONE", "not compressed"), r.getparams()
            assert r.getparams().framerate == 44100
            assert r.readframes(9) == bytes(array.array(typecode, items + items))
        assert os.stat(PATH)[6] == 44 + 4 * width
    remove()


def test_header_is_patched_only_when_it_is_wrong():
    for promised, patches in ((3, 0), (2, 1)):
        with open(PATH, "wb") as inner:
            file = Counting(inner)
            with wave.open(file, "wb") as w:
                w.setparams((1, 2, 8000, promised, "NONE", "not compressed"))
                for _ in range(3):
                    w.writeframesraw(b"ab")
            assert (file.seeks, file.writes) == (3 * patches, 4 + 2 * patches), (file.seeks, file.writes)
        with wave.open(PATH) as r:
            assert r.getnframes() == 3
    remove()


def test_readframes_allocates_its_result_only():
    with wave.open(PATH, "wb") as w:
        w.setparams((1, 2, 8000, 20000, "NONE", "not compressed"))
        w.writeframes(bytes(40000))
    with wave.open(PATH) as r:
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        data = r.readframes(10000)
        used = gc.mem_alloc() - before
        gc.enable()
        assert len(data) == 20000 and used < 20000 + 600, used
    remove()


def test_writeframes_copies_nothing():
    data = bytes(20000)
    with wave.open(PATH, "wb") as w:
        w.setparams((1, 2, 8000, 20000, "NONE", "not compressed"))
        w.writeframes(data)
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        w.writeframesraw(memoryview(data))
        used = gc.mem_alloc() - before
        gc.enable()
        assert used < 1200, used  # exceptions, not samples
    remove()


def test_missing_file_raises_oserror_and_a_wrong_one_is_closed():
    remove()
    try:
        wave.open(PATH)
        raise AssertionError("opened a file that is not there")
    except OSError:
        pass
    with open(PATH, "wb") as f:
        f.write(b"not a WAV file at all")
    try:
        wave.open(PATH)
        raise AssertionError("read a text as WAV")
    except wave.Error as error:
        assert str(error) == "file does not start with RIFF id", error
    remove()


def test_numbers_too_big_for_the_header_raise():
    for params in ((65536, 1, 8000, 0), (1, 1, 2**32, 0), (1, 2, 8000, 2**31)):
        w = wave.open(PATH, "wb")
        w.setparams(params + ("NONE", ""))
        try:
            w.writeframes(b"")
            raise AssertionError("wrote %s into a WAV header" % (params,))
        except ValueError as error:
            assert "format requires 0 <= number <=" in str(error), error
        try:
            w.close()
        except ValueError:
            pass
    remove()
