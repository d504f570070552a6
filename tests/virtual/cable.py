"""The cable between a client and a virtual board's console, which can be pulled while the board goes on (battery)."""

import os
import select
import threading
import tty


class Cable:
    """`port`: where the client finds the board at `port` of a Console, until `after` bytes have passed either way."""

    def __init__(self, port: str, after: int):
        self._left = after
        self._laptop, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave = slave  # open until the client is there: else the laptop's end reads an error
        self._board = os.open(port, os.O_RDWR | os.O_NOCTTY)
        self.pulled = threading.Event()
        self._ended = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        other = {self._laptop: self._board, self._board: self._laptop}
        while self._left > 0:
            ready, _, _ = select.select([*other, self._ended[0]], [], [])
            if self._ended[0] in ready:
                break
            for number in ready:
                data = os.read(number, min(self._left, 256))
                os.write(other[number], data)
                self._left -= len(data)
                if self._left <= 0:
                    break
        for number in (self._laptop, self._board, self._slave):
            os.close(number)
        self.pulled.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Pulled now, if it was not before."""
        os.write(self._ended[1], b"x")
        self._thread.join(120)
        for number in self._ended:
            os.close(number)
