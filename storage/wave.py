"""WAV files as CPython's `wave` module reads and writes them, for MicroPython: same names, results, errors.

    with wave.open("a.wav", "wb") as w:          with wave.open("a.wav", "rb") as r:
        w.setparams((1, 2, 16000, n, "NONE", ""))    print(r.getparams())
        w.writeframes(samples)                       data = r.readframes(1024)

PCM of 8, 16, 24 and 32 bits, any number of channels; WAVE_FORMAT_EXTENSIBLE is read (as since CPython 3.12). `open`
takes a path or an open binary file. Behaviour is CPython 3.11 to 3.13's, compared in tests/storage/test_wave.py.

Worth knowing on a board:
- Set the number of frames before writing. A header that turns out wrong is patched at offset 0 on close, and LittleFS
  then copies the whole file. With the right number (or everything in one write) nothing is patched, and the output
  need not be seekable.
- Samples are bytes as they stand in the file: little-endian, which is the order of every MicroPython port.
- `readframes(n)` allocates its result and nothing else; `writeframes` takes any buffer and copies nothing.
- Close the file, or use `with`: MicroPython calls no `__del__` on objects like these.
- MicroPython's struct has no `error`: a number that does not fit its header field raises ValueError there.
- A file object has no `mode` in MicroPython: give `open(f, "wb")` its mode.

This file needs no other of this repository: `mpremote mip install mip/wave/package.json`.
Format: Microsoft/IBM "Multimedia Programming Interface and Data Specifications 1.0" (RIFF WAVE), mmreg.h (EXTENSIBLE).
"""

import struct
from binascii import hexlify
from collections import namedtuple

__all__ = ["open", "Error", "Wave_read", "Wave_write"]

WAVE_FORMAT_PCM = 0x0001
WAVE_FORMAT_EXTENSIBLE = 0xFFFE
KSDATAFORMAT_SUBTYPE_PCM = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x008\x9bq"

_HEADER = "<4sL4s4sLHHLLHH4sL"  # RIFF, size, WAVE | fmt, 16, tag, channels, rate, bytes/s, frame, bits | data, size
_RIFF_SIZE_AT, _DATA_SIZE_AT = 4, 40
_MAX = {"H": 0xFFFF, "L": 0xFFFFFFFF}
_SKIP_BYTES = 512  # per read, where the input cannot seek

_StructError = getattr(struct, "error", ValueError)
_open_file = open  # this module has an `open` of its own

_wave_params = namedtuple("_wave_params", "nchannels sampwidth framerate nframes comptype compname")


class Error(Exception):
    """Not a WAV file that this module can read, or a parameter that is wrong or missing."""


def open(f, mode=None):
    """A Wave_read (mode "r", "rb") or Wave_write ("w", "wb") on `f`: a path, or a binary file with the default mode."""
    if mode is None:
        mode = getattr(f, "mode", "rb")
    if mode in ("r", "rb"):
        return Wave_read(f)
    if mode in ("w", "wb"):
        return Wave_write(f)
    raise Error("mode must be 'r', 'rb', 'w', or 'wb'")


def _pack(layout, *values):
    """struct.pack with CPython's range check of `L` and `H`, which MicroPython's leaves out."""
    codes = [c for c in layout if c in "sHL"]
    for code, value in zip(codes, values):  # noqa: B905 (MicroPython's zip has no `strict`)
        if code != "s" and not 0 <= value <= _MAX[code]:
            raise _StructError("'%s' format requires 0 <= number <= %d" % (code, _MAX[code]))
    return struct.pack(layout, *values)


