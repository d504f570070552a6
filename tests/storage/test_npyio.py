"""storage/npyio.py on MicroPython against NumPy, and against npyfile on the same interpreter."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from storage import npyio
from tests.tools.board_libs import board_libs
from tests.tools.micropython import HOW_TO_GET, WIDTHS, interpreter
from tests.tools.worker import BoardWorker

HERE = Path(__file__).parent
CODES = {
    "|i1": "b", "|u1": "B", "<i2": "h", "<u2": "H", "<i4": "i", "<u4": "I", "<i8": "q", "<u8": "Q",
    "<f4": "f", "<f8": "d",
}
ARRAYS = st.sampled_from(sorted(CODES)).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=6))
)
NOT_EMPTY = ARRAYS.filter(lambda a: a.size)


def worker(width, module, path=()):
    found = interpreter(width)
    if not found:
        pytest.skip(HOW_TO_GET[width])
    return BoardWorker(HERE / f"{module}.py", found, path=path)


@pytest.fixture(scope="module", params=WIDTHS)
def board(request):
    with worker(request.param, "npyio_steps") as started:
        yield started


@pytest.fixture(scope="module", params=WIDTHS)
def board_with_npyfile(request):
    with worker(request.param, "npyio_steps", (board_libs("npyfile"),)) as started:
        yield started


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("npyio") / "a.npy"


def as_read(array):
    return [list(array.shape), CODES[array.dtype.str], array.tobytes().hex()]


@settings(max_examples=150, deadline=None)
@given(array=ARRAYS, version=st.sampled_from([(1, 0), (2, 0)]), items=st.integers(1, 40), as_bytes=st.booleans())
def test_what_numpy_wrote_is_read(board, path, array, version, items, as_bytes):
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    answer = board.ask({"do": "read", "path": str(path), "buffer_items": items, "as_bytes": as_bytes})
    assert answer == as_read(array)
    assert board.ask({"do": "load", "path": str(path)}) == as_read(array)


@settings(max_examples=150, deadline=None)
@given(
    array=ARRAYS, lengths=st.lists(st.integers(0, 50), max_size=3), count_rows=st.booleans(),
    kind=st.sampled_from(["bytes", "array", "memoryview"]),
)
def test_numpy_reads_what_was_written(board, path, array, lengths, count_rows, kind):
    code = CODES[array.dtype.str]
    answer = board.ask({
        "do": "write", "path": str(path), "shape": array.shape, "typecode": code, "data": {"b": array.tobytes().hex()},
        "lengths": lengths, "kind": kind, "count_rows": count_rows,
    })
    assert answer == array.dtype.str
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        assert (version, file.tell() % 64) == ((1, 0), 0)
    got = np.load(path)
    assert (got.dtype.str, got.tobytes()) == (array.dtype.str, array.tobytes())
    rows_without_bytes = count_rows and not math.prod(array.shape[1:])  # cannot be counted
    assert got.shape == (0 if rows_without_bytes else array.shape[0], *array.shape[1:])


@settings(max_examples=60, deadline=None)
@given(array=NOT_EMPTY)
def test_npyfile_reads_ours(board_with_npyfile, path, array):
    code = CODES[array.dtype.str]
    answer = board_with_npyfile.ask({
        "do": "write", "path": str(path), "shape": array.shape, "typecode": code, "data": {"b": array.tobytes().hex()},
        "lengths": [], "kind": "bytes", "count_rows": False,
    })
    assert answer == array.dtype.str
    shape, _, data = board_with_npyfile.ask({"do": "npyfile_read", "path": str(path)})
    assert (shape, data) == (list(array.shape), array.tobytes().hex())


@settings(max_examples=60, deadline=None)
@given(array=NOT_EMPTY.filter(lambda a: a.dtype.kind == "f" or a.dtype.itemsize < 8))  # npyfile cannot write q and Q
def test_ours_reads_npyfiles(board_with_npyfile, path, array):
    code = CODES[array.dtype.str]
    data = {"b": array.tobytes().hex()}
    board_with_npyfile.ask(
        {"do": "npyfile_write", "path": str(path), "shape": array.shape, "typecode": code, "data": data}
    )
    assert board_with_npyfile.ask({"do": "load", "path": str(path)}) == as_read(array)


@pytest.mark.parametrize("array, told", [
    (np.asfortranarray(np.zeros((2, 3), "<i2")), "Fortran order"),
    (np.zeros(3, ">i2"), "dtype >i2 is big-endian"),
    (np.zeros(3, "?"), "dtype |b1: integers of 1, 2, 4, 8 and floats of 4, 8 bytes are read"),
    (np.zeros(3, "<f2"), "dtype <f2"),
    (np.zeros(3, "<c8"), "dtype <c8"),
    (np.zeros(3, "<U4"), "dtype <U4"),
    (np.zeros(3, "S1"), "dtype |S1"),
    (np.zeros(3, "<M8[us]"), "dtype <M8[us]"),
    (np.array([None]), "dtype |O"),
    (np.zeros(3, [("x", "<i2")]), "not a plain one"),
    (np.zeros((), "<i2"), "0 dimensions: 1 to 5 are possible"),
    (np.zeros((1,) * 6, "<i2"), "6 dimensions: 1 to 5 are possible"),
])
def test_what_array_cannot_hold_is_refused(board, path, array, told):
    np.save(path, array)
    text = board.ask({"do": "load", "path": str(path)})["error"]
    assert text.startswith(f"{path}: ") and told in text


def test_every_cut_is_told_with_file_and_byte(board, path):
    array = np.arange(10, dtype="<i2").reshape(5, 2)
    np.save(path, array)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        for do in ({"do": "load"}, {"do": "read", "buffer_items": 3, "as_bytes": False}):
            text = board.ask({**do, "path": str(path)})["error"]
            assert text.startswith(f"{path}: ")
            if length >= 128:
                assert text == f"{path}: cut off at byte {length}, the array ends at byte 148"


class Pipe(io.BytesIO):
    """Cannot tell how long it is."""

    def tell(self):
        raise OSError("a pipe has no position")


def test_a_cut_pipe_is_told_when_it_ends():
    file = io.BytesIO()
    np.save(file, np.arange(10, dtype="<i4"))
    buffer = bytearray(28)
    with npyio.Reader(Pipe(file.getvalue()[:-1])) as reader:
        assert reader.readinto(buffer) == 7
        with pytest.raises(ValueError, match="cut off at byte 167, the array ends at byte 168"):
            reader.readinto(buffer)


def test_two_arrays_in_one_file():
    file = io.BytesIO()
    first, second = np.arange(10, dtype="<i2"), np.arange(6, dtype="<f8").reshape(2, 3)
    np.save(file, first)
    np.save(file, second)
    file.seek(0)
    assert [npyio.load(file)[1].tolist(), npyio.load(file)[0]] == [first.tolist(), (2, 3)]
