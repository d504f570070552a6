"""SMP and its CBOR on the board: what is written can be read, what is wrong is refused, pieces make requests."""

import asyncio
import io
import random

from transport import cbor, smp
from transport.smp_device import utc_us
from transport.smp_files import Files, is_name

VALUES = [0, 1, 23, 24, 255, 256, 65535, 65536, 0x3FFFFFFF, 0x40000000, 0xFFFFFFFF, 1 << 32, (1 << 64) - 1, -1, -24,
          -25, -257, -(1 << 31), "", "a", "äöü" * 90, b"", b"\x00\xff" * 200, True, False, None]  # fmt: skip


def encoded(value, n=2000):
    buffer = bytearray(n)
    out = cbor.Writer(buffer)
    out.value(value)
    return bytes(buffer[: out.at])


def refused(data):
    try:
        cbor.loads(data)
    except ValueError:
        return True
    return False


def test_every_value_comes_back():
    for value in VALUES:
        found = cbor.loads(encoded({"k": value}))["k"]
        assert found == value and type(found) is type(value), value


def test_known_bytes():
    """RFC 8949, appendix A."""
    for value, data in ((1000000, "1a000f4240"), (-1000, "3903e7"), ("IETF", "6449455446"), ([1, [2, 3]], "8201820203"),
                        ({"a": 1, "b": [2, 3]}, "a26161016162820203"), (1.5, "fb3ff8000000000000")):  # fmt: skip
        assert encoded(value) == bytes.fromhex(data), value
    assert cbor.loads(bytes.fromhex("bf6161016162f5ff")) == {"a": 1, "b": True}  # a map of unknown length


def test_what_is_wrong_is_refused():
    right = encoded({"off": 70000, "name": "/index", "x": b"123"})
    for n in range(len(right)):
        assert refused(right[:n]), n
    for wrong in (right + b"\x00", b"", b"\x01", b"\xa1\x01\x01", b"\xa2\x61a\x01\x61a\x02", b"\xa1\x61a\x80",
                  b"\xa1\x61\xff\x01", b"\xa1\x61a\xfb" + bytes(8), b"\xbb" + b"\xff" * 8,
                  b"\xa1\x61a\x5b" + b"\xff" * 8, b"\xbf\xff\xff"):  # fmt: skip
        assert refused(wrong), wrong


def test_nothing_is_written_beyond_the_end():
    value = {"text": "x" * 30, "n": 70000, "b": b"12345"}
    size = len(encoded(value))
    for n in range(size):
        buffer = bytearray(n + 10)
        try:
            cbor.Writer(buffer, 0, n).value(value)
            raise AssertionError(n)
        except cbor.Full:
            assert buffer[n:] == bytes(10)


def request(body, op=smp.READ, version=1, group=64, sequence=7, command=2):
    n = len(body)
    return bytes([op | version << 3, 0, n >> 8, n & 255, group >> 8, group & 255, sequence, command]) + body


def test_pieces_make_requests():
    messages = [request(encoded({"n": n, "x": "y" * (n * 37 % 300)}), sequence=n) for n in range(20)]
    stream = b"".join(messages)
    for seed in range(20):
        random.seed(seed)
        assembler = smp.Assembler()
        found = []
        at = 0
        while at < len(stream):
            n = random.randrange(1, 200)
            assert assembler.feed(stream[at : at + n]) == 0
            at += n
            message = assembler.request()
            while message:
                found.append(message)
                message = assembler.request()
        assert found == messages


def test_rubbish_does_not_stay():
    assembler = smp.Assembler()
    for rubbish in (b"\xff" * 8, b"\x05" + bytes(7), b"\x00\x00\xff\xff" + bytes(4), bytes(1100)):
        assembler.feed(rubbish)
        while assembler.request():
            pass
        assembler.reset()
        assembler.feed(request(b"\xa0"))
        assert assembler.request() == request(b"\xa0")


def answer(message, handler, n=64):
    buffer = bytearray(n)
    server = smp.Server(buffer, {(64, 2): handler})
    return bytes(buffer[: asyncio.run(server.answer(message))[0]])


def test_errors_have_their_codes():
    def failing(error):
        async def handler(op, request, out):
            out.value({"half": "an answer"})
            raise error

        return handler

    async def long(op, request, out):
        out.value("x" * 100)

    errors = ((ValueError(), 3), (KeyError("off"), 3), (OSError(5), 1), (MemoryError(), 2), (smp.Error(9), 9))
    for error, code in errors:
        got = answer(request(b"\xa0"), failing(error))
        assert got == bytes([9, 0, 0, 5, 0, 64, 7, 2]) + b"\xa1\x62rc" + bytes([code]), got
    grouped = smp.Error(5, 3)
    assert answer(request(b"\xa0"), failing(grouped))[8:] == encoded({"err": {"group": 64, "rc": 3}})
    assert answer(request(b"\xa0", version=0), failing(grouped))[8:] == encoded({"rc": 5})
    assert answer(request(b"\xa0", version=2), long)[8:] == encoded({"rc": 13})
    assert answer(request(b"\xa0"), long)[8:] == encoded({"rc": 7})
    assert answer(request(b"\xa0", command=9), long)[8:] == encoded({"rc": 8})
    assert answer(request(b"\xa1"), long)[8:] == encoded({"rc": 3})


class OneFile:
    """A spool with a file that is long enough for offsets of 1, 2, 3 and 5 bytes."""

    device = "d"

    def open(self, name):
        return io.BytesIO(bytes(80000))


def test_all_answers_of_a_download_hold_the_same_as_clients_ask_ahead():
    download = Files(OneFile(), 1000).handlers()[8, 0]
    found = set()
    for off in (0, 1, 23, 24, 255, 256, 65535, 65536, 79000):
        buffer = bytearray(2000)
        out = cbor.Writer(buffer, smp.HEADER_BYTES)
        file, n = asyncio.run(download(smp.READ, {"off": off, "name": "d/s/f.npy"}, out))
        assert out.at + n <= 1000 and file.seek(0, 1) == off
        found.add(n)
    assert len(found) == 1 and found.pop() > 950


def test_names():
    for name in ("w/s/a.npy", "w/s/session.json", "w/00001-00-abc/imu-000003.json"):
        assert is_name(name, "w"), name
    for name in ("", "w", "w/s", "w/s/a", "w/s/a.npy/", "/w/s/a.npy", "v/s/a.npy", "w/../a.npy", "w/s/..", "w/s/.a",
                 "w//a.b", "w/s/a\0.npy", "w/s/a b.npy", "w\\s\\a.npy", "w/s/ä.npy",
                 "w/s/" + "a" * 120 + ".b"):  # fmt: skip
        assert not is_name(name, "w"), name


def test_times():
    for text, seconds in (("1970", None), ("2000-01-01T00:00:00", 946684800), ("2026-11-22T16:40:00Z", 1795365600),
                          ("2024-02-29 23:59:59", 1709251199), ("2026-11-22T17:40:00+01:00", 1795365600),
                          ("2026-11-22T11:10:00-0530", 1795365600), ("2026-13-01T00:00:00", None),
                          ("2026-11-22T16:40:00x", None)):  # fmt: skip
        try:
            assert utc_us(text) == seconds * 1000000, (text, utc_us(text))
        except ValueError:
            assert seconds is None, text
    assert utc_us("2026-11-22T16:40:00.25") == 1795365600250000
    assert utc_us("2026-11-22T16:40:00.1234567+00:00") == 1795365600123456