def _bytes_of(data):
    """(buffer, its length in bytes) of anything with the buffer protocol."""
    if isinstance(data, (bytes, bytearray)):
        return data, len(data)
    if isinstance(data, str):  # a buffer in MicroPython
        raise TypeError("memoryview: a bytes-like object is required, not 'str'")
    view = memoryview(data)
    if hasattr(view, "cast"):
        view = view.cast("B")
        return view, len(view)
    n = len(view)  # MicroPython: items of unknown size
    for size in (8, 4, 2):
        try:
            struct.unpack_from("B", view, n * size - 1)
            return view, n * size
        except ValueError:  # the buffer ends before
            pass
    return view, n


class _Chunk:
    """One RIFF chunk (4 bytes name, 4 bytes size, content, a pad byte if the size is odd) of a file or another chunk.

    Reads never leave it. EOFError where the file ends inside the chunk's head, RuntimeError for a seek beyond its end.
    """

    closed = False  # CPython's has it, and getfp() hands it out

    def __init__(self, file):
        head = file.read(8)
        if len(head) < 8:
            raise EOFError
        self.file = file
        self.name, self.size = struct.unpack("<4sL", head)
        self.position = 0
        try:
            self.start = file.tell()
        except (AttributeError, OSError):
            self.start = None  # cannot seek

    def tell(self):
        return self.position

    def seek(self, offset, whence=0):
        if self.start is None:
            raise OSError("cannot seek")
        if whence == 1:
            offset += self.position
        if not 0 <= offset <= self.size:
            raise RuntimeError
        self.file.seek(self.start + offset)
        self.position = offset

    def read(self, size=-1):
        """At most `size` bytes; the rest of the chunk if negative. Takes the pad byte along with the last one."""
        left = self.size - self.position
        if left <= 0:
            return b""
        data = self.file.read(left if size < 0 else min(size, left))
        self.position += len(data)
        if self.position == self.size and self.size & 1:
            self.position += len(self.file.read(1))
        return data

    def skip(self):
        """Go behind the chunk, by seeking if possible. EOFError where an input that cannot seek ends before."""
        if self.start is not None:
            rest = self.size - self.position + (self.size & 1)
            try:
                self.file.seek(rest, 1)
                self.position += rest
                return
            except OSError:
                pass
        while self.position < self.size:
            if not self.read(_SKIP_BYTES):
                raise EOFError


