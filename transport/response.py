"""A strict, incremental parser of one HTTP/1.1 response (RFC 9112). Pure: it is fed bytes and does no I/O itself."""

from .errors import GARBAGE, LOST, TransportError

_MAX_LINE = 2560  # bytes in a status line, header field or chunk size line: a presigned address takes some 2000
_MAX_LINES = 64  # lines in all heads and trailers together
_MAX_BODY = 16384  # bytes; our answers are a sentence, anything longer is not our collector
_MAX_INTERIM = 8  # 1xx responses in front of the real one
_KEEP_BODY = 120  # bytes of the body kept for the error text

# Fields that mean something to us: where else to put it, what is there, the collector's clock.
_KEPT = (b"location", b"content-digest", b"x-amz-checksum-sha256", b"motelog-clock")
_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"

# What comes next: first the states that take lines, from _BODY on those that take any bytes.
_STATUS, _HEADER, _CHUNK_SIZE, _CHUNK_END, _TRAILER, _BODY, _CHUNK, _UNTIL_CLOSE, _DONE = range(9)


def _garbage(text):
    return TransportError(GARBAGE, text)


def _decimal(text, what, max_digits):
    """Digits only: `int` would also take signs, spaces and underscores."""
    if not text.isdigit() or len(text) > max_digits:
        raise _garbage(f"bad {what} in the server's answer")
    return int(text)


class Response:
    """Feed it with `feed(view)` until `done`; when the other side closes before that, call `end()`.

    `status` is the final status code, as soon as it is known (below 200 before); `text` the start of the body;
    `started` tells that bytes came; `reusable` that the connection may carry another request. Interim (1xx) responses
    are skipped; `go_on` tells that there was a 100. `fields`: what was said in the header fields of `_KEPT`. What is
    malformed or too long raises `TransportError(GARBAGE)`, what is cut short `TransportError(LOST)`.
    """

    def __init__(self):
        self._line = bytearray()
        self._lines = 0
        self._interim = 0
        self.started = False
        self.go_on = False
        self.text = b""
        self._begin()

    def _begin(self):
        """The state in front of a status line."""
        self._state = _STATUS
        self.status = 0
        self.reusable = True
        self.fields = {}
        self._length = None  # Content-Length
        self._chunked = False
        self._left = 0  # bytes of the body or chunk still to come
        self._body = 0  # bytes of the body so far

    @property
    def done(self):
        return self._state == _DONE

    def feed(self, view):
        """Takes bytes (a memoryview) in pieces of any size. More bytes than the response has spoil the connection."""
        at, end = 0, len(view)
        self.started = True
        while at < end:
            if self._state == _DONE:
                self.reusable = False
                return
            if self._state >= _BODY:
                at = self._take_body(view, at, end)
            else:
                self._take_char(view[at])
                at += 1

    def end(self):
        """The other side closed: fine for a body without a length, else the answer was cut short."""
        if self._state == _UNTIL_CLOSE:
            self._state = _DONE
        elif self._state != _DONE:
            raise TransportError(LOST, "the server's answer is cut short" if self.started else "no answer")

    def _take_body(self, view, at, end):
        if self._state != _UNTIL_CLOSE:
            end = min(end, at + self._left)
            self._left -= end - at
        self._body += end - at
        if self._body > _MAX_BODY:
            raise _garbage(f"the server's answer is longer than {_MAX_BODY} bytes")
        keep = _KEEP_BODY - len(self.text)
        if keep > 0:
            self.text += bytes(view[at : min(end, at + keep)])
        if not self._left and self._state == _BODY:
            self._state = _DONE
        elif not self._left and self._state == _CHUNK:
            self._state = _CHUNK_END
        return end

    def _take_char(self, char):
        line = self._line
        if char != 10:
            if len(line) >= _MAX_LINE:
                raise _garbage(f"a line of the server's answer is longer than {_MAX_LINE} bytes")
            line.append(char)
            return
        if not line or line[-1] != 13:
            raise _garbage("a line of the server's answer does not end in CR LF")
        text = bytes(line)[:-1]
        self._line = bytearray()
        if b"\r" in text or b"\0" in text:
            raise _garbage("a control character in the head of the server's answer")
        self._lines += 1
        if self._lines > _MAX_LINES:
            raise _garbage(f"more than {_MAX_LINES} lines in the head of the server's answer")
        self._take_line(text)

    def _take_line(self, line):
        state = self._state
        if state == _STATUS:
            self._status_line(line)
        elif state == _HEADER:
            if line:
                self._header(line)
            else:
                self._head_done()
        elif state == _CHUNK_SIZE:
            self._chunk_size(line)
        elif state == _CHUNK_END:
            if line:
                raise _garbage("a chunk of the server's answer is longer than it says")
            self._state = _CHUNK_SIZE
        elif not line:  # end of the trailers, whose content means nothing to us
            self._state = _DONE

    def _status_line(self, line):
        # HTTP/1.x SP 3DIGIT SP [reason]; RFC 9112 section 4. Some servers leave out the last space with the reason.
        known = line.startswith(b"HTTP/1.0 ") or line.startswith(b"HTTP/1.1 ")
        if not known or len(line) < 12 or line[12:13] not in (b"", b" "):
            raise _garbage("the server does not answer in HTTP/1.1")
        self.status = _decimal(line[9:12], "status", 3)
        if not 100 <= self.status <= 599:
            raise _garbage("bad status in the server's answer")
        if line[7:8] == b"0":
            self.reusable = False
        self._state = _HEADER

    def _header(self, line):
        colon = line.find(b":")
        name = line[: max(colon, 0)].lower()
        if not name or any(c not in _TOKEN for c in name):  # an indented (folded) line ends here as well
            raise _garbage("a malformed header field in the server's answer")
        value = line[colon + 1 :].strip(b" \t")
        if name == b"content-length":
            length = _decimal(value, "Content-Length", 9)
            if self._length not in (None, length):
                raise _garbage("two different Content-Length in the server's answer")
            self._length = length
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or self._chunked:
                raise _garbage("an unknown Transfer-Encoding in the server's answer")
            self._chunked = True
        elif name == b"connection":
            if b"close" in [option.strip() for option in value.lower().split(b",")]:
                self.reusable = False
        elif name in _KEPT:
            self.fields[name] = value

    def _head_done(self):
        """Which framing the body has: RFC 9112 section 6.3."""
        if self._length is not None and self._chunked:
            raise _garbage("both Content-Length and Transfer-Encoding in the server's answer")
        if self.status < 200:
            self._interim += 1
            self.go_on = self.go_on or self.status == 100
            if self.status == 101 or self._interim > _MAX_INTERIM:
                raise _garbage("unexpected interim answers of the server")
            self._begin()
        elif self.status in (204, 304):
            self._state = _DONE
        elif self._chunked:
            self._state = _CHUNK_SIZE
        elif self._length is None:
            self.reusable = False
            self._state = _UNTIL_CLOSE
        else:
            self._left = self._length
            self._state = _BODY if self._left else _DONE

    def _chunk_size(self, line):
        digits = line.split(b";", 1)[0].strip(b" \t")
        if not 1 <= len(digits) <= 6 or any(c not in b"0123456789abcdefABCDEF" for c in digits):
            raise _garbage("a bad chunk size in the server's answer")
        self._left = int(digits, 16)
        self._state = _CHUNK if self._left else _TRAILER
