"""The parser of answers: well-formed ones in any pieces, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.errors import GARBAGE, LOST, TransportError
from transport.response import Response


def parse(data, cuts=(), *, closed=False):
    """-> (status, text, reusable, done), fed in pieces that end at `cuts`; (kind, message) if it raises."""
    response = Response()
    view = memoryview(data)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    try:
        for start, end in zip(edges, edges[1:], strict=False):
            response.feed(view[start:end])
        if closed and not response.done:
            response.end()
    except TransportError as error:
        return error.kind, error.message
    return response.status, response.text, response.reusable, response.done


token = st.text("abcXYZ019-_!~", min_size=1, max_size=12)
value = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
field = st.builds(lambda name, value: f"x{name}: {value}\r\n".encode(), token, value)
fields = st.lists(field, max_size=5).map(b"".join)
body = st.binary(max_size=300)
final = st.integers(200, 599).filter(lambda code: code not in (204, 304))


@st.composite
def answers(draw):
    """-> (bytes, expected status, body, reusable)."""
    codes = draw(st.lists(st.sampled_from([100, 102, 103]), max_size=3))
    interim = b"".join(b"HTTP/1.1 %d x\r\n%s\r\n" % (code, draw(fields)) for code in codes)
    code, content, close = draw(final), draw(body), draw(st.booleans())
    head = b"HTTP/1.1 %d Why not\r\n%s" % (code, draw(fields))
    if close:
        head += b"coNNection: foo, Close\r\n"
    if draw(st.booleans()):
        framed = b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
    else:
        edges = sorted({0, *draw(st.lists(st.integers(0, len(content)), max_size=4)), len(content)})
        chunks = [content[start:end] for start, end in zip(edges, edges[1:], strict=False)]
        framed = b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x;e=1\r\n%s\r\n" % (len(c), c) for c in chunks)
        framed += b"0\r\n" + draw(fields) + b"\r\n"
    return interim + head + framed, code, content, not close


@given(answers(), st.lists(st.integers(0, 2000), max_size=20))
def test_well_formed_answers_in_any_pieces(answer, cuts):
    data, code, content, reusable = answer
    assert parse(data, cuts) == (code, content[:120], reusable, True)


@given(answers(), st.data())
def test_every_beginning_of_an_answer_is_incomplete_and_cut_short_when_closed(answer, data):
    end = data.draw(st.integers(0, len(answer[0]) - 1))
    assert parse(answer[0][:end])[3] is False
    assert parse(answer[0][:end], closed=True)[0] == LOST


@given(answers(), st.binary(min_size=1, max_size=20))
def test_bytes_behind_the_answer_spoil_the_connection_only(answer, more):
    data, code, content, _ = answer
    assert parse(data + more, [len(data)]) == (code, content[:120], False, True)
    assert parse(data + more) == (code, content[:120], False, True)


shuffled = answers().flatmap(lambda answer: st.permutations(list(answer[0][:80])).map(bytes))
damaged = st.tuples(answers(), st.integers(0, 300), st.binary(max_size=3)).map(
    lambda drawn: drawn[0][0][: drawn[1]] + drawn[2] + drawn[0][0][drawn[1] + len(drawn[2]) :]
)


@given(st.binary(max_size=400) | shuffled | damaged, st.lists(st.integers(0, 400)))
def test_any_bytes_give_a_verdict_of_ours_that_does_not_depend_on_the_pieces(data, cuts):
    verdict = parse(data, cuts, closed=True)
    assert verdict == parse(data, closed=True)
    assert verdict[0] in (GARBAGE, LOST) or 200 <= verdict[0] <= 599


HEAD = b"HTTP/1.1 201 Created\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 201 Created\r\n",
        b"HTTP/1.2 201 Created\r\n",
        b"http/1.1 201 Created\r\n",
        b" HTTP/1.1 201 Created\r\n",
        b"HTTP/1.1  201 Created\r\n",
        b"HTTP/1.1 20 Created\r\n",
        b"HTTP/1.1 2011 Created\r\n",
        b"HTTP/1.1 +20 Created\r\n",
        b"HTTP/1.1 099 Created\r\n",
        b"HTTP/1.1 600 Created\r\n",
        b"HTTP/1.1 201\n",
        b"\r\n" + HEAD,
        HEAD + b"no colon\r\n",
        HEAD + b": no name\r\n",
        HEAD + b"space : 1\r\n",
        HEAD + b"a: 1\r\n folded: 2\r\n",
        HEAD + b"a: 1\n",
        HEAD + b"a: \0\r\n",
        HEAD + b"a: \r1\r\n",
        HEAD + b"Content-Length: \r\n",
        HEAD + b"Content-Length: -1\r\n",
        HEAD + b"Content-Length: 1_0\r\n",
        HEAD + b"Content-Length: 0x1\r\n",
        HEAD + b"Content-Length: 3, 3\r\n",
        HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n",
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Content-Length: 20000\r\n\r\n" + bytes(16385),
        HEAD + b"\r\n" + bytes(16385),
        HEAD + b"Transfer-Encoding: gzip\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n+1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1000000\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + bytes(4096) + b"\r\n") * 5,
        HEAD + b"a: " + b"b" * 2560,
        HEAD + b"a: b\r\n" * 64,
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
    ],
)  # fmt: skip
def test_garbage(data):
    assert parse(data)[0] == GARBAGE


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 204\r\n\r\n", (204, b"", True, True)),
        (b"HTTP/1.1 204 \r\n\r\n", (204, b"", True, True)),
        (HEAD + b"Content-Length: 3\r\ncontent-length:3 \r\n\r\nabc", (201, b"abc", True, True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", (200, b"", False, True)),
        (HEAD + b"\r\nuntil the end", (201, b"until the end", False, True)),
    ],
)
def test_unusual_but_right(data, expected):
    assert parse(data, closed=True) == expected


def test_the_status_is_known_before_the_answer_is_complete():
    response = Response()
    response.feed(memoryview(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 41"))
    assert response.status < 200 and response.started
    response.feed(memoryview(b"2 Precondition Failed\r\n"))
    assert response.status == 412 and not response.done
