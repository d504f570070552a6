"""MCUmgr's Simple Management Protocol (SMP), server side: requests in, answers out, whatever carries them.

A message is 8 bytes of header (Zephyr, "SMP Protocol Specification") and a CBOR map:

    | op, version << 3 | flags | length (2) | group (2) | sequence | command |

`Assembler` makes requests of the pieces that arrive, `Server` answers one. The server keeps nothing from one request
to the next, so that any of them can be repeated, after a new connection too.
"""

import struct

from transport import cbor

HEADER_BYTES = 8
READ, WRITE = 0, 2  # op; the answer's is one more
MAX_REQUEST_BYTES = 512

OK, UNKNOWN, NO_MEMORY, INVALID, _, NO_ENTRY, BAD_STATE, TOO_LARGE, NOT_SUPPORTED = range(9)  # MGMT_ERR_E...
CORRUPT, DENIED, TOO_NEW = 9, 11, 13
V2 = 1


class Error(Exception):
    """What a request is refused with: a code of SMP's own, or of the group (then with SMP's nearest, for version 1)."""

    def __init__(self, code, group_code=None):
        super().__init__(code)
        self.code = code
        self.group_code = group_code


class Assembler:
    """Puts requests together from the pieces that they arrive in; a wrong header throws away what is there.

    Its buffer holds one request and the beginning of the next; what does not fit is thrown away with the rest.
    """

    def __init__(self):
        self._buffer = bytearray(2 * MAX_REQUEST_BYTES)
        self._n = 0

    def reset(self):
        """Forget what is there: the rest of it will not come."""
        self._n = 0

    def waiting(self):
        """-> bytes of a request that is not whole yet."""
        return self._n

    def feed(self, data):
        """Take the next bytes. -> how many of them were thrown away."""
        n = len(data)
        if self._n + n > len(self._buffer):
            n += self._n
            self._n = 0
            return n
        self._buffer[self._n : self._n + n] = data
        self._n += n
        return 0

    def request(self):
        """-> the oldest whole request as bytes, or None."""
        if self._n < HEADER_BYTES:
            return None
        op, _, length = struct.unpack_from(">BBH", self._buffer)
        size = HEADER_BYTES + length
        if op & 0xE7 not in (READ, WRITE) or size > MAX_REQUEST_BYTES:
            self._n = 0
            return None
        if self._n < size:
            return None
        message = bytes(memoryview(self._buffer)[:size])
        rest = self._n - size
        self._buffer[:rest] = self._buffer[size : self._n]
        self._n = rest
        return message


class Server:
    """Answers requests in `buffer`. `handlers`: {(group, command): handler}.

    A handler is `await handler(op, request, out)`: the request's map as a dict, a cbor.Writer for the answer's map.
    It raises Error, or ValueError or KeyError for a request that makes no sense, OSError when the flash fails. Where an
    answer ends with a piece of a file, it returns (open file, bytes of it) instead of writing them.
    """

    def __init__(self, buffer, handlers):
        self.buffer = buffer
        self._handlers = handlers

    async def answer(self, message):
        """-> (bytes of the answer to a whole request that stand in the buffer, file, bytes of it that come behind
        them). Without file None and 0; who sends the answer closes it.
        """
        op, flags, _, group, sequence, command = struct.unpack(">BBHHBB", message[:HEADER_BYTES])
        version = op >> 3 & 3
        out = cbor.Writer(self.buffer, HEADER_BYTES)
        file, rest = None, 0
        try:
            if version > V2:
                raise Error(TOO_NEW)
            handler = self._handlers.get((group, command))
            if handler is None:
                raise Error(NOT_SUPPORTED)
            file, rest = await handler(op & 7, cbor.loads(message[HEADER_BYTES:]), out) or (None, 0)
        except Error as error:
            self._refuse(error, version, group)
        except cbor.Full:
            self._refuse(Error(TOO_LARGE), version, group)
        except (ValueError, KeyError, TypeError):
            self._refuse(Error(INVALID), version, group)
        except MemoryError:
            self._refuse(Error(NO_MEMORY), version, group)
        except OSError:
            self._refuse(Error(UNKNOWN), version, group)
        else:
            self._end = out.at
        answer_op = (op & 7) + 1 | min(version, V2) << 3
        struct.pack_into(
            ">BBHHBB", self.buffer, 0, answer_op, 0, self._end + rest - HEADER_BYTES, group, sequence, command
        )
        return self._end, file, rest

    def _refuse(self, error, version, group):
        out = cbor.Writer(self.buffer, HEADER_BYTES)
        if error.group_code is not None and version == V2:
            out.value({"err": {"group": group, "rc": error.group_code}})
        else:
            out.value({"rc": error.code})
        self._end = out.at
