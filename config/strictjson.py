"""A strict JSON reader (RFC 8259) for small files: the same verdict on CPython and on every MicroPython port.

The `json` modules differ on trailing garbage, NaN, duplicate keys, leading zeros, control characters and bad UTF-8, so
neither is used for files that people edit. Also refused, because boards differ on them or run out of memory: nesting
deeper than `MAX_DEPTH`, more than `MAX_VALUES` values, whole numbers above 15 digits, numbers of 1e15 and more.
"""

MAX_DEPTH = 8
MAX_VALUES = 500
_SPACE = b" \t\r\n"
_ESCAPES = {0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9}
_LOOK = "look at that place and just before it"


class JSONError(ValueError):
    """The text is not JSON. `reason` says where and what, `remedy` what would be right."""

    def __init__(self, reason, remedy):
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def parse(data):
    """Value of the JSON text `data` (bytes), and the paths of keys that stand there twice. Raises JSONError."""
    parser = _Parser(data)
    return parser.document(), parser.doubles


def label(key):
    """A key as it appears in a path: at most 32 characters, none that a terminal would obey."""
    shown = key if len(key) <= 32 else key[:32] + "..."
    return "".join([c if 32 <= ord(c) < 127 or ord(c) >= 160 else "?" for c in shown])


def join(path, part):
    """Path of the member `part` (a key or an index) of the value at `path`."""
    part = label(part) if isinstance(part, str) else str(part)
    return path + "." + part if path else part


