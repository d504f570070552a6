"""Ports of 127.0.0.1 on which nobody else listens meanwhile, for servers that cannot be given port 0, or come back."""

import socket


class Port:
    """`with Port() as port:` nobody else is given `port.number`, as long as it is held, and connecting to it is refused
    until a server listens there.

    Linux gives a port that a socket is bound to to nobody who asks for any port (port 0), but to who asks for this very
    one, when neither listens and both say SO_REUSEADDR: as asyncio, Mosquitto and nginx do (inet_csk_get_port).
    """

    def __init__(self):
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.number = self._holder.getsockname()[1]

    def close(self) -> None:
        self._holder.close()

    def __enter__(self) -> "Port":
        return self

    def __exit__(self, *_) -> None:
        self.close()
