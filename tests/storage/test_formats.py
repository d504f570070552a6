"""The headers of .npy and .wav files against NumPy and CPython's `wave`, which are their readers."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import npy, wavfmt


@given(st.integers(0, 3000), st.integers(1, 9))
def test_npy_header_is_read_by_numpy(frames, channels):
    header = npy.header(frames, channels)
    data = np.arange(frames * channels, dtype="<i2").reshape(frames, channels)
    back = np.load(io.BytesIO(header + data.tobytes()), allow_pickle=False)
    assert back.dtype == np.dtype("<i2") and np.array_equal(back, data) and back.flags.c_contiguous


@given(st.integers(0, 10**40), st.integers(1, 99))
def test_npy_header_is_as_long_for_every_number_of_frames(frames, channels):
    """So a segment that is cut short keeps its place for the data."""
    assert len(npy.header(frames, channels)) == 128
    assert npy.read_header(io.BytesIO(npy.header(frames, channels))) == ("<i2", False, (frames, channels), 128)


def test_npy_header_byte_by_byte():
    expected = (
        b"\x93NUMPY" b"\x01\x00" b"\x76\x00"
        b"{'descr': '<i2', 'fortran_order': False, 'shape': (8192, 6), }" + b" " * 55 + b"\n"
    )
    assert npy.header(8192, 6) == expected and len(expected) == 128


@given(
    st.sampled_from(["<i2", "|u1", "<f4", ">i4", "<f8", "|b1"]),
    st.lists(st.integers(0, 4), max_size=5),
    st.booleans(),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
)
def test_headers_that_numpy_writes_are_read(dtype, shape, fortran, version):
    array = np.zeros(shape, dtype, order="F" if fortran else "C")
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    file.seek(0)
    descr, is_fortran, back, offset = npy.read_header(file)
    assert (descr, back) == (dtype, tuple(shape)) and offset == len(file.getvalue()) - array.nbytes
    assert is_fortran == (array.flags.f_contiguous and not array.flags.c_contiguous)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"", "does not start"),
        (b"RIFF....WAVE", "does not start"),
        (b"\x93NUMPY\x09\x00", "version 9"),
        (npy.header(5, 5)[:60], "cut off: 50 of 118"),
        (b"\x93NUMPY\x01\x00\x10", "cut off"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "longer than"),
        (npy.header(5, 5).replace(b"'shape'", b"'shabe'"), "no shape"),
        (npy.header(5, 5).replace(b"(5, 5)", b"(5, x)"), "'x'"),
        (npy.header(5, 5).replace(b"(5, 5)", b"[5, 5]"), "no tuple"),
        (npy.header(5, 5).replace(b"'<i2'", b"[('a'"), "plain"),
        (npy.header(5, 5).replace(b"False", b"None_"), "neither"),
        (npy.header(5, 5).replace(b"descr", b"\xff\xff\xff\xff\xff"), "no text"),
    ],
)
def test_odd_npy_headers_are_refused_in_words(file, says):
    with pytest.raises(ValueError, match="npy") as error:
        npy.read_header(io.BytesIO(file))
    assert says in str(error.value)


@given(st.integers(0, 2000), st.integers(1, 8), st.sampled_from([8000, 16000, 44100, 15999.6]))
def test_wav_header_is_that_of_cpython(frames, channels, rate_hz):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, 2, round(rate_hz), frames, "NONE", ""))
        writer.writeframes(bytes(frames * channels * 2))
    assert wavfmt.header(frames, channels, rate_hz) == file.getvalue()[:44]
    file.seek(0)
    assert wavfmt.read_header(file) == (frames, channels, round(rate_hz), 16, 44)


def test_wav_file_beyond_4_gib_is_refused():
    assert wavfmt.header(2147483629, 1, 1)[4:8] == b"\xfe\xff\xff\xff"
    with pytest.raises(ValueError, match="4 GiB"):
        wavfmt.header(2147483630, 1, 1)


@given(st.lists(st.tuples(st.sampled_from([b"LIST", b"fact", b"cue "]), st.binary(max_size=9)), max_size=4))
def test_other_chunks_are_skipped(chunks):
    plain = wavfmt.header(3, 2, 8000)
    extra = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for kind, data in chunks)
    file = plain[:36] + extra + plain[36:] + bytes(12)
    assert wavfmt.read_header(io.BytesIO(file)) == (3, 2, 8000, 16, 44 + len(extra))


def test_extensible_wav():
    guid = struct.pack("<HHIH", 22, 16, 3, 1) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    fmt = struct.pack("<HHIIHH", 0xFFFE, 2, 48000, 192000, 4, 16) + guid
    file = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data\x08\0\0\0"
    assert wavfmt.read_header(io.BytesIO(file)) == (2, 2, 48000, 16, len(file))


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"\x93NUMPY", "does not start"),
        (b"RIFF\0\0\0\0AVI ", "does not start"),
        (wavfmt.header(1, 1, 8000)[:36], "without a data chunk"),
        (wavfmt.header(1, 1, 8000)[:12], "without a fmt chunk"),
        (wavfmt.header(1, 1, 8000)[:12] + b"data\0\0\0\0", "before its fmt"),
        (wavfmt.header(1, 1, 8000)[:20] + b"\x03\x00" + wavfmt.header(1, 1, 8000)[22:], "encoding 3"),
        (wavfmt.header(1, 1, 8000)[:22] + b"\x03\x00" + wavfmt.header(1, 1, 8000)[24:], "contradicts"),
        (wavfmt.header(1, 1, 8000)[:16] + b"\x04\0\0\0" + bytes(4), "4 bytes"),
    ],
)
def test_odd_wav_files_are_refused_in_words(file, says):
    with pytest.raises(ValueError, match="WAV") as error:
        wavfmt.read_header(io.BytesIO(file))
    assert says in str(error.value)