class _Parser:
    def __init__(self, data):
        self.data = data
        self.at = 3 if data[:3] == b"\xef\xbb\xbf" else 0  # some editors begin a file with a byte order mark
        self.values = 0
        self.doubles = []

    def document(self):
        if self.data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise JSONError("the file is UTF-16 text", "save it as UTF-8")
        if self.peek() < 0:
            raise JSONError("the file is empty", "begin with config/examples/virtual.json")
        value = self.value("", 1)
        if self.peek() >= 0:
            self.fail("there is more text after the end of the object", "remove what follows the last '}'")
        return value

    def fail(self, what, remedy=_LOOK):
        before = self.data[: self.at]
        line = before.count(b"\n") + 1
        column = self.at - (before.rfind(b"\n") + 1) + 1
        raise JSONError("line {}, column {}: {}".format(line, column, what), remedy)

    def expected(self, what):
        if self.at >= len(self.data):
            self.fail("the file ends too early, {} is expected".format(what), "the end is missing: restore the file")
        byte = self.data[self.at]
        found = "'{}'".format(chr(byte)) if 32 < byte < 127 else "byte 0x{:02x}".format(byte)
        self.fail("{} is expected, not {}".format(what, found), self.hint(byte))

    def hint(self, byte):
        """What the usual slips look like."""
        if byte in b"}]" and self.data[: self.at].rstrip().endswith(b","):
            return "remove the comma before it"
        if byte in b"#/":
            return "JSON has no comments"
        if byte == 0x27:
            return "use double quotes"
        if byte in b"TFNIn":
            return "JSON knows true, false and null, and plain numbers"
        return _LOOK

    def byte(self):
        return self.data[self.at] if self.at < len(self.data) else -1

    def peek(self):
        """The next byte that is not white space (-1 at the end), not yet taken."""
        data, at = self.data, self.at
        while at < len(data) and data[at] in _SPACE:
            at += 1
        self.at = at
        return self.byte()

    def take(self, byte):
        if self.peek() != byte:
            return False
        self.at += 1
        return True

    def value(self, path, depth):
        self.values += 1
        if self.values > MAX_VALUES:
            self.fail("more than {} values".format(MAX_VALUES), "a configuration is smaller than that")
        first = self.peek()
        if first in (0x7B, 0x5B):
            if depth > MAX_DEPTH:
                self.fail("nested deeper than {}".format(MAX_DEPTH), "a configuration is flatter than that")
            self.at += 1
            return self.object(path, depth) if first == 0x7B else self.array(path, depth)
        if first == 0x22:
            return self.string()
        if first == 0x2D or 0x30 <= first <= 0x39:
            return self.number()
        for word, meaning in ((b"true", True), (b"false", False), (b"null", None)):
            if self.data[self.at : self.at + len(word)] == word:
                self.at += len(word)
                return meaning
        self.expected("a value")

    def object(self, path, depth):
        members = {}
        if self.take(0x7D):
            return members
        while True:
            if self.peek() != 0x22:
                self.expected("a key in double quotes")
            key = self.string()
            member = join(path, key)
            if key in members:
                self.doubles.append(member)
            if not self.take(0x3A):
                self.expected("':'")
            members[key] = self.value(member, depth + 1)
            if self.take(0x7D):
                return members
            if not self.take(0x2C):
                self.expected("',' or '}'")

    def array(self, path, depth):
        items = []
        if self.take(0x5D):
            return items
        while True:
            items.append(self.value(join(path, len(items)), depth + 1))
            if self.take(0x5D):
                return items
            if not self.take(0x2C):
                self.expected("',' or ']'")

    def digits(self):
        start = self.at
        while 0x30 <= self.byte() <= 0x39:
            self.at += 1
        if self.at == start:
            self.expected("a digit")
        return self.at - start

    def number(self):
        start = self.at
        whole = True
        if self.byte() == 0x2D:
            self.at += 1
        zero = self.byte() == 0x30
        count = self.digits()
        if zero and count > 1:
            self.fail("a number begins with 0", "write it without the leading 0")
        if self.byte() == 0x2E:
            whole = False
            self.at += 1
            self.digits()
        if self.byte() in (0x65, 0x45):
            whole = False
            self.at += 1
            if self.byte() in (0x2B, 0x2D):
                self.at += 1
            self.digits()
        if self.at - start > 24 or whole and count > 15:
            self.fail("a number is too long", "at most 15 digits")
        text = str(self.data[start : self.at], "ascii")
        number = int(text) if whole else float(text)
        if not -1e15 < number < 1e15:
            self.fail("a number is too large", "stay below 1e15")
        return number

    def string(self):
        self.at += 1
        text = bytearray()
        while True:
            byte = self.byte()
            if byte == 0x22:
                self.at += 1
                return str(bytes(text), "utf-8")
            if byte < 0:
                self.fail("the file ends inside a text", "the end is missing: restore the file")
            if byte < 0x20:
                self.fail("a text holds a line break or control character", "close the text with a double quote")
            if byte == 0x5C:
                self.escape(text)
                continue
            size = _utf8_size(self.data, self.at)
            if not size:
                self.fail("the text is not UTF-8", "save the file as UTF-8")
            text.extend(self.data[self.at : self.at + size])
            self.at += size

    def escape(self, text):
        self.at += 1
        byte = self.byte()
        self.at += 1
        if byte in _ESCAPES:
            text.append(_ESCAPES[byte])
        elif byte == 0x75:
            text.extend(chr(self.code_point()).encode())
        else:
            self.at -= 1
            self.fail("a backslash begins no known escape", "write \\\\ for a backslash")

    def code_point(self):
        code = self.hex4()
        if 0xD800 <= code < 0xDC00 and self.data[self.at : self.at + 2] == b"\\u":
            self.at += 2
            low = self.hex4()
            if 0xDC00 <= low < 0xE000:
                return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        if 0xD800 <= code < 0xE000:
            self.fail("half of a surrogate pair", "write the character itself")
        return code

    def hex4(self):
        code = 0
        for _ in range(4):
            digit = b"0123456789abcdef".find(bytes([self.byte() | 0x20])) if self.byte() >= 0x30 else -1
            if digit < 0:
                self.fail("\\u needs four hexadecimal digits", "write the character itself")
            code = code << 4 | digit
            self.at += 1
        return code


def _utf8_size(data, at):
    """Bytes of the well-formed UTF-8 sequence at `at`, 0 if there is none (Unicode 15, table 3-7)."""
    lead = data[at]
    if lead < 0x80:
        return 1
    if not 0xC2 <= lead <= 0xF4:
        return 0
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    if at + size > len(data):
        return 0
    low = {0xE0: 0xA0, 0xF0: 0x90}.get(lead, 0x80)
    high = {0xED: 0x9F, 0xF4: 0x8F}.get(lead, 0xBF)
    if not low <= data[at + 1] <= high:
        return 0
    for i in range(at + 2, at + size):
        if not 0x80 <= data[i] <= 0xBF:
            return 0
    return size