class Wave_read:
    """Reads one WAV file. Made by `open(f, "rb")`, which raises Error or EOFError if it is not a readable WAV file."""

    def __init__(self, f):
        self._i_opened_the_file = self._file = None
        if isinstance(f, str):
            f = self._i_opened_the_file = _open_file(f, "rb")
        try:
            self._read_header(f)
        except BaseException:
            self.close()
            raise

    def _read_header(self, f):
        """Parse up to the first byte of the samples."""
        self._soundpos = 0
        self._framesize = 0
        self._file = riff = _Chunk(f)
        if riff.name != b"RIFF":
            raise Error("file does not start with RIFF id")
        if riff.read(4) != b"WAVE":
            raise Error("not a WAVE file")
        while True:
            try:
                chunk = _Chunk(riff)
            except EOFError:
                raise Error("fmt chunk and/or data chunk missing") from None
            if chunk.name == b"data":
                break
            if chunk.name == b"fmt ":
                self._read_format(chunk)
            chunk.skip()
        if not self._framesize:
            raise Error("data chunk before fmt chunk")
        self._data_chunk = chunk
        self._nframes = chunk.size // self._framesize
        self._data_seek_needed = False

    def _read_format(self, chunk):
        data = chunk.read(16)
        if len(data) < 14:
            raise EOFError
        tag, self._nchannels, self._framerate = struct.unpack_from("<HHL", data)
        if tag not in (WAVE_FORMAT_PCM, WAVE_FORMAT_EXTENSIBLE):
            raise Error("unknown format: %d" % tag)
        if len(data) < 16:
            raise EOFError
        if tag == WAVE_FORMAT_EXTENSIBLE:
            extension = chunk.read(24)  # 2 size, 2 valid bits, 4 speaker mask, 16 GUID of the real format
            if len(extension) < 24:
                raise EOFError
            if extension[8:] != KSDATAFORMAT_SUBTYPE_PCM:
                raise Error("unknown extended format: " + _guid_text(extension[8:]))
        self._sampwidth = (struct.unpack_from("<H", data, 14)[0] + 7) // 8
        if not self._sampwidth:
            raise Error("bad sample width")
        if not self._nchannels:
            raise Error("bad # of channels")
        self._framesize = self._nchannels * self._sampwidth

    def __del__(self):
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def close(self):
        """Close the file if this object opened it."""
        self._file = None
        file, self._i_opened_the_file = self._i_opened_the_file, None
        if file:
            file.close()

    def getfp(self):
        return self._file

    def getnchannels(self):
        return self._nchannels

    def getsampwidth(self):
        """Bytes per sample and channel."""
        return self._sampwidth

    def getframerate(self):
        """Frames per second."""
        return self._framerate

    def getnframes(self):
        """Frames that the header promises; a truncated file holds fewer."""
        return self._nframes

    def getcomptype(self):
        return "NONE"

    def getcompname(self):
        return "not compressed"

    def getparams(self):
        """(nchannels, sampwidth, framerate, nframes, comptype, compname), a namedtuple."""
        return _wave_params(
            self._nchannels, self._sampwidth, self._framerate, self._nframes, self.getcomptype(), self.getcompname()
        )

    def getmarkers(self):
        return None

    def getmark(self, id):
        raise Error("no marks")

    def rewind(self):
        self.setpos(0)

    def tell(self):
        """Number of the frame that the next readframes() begins with."""
        return self._soundpos

    def setpos(self, pos):
        if not 0 <= pos <= self._nframes:
            raise Error("position not in range")
        self._soundpos = pos
        self._data_seek_needed = True

    def readframes(self, nframes):
        """At most `nframes` frames (all that are left if negative) as bytes; b"" at the end."""
        if self._data_seek_needed:
            self._data_chunk.seek(self._soundpos * self._framesize)
            self._data_seek_needed = False
        if nframes == 0:
            return b""
        data = self._data_chunk.read(nframes * self._framesize)
        self._soundpos += len(data) // self._framesize
        return data


def _guid_text(guid):
    """The usual notation of a GUID in file order: its first three fields are little-endian."""
    fields = guid[3::-1], guid[5:3:-1], guid[7:5:-1], guid[8:10], guid[10:]
    return "-".join([hexlify(bytes(field)).decode() for field in fields])


