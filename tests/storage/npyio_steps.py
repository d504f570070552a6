"""Reads and writes .npy files with storage/npyio.py or with npyfile, on MicroPython: for tests/tools/worker.py."""

import array
from binascii import hexlify, unhexlify

from storage import npyio


def read(path, buffer_items, as_bytes):
    """Read in pieces through one buffer."""
    with npyio.Reader(path) as r:
        empty = bytes(buffer_items * r.itemsize + (r.itemsize > 1 and as_bytes))  # a part of an item stays unused
        buffer = bytearray(empty) if as_bytes else array.array(r.typecode, empty)
        data = b""
        while True:
            n = r.readinto(buffer)
            if not n:
                return [r.shape, r.typecode, hexlify(data).decode()]
            data += bytes(memoryview(buffer)[: n * r.itemsize if as_bytes else n])


def pieces(data, lengths, size, typecode, kind):
    """`data` (bytes) cut into buffers of `lengths` items, then the rest."""
    start = 0
    for n in lengths:
        yield buffer_of(data[start : start + n * size], typecode, kind)
        start += n * size
    yield buffer_of(data[start:], typecode, kind)


def buffer_of(data, typecode, kind):
    if kind == "bytes":
        return data
    items = array.array(typecode, data)
    return memoryview(items) if kind == "memoryview" else items


def write(path, shape, typecode, data, lengths, kind, count_rows):
    with npyio.Writer(path, [None] + shape[1:] if count_rows else shape, typecode) as w:
        for piece in pieces(data, lengths, w.itemsize, typecode, kind):
            w.write(piece)
    return w.descr


def npyfile_read(path):
    import npyfile

    shape, data = npyfile.load(path)
    return [shape, str(data[:0])[7], hexlify(bytes(data)).decode()]


def npyfile_write(path, shape, typecode, data):
    import npyfile

    npyfile.save(path, array.array(typecode, data), tuple(shape))


def load(path):
    shape, data = npyio.load(path)
    return [shape, str(data[:0])[7], hexlify(bytes(data)).decode()]


def handle(request):
    """{"do": name of a function above, ...arguments}; ValueError becomes {"error": text}. Bytes are {"b": hex}."""
    name = request.pop("do")
    arguments = {key: unhexlify(v["b"]) if isinstance(v, dict) else v for key, v in request.items()}
    try:
        return globals()[name](**arguments)
    except ValueError as error:
        return {"error": str(error)}
