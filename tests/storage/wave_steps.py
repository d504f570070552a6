"""Performs a list of steps with a `wave` module and notes what each gave: runs on CPython and on MicroPython.

A case is {"file": KIND, "data": hex, "mode": "rb" | "wb", "steps": [[method, argument, ...], ...]}; KIND is "bytes"
(seekable), "pipe" (`tell` and `seek` raise OSError) or "bare" (has neither). Bytes are written {"b": hex}, an array of
type code t is {t: [items]}. A step's note is its result or {"raised": [type, message]}.
"""

import array
import io
import json
import struct
from binascii import hexlify, unhexlify

STRUCT_ERROR = getattr(struct, "error", ValueError)  # MicroPython's struct raises ValueError


class Bare:
    """A file that can only be read and written."""

    def __init__(self, data):
        self.inner = io.BytesIO(data)
        self.read, self.write, self.flush = self.inner.read, self.inner.write, self.inner.flush


class Pipe(Bare):
    def tell(self):
        raise OSError("a pipe has no position")

    def seek(self, offset, whence=0):
        raise OSError("a pipe has no position")


def decoded(value):
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    return unhexlify(content) if kind == "b" else array.array(kind, content)


def encoded(value):
    if isinstance(value, (bytes, bytearray)):
        return {"b": hexlify(value).decode()}
    return list(value) if isinstance(value, tuple) else value


def attempt(function, *arguments):
    """(result, its note)."""
    try:
        result = function(*arguments)
    except Exception as error:
        name = "struct.error" if isinstance(error, STRUCT_ERROR) else type(error).__name__
        return None, {"raised": [name, str(error)]}
    return result, encoded(result)


def run(wave, case):
    """The notes of all steps and of closing, then the bytes of the file."""
    data = unhexlify(case["data"])
    file = {"bytes": io.BytesIO, "pipe": Pipe, "bare": Bare}[case["file"]](data)
    opened, note = attempt(wave.open, file, case["mode"])
    if opened is None:
        return [note]
    notes = []
    for name, *arguments in case["steps"]:
        arguments = [tuple(a) if isinstance(a, list) else decoded(a) for a in arguments]
        notes.append(attempt(getattr(opened, name), *arguments)[1])
    notes.append(attempt(opened.close)[1])
    content = file if case["file"] == "bytes" else file.inner
    notes.append(encoded(content.getvalue()))
    return json.loads(json.dumps(notes))


def handle(case):
    """For tests/tools/worker.py, on MicroPython."""
    from storage import wave

    return run(wave, case)