class Wave_write:
    """Writes one WAV file. Made by `open(f, "wb")`. Set channels, width, rate and best also frames before writing."""

    def __init__(self, f):
        self._i_opened_the_file = self._file = None
        self._nchannels = self._sampwidth = self._framerate = self._nframes = 0
        self._nframeswritten = self._datawritten = self._datalength = 0
        self._headerwritten = False
        if isinstance(f, str):
            f = self._i_opened_the_file = _open_file(f, "wb")
        self._file = f

    def __del__(self):
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def close(self):
        """Make the header true, flush, and close the file if this object opened it. Error if parameters are missing."""
        try:
            if self._file:
                self._ensure_header_written(0)
                self._patch_header()
                self._file.flush()
        finally:
            self._file = None
            file, self._i_opened_the_file = self._i_opened_the_file, None
            if file:
                file.close()

    def _check_not_started(self):
        if self._datawritten:
            raise Error("cannot change parameters after starting to write")

    def setnchannels(self, nchannels):
        self._check_not_started()
        if nchannels < 1:
            raise Error("bad # of channels")
        self._nchannels = nchannels

    def getnchannels(self):
        if not self._nchannels:
            raise Error("number of channels not set")
        return self._nchannels

    def setsampwidth(self, sampwidth):
        """Bytes per sample and channel, 1 to 4."""
        self._check_not_started()
        if sampwidth < 1 or sampwidth > 4:
            raise Error("bad sample width")
        self._sampwidth = sampwidth

    def getsampwidth(self):
        if not self._sampwidth:
            raise Error("sample width not set")
        return self._sampwidth

    def setframerate(self, framerate):
        """Frames per second, rounded."""
        self._check_not_started()
        if framerate <= 0:
            raise Error("bad frame rate")
        self._framerate = int(round(framerate))

    def getframerate(self):
        if not self._framerate:
            raise Error("frame rate not set")
        return self._framerate

    def setnframes(self, nframes):
        """Frames that will be written: with the true number the header is final from the start."""
        self._check_not_started()
        self._nframes = nframes

    def getnframes(self):
        """Frames written so far."""
        return self._nframeswritten

    def setcomptype(self, comptype, compname):
        self._check_not_started()
        if comptype != "NONE":
            raise Error("unsupported compression type")
        self._comptype = comptype
        self._compname = compname

    def getcomptype(self):
        return self._comptype

    def getcompname(self):
        return self._compname

    def setparams(self, params):
        """All of (nchannels, sampwidth, framerate, nframes, comptype, compname)."""
        nchannels, sampwidth, framerate, nframes, comptype, compname = params
        self.setnchannels(nchannels)
        self.setsampwidth(sampwidth)
        self.setframerate(framerate)
        self.setnframes(nframes)
        self.setcomptype(comptype, compname)

    def getparams(self):
        if not self._nchannels or not self._sampwidth or not self._framerate:
            raise Error("not all parameters set")
        return _wave_params(
            self._nchannels, self._sampwidth, self._framerate, self._nframes, self._comptype, self._compname
        )

    def setmark(self, id, pos, name):
        raise Error("setmark() not supported")

    def getmark(self, id):
        raise Error("no marks")

    def getmarkers(self):
        return None

    def tell(self):
        """Frames written so far."""
        return self._nframeswritten

    def writeframesraw(self, data):
        """Write the samples of a buffer; the header is made true by writeframes() or close()."""
        data, n_bytes = _bytes_of(data)
        self._ensure_header_written(n_bytes)
        self._file.write(data)
        self._datawritten += n_bytes
        self._nframeswritten += n_bytes // (self._sampwidth * self._nchannels)

    def writeframes(self, data):
        """Write the samples of a buffer and make the header true."""
        self.writeframesraw(data)
        self._patch_header()

    def _ensure_header_written(self, n_bytes):
        """Write the header, for `n_bytes` of samples unless the number of frames was set."""
        if self._headerwritten:
            return
        if not self._nchannels:
            raise Error("# channels not specified")
        if not self._sampwidth:
            raise Error("sample width not specified")
        if not self._framerate:
            raise Error("sampling rate not specified")
        write = self._file.write  # a file that was closed without a header has none: AttributeError, before anything
        frame = self._nchannels * self._sampwidth
        if not self._nframes:
            self._nframes = n_bytes // frame
        self._datalength = self._nframes * frame
        header = _pack(
            _HEADER, b"RIFF", 36 + self._datalength, b"WAVE",
            b"fmt ", 16, WAVE_FORMAT_PCM, self._nchannels, self._framerate, frame * self._framerate, frame,
            8 * self._sampwidth, b"data", self._datalength,
        )
        try:
            self._start = self._file.tell()
        except (AttributeError, OSError):
            self._start = 0  # cannot seek: patching would fail at its first step
        write(header)
        self._headerwritten = True

    def _patch_header(self):
        """Correct both sizes in the header, if they are wrong. The file must be seekable then."""
        if self._datawritten == self._datalength:
            return
        end = self._file.tell()
        for at, value in ((_RIFF_SIZE_AT, 36 + self._datawritten), (_DATA_SIZE_AT, self._datawritten)):
            self._file.seek(self._start + at)
            self._file.write(_pack("<L", value))
        self._file.seek(end)
        self._datalength = self._datawritten
