"""storage/npyio.py on the board: memory, mistakes of the caller, files left behind."""

import array
import gc
import io
import os

from storage import npyio

PATH = "mp_npyio.tmp"


def told(function, *arguments):
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)
    raise AssertionError("no ValueError")


def remove():
    try:
        os.remove(PATH)
    except OSError:
        pass


def test_streams_need_no_memory_of_the_arrays_size():
    block = array.array("h", bytes(2 * 4096))
    view = memoryview(block)
    with npyio.Writer(PATH, (100, 4096), "h") as w:
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        for _ in range(100):
            w.write(block)
        writing = gc.mem_alloc() - before
    with npyio.Reader(PATH) as r:
        gc.collect()
        before = gc.mem_alloc()
        rows = 0
        while r.readinto(view) == 4096:
            rows += 1
        reading = gc.mem_alloc() - before
    gc.enable()
    remove()
    assert rows == 100
    assert writing < 50000 and reading < 100000, (writing, reading)  # of 819200; small objects only


def test_a_buffer_of_another_type_is_refused_and_nothing_is_written():
    unsigned, floats, bytes_ = array.array("H", [1, 2]), array.array("f", [1]), array.array("b", [1])
    for wrong in (unsigned, floats, memoryview(array.array("i", [1])), bytes_):
        file = io.BytesIO()
        w = npyio.Writer(file, (2,), "h")
        length = len(file.getvalue())
        text = told(w.write, wrong)
        assert text == ".npy: the buffer's items are not of the file's type <i2", text
        assert len(file.getvalue()) == length


def test_more_than_the_shape_holds_is_refused_and_less_is_told_at_the_end():
    file = io.BytesIO()
    w = npyio.Writer(file, (2, 3), "h")
    w.write(bytes(8))
    text = told(w.write, bytes(6))
    assert text == ".npy: 2 bytes more than its shape (2, 3) holds", text
    text = told(w.close)
    assert text == ".npy: 8 bytes of data were written, 2 rows of shape (3,) need 12", text
    w.close()  # is closed already


def test_an_exception_inside_with_is_not_replaced():
    try:
        with npyio.Writer(PATH, (2, 3), "h"):
            raise RuntimeError("a driver failed")
    except RuntimeError as error:
        assert str(error) == "a driver failed"
    text = told(npyio.load, PATH)
    assert text.startswith(PATH + ": cut off at byte 128, the array ends at byte 140"), text
    remove()


def test_rows_that_are_counted():
    with npyio.Writer(PATH, (None, 3), "f") as w:
        w.write(array.array("f", [1, 2, 3]))
        with open(PATH, "rb") as f:
            assert b"'shape': (0, 3)" in f.read(128)
        w.write(array.array("f", [4, 5, 6]))
    shape, data = npyio.load(PATH)
    assert (shape, list(data)) == ((2, 3), [1, 2, 3, 4, 5, 6])
    w = npyio.Writer(PATH, (None, 3), "f")
    w.write(bytes(13))
    text = told(w.close)
    assert text == PATH + ": 13 bytes of data were written, 1 rows of shape (3,) need 12", text
    with npyio.Reader(PATH) as r:
        assert r.shape == (1, 3)
    remove()


def test_counted_rows_in_the_middle_of_a_file():
    file = io.BytesIO()
    file.write(b"abc")
    with npyio.Writer(file, (None,), "b") as w:
        w.write(b"defg")
    file.write(b"h")
    file.seek(3)
    assert npyio.load(file) == ((4,), array.array("b", b"defg"))
    assert file.getvalue()[-5:] == b"defgh"


def test_wrong_shapes_and_typecodes():
    assert told(npyio.Writer, PATH, (), "h") == "0 dimensions: 1 to 5 are possible"
    assert told(npyio.Writer, PATH, (1,) * 6, "h") == "6 dimensions: 1 to 5 are possible"
    assert told(npyio.Writer, PATH, (1, -2), "h") == "shape (1, -2) has a negative length"
    assert told(npyio.Writer, PATH, (1,), "O") == "typecode 'O': a .npy file takes one of b B h H i I l L q Q f d"
    assert PATH not in os.listdir()


def test_ports_differ_in_the_size_of_l():
    for code in "lL":
        file = io.BytesIO()
        npyio.save(file, array.array(code, [1, 2]))
        file.seek(0)
        shape, data = npyio.load(file)
        assert (shape, list(data)) == ((2,), [1, 2])
        assert len(file.getvalue()) - 128 == len(bytes(array.array(code, [1, 2])))


def test_save_of_many_dimensions():
    file = io.BytesIO()
    npyio.save(file, array.array("q", range(8)), (1, 2, 1, 2, 2))
    file.seek(0)
    assert npyio.load(file) == ((1, 2, 1, 2, 2), array.array("q", range(8)))
