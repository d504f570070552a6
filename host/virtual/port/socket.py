"""The board's `socket`. On the virtual clock time follows the wall for a while after a socket had to wait.

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


def _count(n_bytes):
    board.life.counters["sent_bytes"] += n_bytes or 0
    return n_bytes


class Socket(io.IOBase):
    """A host socket that tells the clock whenever it had to wait."""

    is_network = True

    def __init__(self, *args):
        self._socket = usocket.socket(*args)
        self._poll = uselect.poll()
        self._poll.register(self._socket, 0)

    def _done(self, result):
        if result is None:
            _clock.follow_wall()
        return result

    def connect(self, address):
        self._try(self._socket.connect, address)

    def readinto(self, buf, *count):
        return self._done(self._socket.readinto(buf, *count))

    def read(self, *count):
        return self._done(self._socket.read(*count))

    def readline(self, *count):
        return self._done(self._socket.readline(*count))

    def write(self, buf, *count):
        return self._done(_count(self._socket.write(buf, *count)))

    def recv(self, count):
        return self._try(self._socket.recv, count)

    def send(self, buf):
        return _count(self._try(self._socket.send, buf))

    def _try(self, call, argument):
        try:
            return call(argument)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINPROGRESS):
                _clock.follow_wall()
            raise

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


def getaddrinfo(host, port, *more):
    """As the host does, or by the world's `network.hosts`: {"name" or "name:port" or "*": "address" or "address:port"}
    are all names then that there are.
    """
    hosts = board.world.get("network", {}).get("hosts")
    if hosts is not None and not host.replace(".", "").isdigit():
        place = hosts.get("%s:%d" % (host, port)) or hosts.get(host) or hosts.get("*")
        if place is None:
            raise OSError(-2)
        host, _, other = place.partition(":")
        port = int(other or port)
    return usocket.getaddrinfo(host, port, *more)


socket = Socket if _clock.virtual else usocket.socket
