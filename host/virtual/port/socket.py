"""The board's `socket`. On the virtual clock a socket that waits for the other side makes time follow the wall.

Otherwise a virtual board would reach its network deadlines before the packets of the real network could.
"""

import errno
import io

import uselect
import usocket
from hardware import board
from usocket import *  # noqa: F403

_clock = board.clock
_POLL = 3  # stream ioctl requests: which of the flags in `arg` are ready; close; the host's file number
_CLOSE = 4
_FILENO = 10


class Socket(io.IOBase):
    """A host socket that knows whether it waits: it does from a would-block result on, until data moves or it is
    closed.
    """

    def __init__(self, *args):
        self._socket = usocket.socket(*args)
        self._poll = uselect.poll()
        self._poll.register(self._socket, 0)
        self._waits = False

    def _wait(self, waits):
        if waits != self._waits:
            self._waits = waits
            _clock.waiting_sockets += 1 if waits else -1

    def _done(self, result):
        self._wait(result is None)
        return result

    def connect(self, address):
        try:
            self._socket.connect(address)
        except OSError as error:
            self._wait(error.errno == errno.EINPROGRESS)
            raise

    def readinto(self, buf, *count):
        return self._done(self._socket.readinto(buf, *count))

    def read(self, *count):
        return self._done(self._socket.read(*count))

    def readline(self, *count):
        return self._done(self._socket.readline(*count))

    def write(self, buf, *count):
        return self._done(self._socket.write(buf, *count))

    def recv(self, count):
        return self._moved(self._socket.recv, count)

    def send(self, buf):
        return self._moved(self._socket.send, buf)

    def _moved(self, call, argument):
        try:
            result = call(argument)
        except OSError as error:
            self._wait(error.errno == errno.EAGAIN)
            raise
        self._wait(False)
        return result

    def ioctl(self, request, arg):
        if request == _POLL:
            self._poll.modify(self._socket, arg)
            for _, ready in self._poll.ipoll(0):
                return ready
            return 0
        if request == _FILENO:
            return self._socket.fileno()
        if request == _CLOSE:
            self.close()
            return 0
        return -errno.EINVAL

    def close(self):
        self._wait(False)
        self._socket.close()

    def setblocking(self, flag):
        self._socket.setblocking(flag)

    def settimeout(self, seconds):
        self._socket.settimeout(seconds)

    def setsockopt(self, *args):
        self._socket.setsockopt(*args)

    def bind(self, address):
        self._socket.bind(address)

    def listen(self, *backlog):
        self._socket.listen(*backlog)

    def accept(self):
        return self._socket.accept()

    def fileno(self):
        return self._socket.fileno()


socket = Socket if _clock.virtual else usocket.socket
