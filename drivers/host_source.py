"""Where a host's sound comes from, on MicroPython's Unix port: a WAV file, a program's output or a pipe, a socket.

A source has ``open()``, ``close()``, ``readinto(view)`` -> bytes put into the view of PIECE bytes now, 0 when there
are none (it does not wait), and ``live``: whether the sound goes on while nobody reads. Sound is mono int16,
little-endian.
"""

import os
import select
import struct

PIECE = 512  # bytes that a pipe is read and written in


def find_source(source, rate_hz):
    """-> the source for ``{"file": path}``, ``{"pipe": command or path}`` or ``{"tcp": {"host", "port"}}``.

    A pipe given as ``auto`` is the first of arecord, parec, rec (sox) and ffmpeg that this machine has. ValueError when
    there is none, or the file is of another kind.
    """
    if source.get("file"):
        return WavSource(source["file"], rate_hz)
    if source.get("tcp"):
        return TcpSource(source["tcp"]["host"], source["tcp"]["port"])
    what = source["pipe"]
    if what == "auto":
        what = capture_command(rate_hz)
    elif _is_there(what):
        what = "cat " + quoted(what)
    return PipeSource(what)


def capture_command(rate_hz):
    """-> the command line of a capture program that is installed here. ValueError if there is none."""
    for line in (
        "arecord -q -t raw -f S16_LE -c 1 -r %d",
        "parec --raw --format=s16le --channels=1 --rate=%d",
        "rec -q -t raw -e signed -b 16 -L -c 1 -r %d -",
        "ffmpeg -loglevel error -f alsa -i default -f s16le -ac 1 -ar %d -",
    ):
        if not os.system("command -v %s >/dev/null 2>&1" % line.split()[0]):
            return line % rate_hz
    raise ValueError("pipe auto: neither arecord, parec, rec (sox) nor ffmpeg is installed here")


def quoted(text):
    """-> ``text`` as one word for the shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _posix():
    try:
        from vfs import VfsPosix
    except ImportError:
        raise OSError(19, "host microphone: only MicroPython's Unix port has a host") from None
    return VfsPosix()  # the host's files, whatever is mounted at /


def _is_there(path):
    try:
        _posix().stat(path)
    except OSError:
        return False
    return True


class WavSource:
    """A WAV file of ``rate_hz``, from the top again after its end."""

    live = False

    def __init__(self, path, rate_hz):
        self._path = path
        self._file = None
        self.open()
        rate = self._read_header()
        if rate != rate_hz:
            raise ValueError(f"{path}: has {rate} samples per second, the configuration says {rate_hz}")
        self.close()

    def open(self):
        self.close()
        try:
            self._file = _posix().open(self._path, "rb")
        except OSError as error:
            raise OSError(error.args[0], f"host microphone: cannot open {self._path}") from None
        self._read_header()

    def close(self):
        if self._file:
            self._file.close()
            self._file = None

    def readinto(self, view):
        """Samples up to the end of the file; the next call begins at the top."""
        n = self._file.readinto(view)
        if self._left < n:
            n = self._left
        self._left -= n
        if not n:
            self._file.seek(self._start)
            self._left = self._size
            n = min(self._file.readinto(view), self._left)
            self._left -= n
        return n

    def _read_header(self):
        """Find the samples -> the file's rate."""
        file = self._file
        if file.seek(0) or file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
            raise ValueError(f"{self._path}: not a WAV file")
        form = None
        while True:
            head = file.read(8)
            if len(head) < 8:
                raise ValueError(f"{self._path}: has no samples")
            size = struct.unpack("<I", head[4:])[0]
            if head[:4] == b"data":
                break
            if head[:4] == b"fmt ":
                form = struct.unpack("<HHIIHH", file.read(16))
                size -= 16
            file.seek(size + (size & 1), 1)
        if form is None or form[0] not in (1, 0xFFFE) or form[1] != 1 or form[5] != 16:
            raise ValueError(f"{self._path}: mono 16-bit PCM is needed")
        self._start = file.seek(0, 1)
        self._size = self._left = min(size, file.seek(0, 2) - self._start) & -2
        if not self._size:
            raise ValueError(f"{self._path}: has no samples")
        file.seek(self._start)
        return form[2]


class PipeSource:
    """The output of a shell command. ``dd`` hands it on in whole pieces, so that reading a piece never waits.

    ``close()`` ends the command and all that it started (where there is no `setsid`, the command alone).
    """

    live = True

    def __init__(self, command):
        self._command = command
        self._file = None
        self._poller = select.poll()
        self._folder = None

    def open(self):
        self.close()
        self._folder = folder = "/tmp/motelog-" + "".join(["%02x" % byte for byte in os.urandom(8)])
        if os.system(
            "mkdir -m 700 {0} && mkfifo {0}/raw {0}/pieces && cd {0} || exit 1\n"
            "$(command -v setsid) sh -c {1} >raw </dev/null & echo $! >pid\n"
            "dd obs={2} <raw >pieces 2>/dev/null &".format(folder, quoted(self._command), PIECE)
        ):
            raise OSError(5, "host microphone: cannot make a pipe in /tmp")
        self._file = _posix().open(folder + "/pieces", "r+b")  # a pipe opened for both does not wait for the other side
        self._poller.register(self._file, select.POLLIN)

    def close(self):
        if self._file:
            self._poller.unregister(self._file)
            self._file.close()
            self._file = None
        if self._folder:
            os.system(
                "pid=$(cat {0}/pid); kill -s TERM -- -$pid 2>/dev/null || kill $pid 2>/dev/null; rm -rf {0}".format(
                    self._folder
                )
            )
            self._folder = None

    def readinto(self, view):
        for _ in self._poller.ipoll(0):
            return self._file.readinto(view)
        return 0


class TcpSource:
    """What a server sends on a TCP connection."""

    live = True

    def __init__(self, host, port):
        self._address = (host, port)
        self._socket = None

    def open(self):
        import socket

        self.close()
        try:
            place = socket.getaddrinfo(self._address[0], self._address[1])[0][-1]
            self._socket = stream = socket.socket()
            stream.settimeout(5)
            stream.connect(place)
            stream.setblocking(False)
        except OSError as error:
            self.close()
            host, port = self._address
            raise OSError(error.args[0], f"host microphone: cannot connect to {host} port {port}") from None

    def close(self):
        if self._socket:
            self._socket.close()
            self._socket = None

    def readinto(self, view):
        return self._socket.readinto(view) or 0
