"""What a motion sensor feels: rows of six int16 counts (ax ay az gx gy gz), from a recording or synthesised.

A source has `row(i)`, which puts row i (any i >= 0) into `counts`. It allocates nothing. A recording starts again
from the top after its last row. With `rate_hz` it plays by the world's time, so many rows per second, however often it
is asked: `row_at(us)` is the row of a time; with None the sensor takes one row per sample. What a recording of three
columns lacks, the gyroscope, is synthesised by `synthetic_gyro`.
"""

import struct
from array import array

_BUFFER_ROWS = 64


def sine(phase):
    """About 1024 * sin(2 pi phase / 1024), as an int: a parabola for each half wave."""
    half = phase & 511
    height = half * (512 - half) >> 6
    return -height if phase & 512 else height


def synthetic_gyro(counts, i):
    """Row i of the gyroscope into counts[3:6]: three slow waves, x strongest."""
    counts[3] = sine(5 * i)
    counts[4] = sine(7 * i + 256) >> 1
    counts[5] = sine(11 * i + 512) >> 2


class Source:
    """What the two kinds have in common."""

    rate_hz = None

    def row_at(self, us):
        """The row that is felt so long after the world began."""
        return us * self.rate_hz // 1000000


class Motion(Source):
    """A hand that waves, at about 8192 counts for 1 g; faint noise that depends on `seed` and the row only."""

    def __init__(self, seed=1):
        self.counts = array("h", bytes(12))
        self._seed = seed

    def row(self, i):
        counts = self.counts
        counts[0] = 4 * sine(9 * i) + self._noise(6 * i)
        counts[1] = 2 * sine(13 * i + 200) + self._noise(6 * i + 1)
        counts[2] = 8192 + sine(18 * i) + self._noise(6 * i + 2)
        synthetic_gyro(counts, i)

    def _noise(self, i):
        """-8 .. 7"""
        mixed = ((i ^ self._seed * 7919) & 0xFFFF) * 20077 & 0x3FFFFFFF
        return (mixed >> 13 & 15) - 8


class NpyRows(Source):
    """A recording: `.npy`, format version 1, 2 or 3, little-endian int16, C order, shape (n, 3) or (n, 6), n > 0.

    `file` is open for reading binary; a small buffer of rows is read at a time. Anything else is a ValueError that
    says what.
    """

    def __init__(self, file, name):
        self._file = file
        self._start, self.rows, self._columns = _npy_header(file, name)
        row_bytes = 2 * self._columns
        self._row_bytes = row_bytes
        self._buffer = array("h", bytes(_BUFFER_ROWS * row_bytes))
        self._first = -1
        self.counts = array("h", bytes(12))
        size = file.seek(0, 2)
        if size < self._start + self.rows * row_bytes:
            raise ValueError(f"{name}: holds {size} bytes, its header promises {self._start + self.rows * row_bytes}")

    def row(self, i):
        at = i % self.rows
        first = at - at % _BUFFER_ROWS
        if first != self._first:
            self._file.seek(self._start + first * self._row_bytes)
            self._file.readinto(self._buffer)
            self._first = first
        columns = self._columns
        base = (at - first) * columns
        counts = self.counts
        buffer = self._buffer
        for k in range(columns):
            counts[k] = buffer[base + k]
        if columns == 3:
            synthetic_gyro(counts, i)


def _npy_header(file, name):
    """-> (offset of the data, rows, columns). Reference: numpy.lib.format."""
    start = file.read(12)
    if start[:6] != b"\x93NUMPY" or len(start) < 12 or not 1 <= start[6] <= 3:
        raise ValueError(f"{name}: not a .npy file")
    offset = 10 if start[6] == 1 else 12
    length = struct.unpack("<H" if start[6] == 1 else "<I", start[8:offset])[0]
    file.seek(offset)
    header = file.read(length).decode()
    kind = _field(header, "descr", name)
    shape = tuple(int(n) for n in _field(header, "shape", name).strip("()").split(",") if n.strip())
    order = _field(header, "fortran_order", name)
    if kind != "<i2" or order != "False" or len(shape) != 2 or shape[1] not in (3, 6) or shape[0] < 1:
        raise ValueError(f"{name}: is {kind} {shape}; int16 (n, 3) or (n, 6) in C order with n > 0 is needed")
    return offset + length, shape[0], shape[1]


def _field(header, key, name):
    """The text of one value of the header's dictionary."""
    for quote in "'\"":
        at = header.find(quote + key + quote)
        if at >= 0:
            value = header[header.index(":", at) + 1 :].strip()
            if value[0] == "(":
                return value[: value.index(")") + 1]
            if value[0] in "'\"":
                return value[1 : value.index(value[0], 1)]
            return value.replace("}", ",").split(",")[0].strip()
    raise ValueError(f"{name}: its header lacks {key!r}")
