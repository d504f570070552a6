"""NumPy's `.npy` files as streams, for the board: write and read arrays that are larger than the memory.

    with Writer("a.npy", (1000, 3), "h") as w:      with Reader("a.npy") as r:
        for block in blocks:                            print(r.shape, r.typecode)
            w.write(block)                              while n := r.readinto(block):
                                                            use(block, n)

Every integer and float type of `array`, 1 to 5 dimensions, C order, little-endian. Buffers go to the file as they are:
nothing is packed or unpacked item by item. `save` and `load` do it in one call. `file` is a path or an open binary
file; a path is closed at the end, a file of the caller's is not. Errors are ValueError with the file and the byte.

Version 1 is written: with 5 dimensions its header (65,535 bytes of text) is never too small. 1 and 2 are read.
"""

import array
import struct

from storage.npy import array_header, read_header

MAX_DIMENSIONS = 5
_TYPECODES = {
    "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q", "f4": "f", "f8": "d",
}
_StructError = getattr(struct, "error", ValueError)  # MicroPython's struct has none


class Writer:
    """Writes one array; takes whole buffers in C order until `shape` is filled.

    `shape[0]` may be None: close() then patches the header. On LittleFS that copies the whole file, and until then the
    file says that it has no rows. `file` must be able to seek in this case.
    """

    def __init__(self, file, shape, typecode):
        """Writes the header. ValueError for a shape or typecode that cannot be stored."""
        self.shape = shape = tuple(shape)
        _check_shape(shape)
        self.descr = _descr(typecode)
        self.itemsize = struct.calcsize(typecode)
        self._row_bytes = _product(shape[1:]) * self.itemsize
        self._written = 0
        self._name, self._file, self._ours = _opened(file, "wb")
        try:
            if shape[0] is None:
                self._start = self._file.tell()
            header = array_header(self.descr, (shape[0] or 0,) + shape[1:])
            self._header_bytes = len(header)
            self._file.write(header)
        except BaseException:
            self._release()
            raise

    def write(self, data):
        """Write a buffer: an array of this type, or bytes (as they shall stand in the file).

        ValueError when it does not fit into the shape or holds another type; nothing is written then.
        """
        size, n_bytes = _sizes(data)
        if size not in (1, self.itemsize) or isinstance(data, array.array) and _descr(_typecode(data)) != self.descr:
            raise ValueError("%s: the buffer's items are not of the file's type %s" % (self._name, self.descr))
        after = self._written + n_bytes
        if self.shape[0] is not None and after > self.shape[0] * self._row_bytes:
            raise ValueError(
                "%s: %d bytes more than its shape %s holds"
                % (self._name, after - self.shape[0] * self._row_bytes, self.shape)
            )
        self._file.write(data)
        self._written = after

    def close(self):
        """Flush and close. ValueError when the data does not fill the shape; the file is closed then as well."""
        if not self._file:
            return
        try:
            rows = self.shape[0]
            if rows is None:
                rows = self._written // self._row_bytes if self._row_bytes else 0
                self._file.seek(self._start)
                # as long as the first one: the numbers of an array that exists never fill the room up to byte 128
                self._file.write(array_header(self.descr, (rows,) + self.shape[1:]))
                self._file.seek(self._start + self._header_bytes + self._written)
            self._file.flush()
        finally:
            self._release()
        if self._written != rows * self._row_bytes:
            raise ValueError(
                "%s: %d bytes of data were written, %d rows of shape %s need %d"
                % (self._name, self._written, rows, self.shape[1:], rows * self._row_bytes)
            )

    def _release(self):
        if self._ours:
            self._file.close()
        self._file = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind:
            self._release()  # that error matters, not the missing data
        else:
            self.close()


