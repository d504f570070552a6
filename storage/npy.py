"""NumPy's `.npy` format, pure format code for board and laptop (NumPy enhancement proposal 1, `numpy.lib.format`).

A file is `\\x93NUMPY`, version (2 bytes), length of the header text (2 bytes in version 1, else 4, little-endian), the
header text (a Python dictionary, padded with spaces and ended by a newline), data. What stands before the data is a
multiple of 64 bytes long.
"""

import struct

from storage.headers import MAGIC, array_header, npy_header

header = npy_header
__all__ = ("array_header", "header", "parse_text", "read_header")

MAX_TEXT = 4096  # longer header texts belong to structured arrays, which nothing here writes


def read_header(file):
    """-> (descr, fortran_order, shape, data_offset) of the array at the start of `file`; ValueError when it is none.

    Versions 1 to 3. `descr` is the text of a plain dtype (`<i2`); structured dtypes are refused.
    """
    start = file.read(8)
    if len(start) < 8 or start[:6] != MAGIC:
        raise ValueError("no .npy file: it does not start with \\x93NUMPY")
    if not 1 <= start[6] <= 3:
        raise ValueError(".npy version %d is unknown: 1, 2 and 3 are read" % start[6])
    width = 2 if start[6] == 1 else 4
    field = file.read(width)
    length = struct.unpack("<H" if width == 2 else "<I", field)[0] if len(field) == width else MAX_TEXT + 1
    if length > MAX_TEXT:
        raise ValueError(".npy header is cut off or longer than %d bytes" % MAX_TEXT)
    text = file.read(length)
    if len(text) < length:
        raise ValueError(".npy header is cut off: %d of %d bytes" % (len(text), length))
    return parse_text(text) + (8 + width + length,)


def parse_text(text):
    """-> (descr, fortran_order, shape) of a header's dictionary (bytes), keys in any order; ValueError if it is odd."""
    try:
        text = text.decode()
    except UnicodeError:
        raise ValueError(".npy header is no text") from None
    descr = _value(text, "descr")
    if descr[:1] not in ("'", '"') or descr[0] not in descr[1:]:
        raise ValueError(".npy dtype is not a plain one: %s" % descr[:40])
    order = _value(text, "fortran_order")
    if not (order.startswith("True") or order.startswith("False")):
        raise ValueError(".npy fortran_order is neither True nor False")
    return descr[1:].split(descr[0])[0], order.startswith("True"), _shape(_value(text, "shape"))


def _value(text, key):
    """-> what follows `'key':` in a dictionary's text."""
    for quote in ("'", '"'):
        parts = text.split(quote + key + quote, 1)
        if len(parts) == 2 and parts[1].strip()[:1] == ":":
            return parts[1].strip()[1:].strip()
    raise ValueError(".npy header has no %s" % key)


def _shape(text):
    """-> the tuple that `text` starts with."""
    if text[:1] != "(" or ")" not in text:
        raise ValueError(".npy shape is no tuple")
    numbers = []
    for word in text[1:].split(")")[0].split(","):
        word = word.strip()
        if word:
            if not word.isdigit():
                raise ValueError(".npy shape holds %r: only whole numbers are allowed" % word[:20])
            numbers.append(int(word))
    return tuple(numbers)