class Reader:
    """Reads one array; has its `shape`, `items` (number), `typecode` (of `array`), `itemsize`, `descr` (of NumPy)."""

    def __init__(self, file):
        """Reads the header. ValueError for what `array` cannot hold, for Fortran order, and for a file cut off."""
        self._name, self._file, self._ours = _opened(file, "rb")
        try:
            start = _position(self._file)
            self.descr, fortran, self.shape, offset = read_header(self._file)
            self.typecode = _typecode_of(self.descr)
            _check_shape(self.shape)
            if fortran:
                raise ValueError("Fortran order: save it with numpy.ascontiguousarray(a)")
            self.itemsize = struct.calcsize(self.typecode)
            self.items = _product(self.shape)
            self._left = self.items * self.itemsize
            self._end = (start or 0) + offset + self._left
            length = self._end if start is None else self._file.seek(0, 2)
            if start is not None:
                self._file.seek(self._end - self._left)
        except ValueError as error:
            self.close()
            raise ValueError("%s: %s" % (self._name, error)) from None
        except BaseException:
            self.close()
            raise
        self._check_length(length)

    def readinto(self, buffer):
        """Fill `buffer` (an array of this type, or bytes; whole items) -> items read, 0 behind the last one.

        ValueError when the file ends before. Its own readinto() may come short at the end only.
        """
        size, wanted = _sizes(buffer)
        if size not in (1, self.itemsize):
            raise ValueError("%s: the buffer's items are not of the file's type %s" % (self._name, self.descr))
        n_bytes = min(wanted // self.itemsize * self.itemsize, self._left)
        if not n_bytes:
            return 0
        if n_bytes < wanted:
            buffer = memoryview(buffer)[: n_bytes // size]
        got = self._file.readinto(buffer)
        self._left -= got
        if got < n_bytes:
            self._check_length(self._end - self._left)
        return n_bytes // self.itemsize

    def read(self):
        """All items that are left, as an array; takes twice its size of memory for a moment."""
        data = self._file.read(self._left)
        self._left -= len(data)
        self._check_length(self._end - self._left)
        return array.array(self.typecode, data)

    def _check_length(self, length):
        if length < self._end:
            self.close()
            raise ValueError("%s: cut off at byte %d, the array ends at byte %d" % (self._name, length, self._end))

    def close(self):
        if self._ours and self._file:
            self._file.close()
        self._file = None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


def save(file, data, shape=None):
    """Write an array; without `shape` it has one dimension."""
    with Writer(file, shape or (len(data),), _typecode(data)) as writer:
        writer.write(data)


def load(file):
    """-> (shape, array) of a file; takes twice the array's size of memory for a moment."""
    with Reader(file) as reader:
        return reader.shape, reader.read()


def _descr(typecode):
    """NumPy's name of an `array` typecode; `l` and `L` have 4 bytes on some ports and 8 on others."""
    if len(typecode) != 1 or typecode not in "bBhHiIlLqQfd":
        raise ValueError("typecode %r: a .npy file takes one of b B h H i I l L q Q f d" % typecode)
    size = struct.calcsize(typecode)
    kind = "f" if typecode in "fd" else "i" if typecode.islower() else "u"
    return "%s%s%d" % ("|" if size == 1 else "<", kind, size)


def _typecode_of(descr):
    """The typecode for NumPy's name; it has that size on every port."""
    typecode = _TYPECODES.get(descr[1:])
    if descr[:1] == ">" and typecode:
        raise ValueError("dtype %s is big-endian: save it with a.astype(a.dtype.newbyteorder('<'))" % descr)
    if not typecode or descr[0] not in ("<|" if descr[2] == "1" else "<"):
        raise ValueError("dtype %s: integers of 1, 2, 4, 8 and floats of 4, 8 bytes are read" % descr)
    return typecode


def _typecode(data):
    """Of an array; MicroPython's has no such attribute, but begins its text with `array('h'`."""
    return str(data[:0])[7]


def _check_shape(shape):
    if not 1 <= len(shape) <= MAX_DIMENSIONS:
        raise ValueError("%d dimensions: 1 to %d are possible" % (len(shape), MAX_DIMENSIONS))
    for n in shape[1:] if shape[0] is None else shape:
        if n < 0:
            raise ValueError("shape %s has a negative length" % (shape,))


def _product(shape):
    product = 1
    for n in shape:
        product *= n
    return product


def _sizes(data):
    """(bytes per item, bytes) of a buffer. MicroPython's memoryview does not tell its item size: try where it ends."""
    if isinstance(data, (bytes, bytearray)):
        return 1, len(data)
    if isinstance(data, array.array):
        size = struct.calcsize(_typecode(data))
        return size, size * len(data)
    items = len(data)
    for size in (8, 4, 2):
        try:
            struct.unpack_from("B", data, items * size - 1)
            return size, items * size
        except _StructError:
            pass
    return 1, items


def _opened(file, mode):
    """(name for messages, file, whether close() is our business)."""
    if isinstance(file, str):
        return file, open(file, mode), True
    return ".npy", file, False


def _position(file):
    """Where the file stands, or None if it cannot seek."""
    try:
        return file.tell()
    except (AttributeError, OSError):
        return None
