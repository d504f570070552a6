"""The JSON reader against CPython's: the same values, and stricter only where it says so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.strictjson import MAX_DEPTH, MAX_VALUES, JSONError, label, parse

NUMBERS = st.integers(-(10**15) + 1, 10**15 - 1) | st.floats(-999999999999999, 999999999999999)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=20,
).filter(lambda value: depth(value) <= MAX_DEPTH)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, dict | list) + max(map(depth, inner), default=0)


@given(value=VALUES, indent=st.sampled_from([None, 0, 3]), ascii=st.booleans())
def test_what_json_writes_is_read(value, indent, ascii):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii).encode()
    read, doubles = parse(text)
    assert repr(read) == repr(value) and doubles == []
    assert parse(b"\xef\xbb\xbf \r\n\t" + text + b"\n")[0] == value


@given(text=st.binary(max_size=12) | st.text('{}[]",:0123456789.eE+-\\u ntrfals/', max_size=16).map(str.encode))
def test_what_is_read_is_json(text):
    try:
        value, doubles = parse(text)
    except JSONError:
        return
    assert value == json.loads(text.decode("utf-8-sig"))
    assert not doubles or text.count(b":") >= 2


@pytest.mark.parametrize(
    ("text", "what", "how"),
    [
        (b"", "the file is empty", "begin with"),
        (b" \n", "the file is empty", "begin with"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16", "UTF-8"),
        (b'{"a": 1', "line 1, column 8: the file ends too early", "restore"),
        (b'{"a": "xyz', "ends inside a text", "restore"),
        (b'{"a": 1,}', "line 1, column 9: a key in double quotes", "remove the comma"),
        (b"[1,\n2,\n]", "line 3, column 1: a value", "remove the comma"),
        (b'{"a": 1 "b": 2}', "line 1, column 9: ',' or '}'", "just before"),
        (b"{'a': 1}", "not '''", "use double quotes"),
        (b'{"a": 1} # x', "more text after the end", "remove"),
        (b"// x\n{}", "not '/'", "no comments"),
        (b'{"a": True}', "not 'T'", "true, false"),
        (b'{"a": NaN}', "not 'N'", "plain numbers"),
        (b'{"a": -Infinity}', "a digit is expected, not 'I'", "plain numbers"),
        (b'{"a": nul}', "not 'n'", "true, false"),
        (b'{"a": 007}', "begins with 0", "leading 0"),
        (b'{"a": 1.}', "a digit", "before"),
        (b'{"a": .5}', "a value", "before"),
        (b'{"a": 1e400}', "too large", "1e15"),
        (b'{"a": 1e39}', "too large", "1e15"),
        (b'{"a": 1234567890123456}', "too long", "15 digits"),
        (b'{"a": "x\ny"}', "line break", "double quote"),
        (b'{"a": "\\x41"}', "backslash", "\\\\"),
        (b'{"a": "\\ud800"}', "surrogate", "the character"),
        (b'{"a": "\\u00g0"}', "hexadecimal", "the character"),
        (b'{"a": "\xff"}', "not UTF-8", "UTF-8"),
        (b'{"a": "\xc0\x80"}', "not UTF-8", "UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8", "UTF-8"),
        (b"[" * 9 + b"]" * 9, "nested deeper than 8", "flatter"),
        (b"[" * 100_000, "nested deeper than 8", "flatter"),
        (b"[" + b"1," * MAX_VALUES + b"1]", "more than 500 values", "smaller"),
    ],
)
def test_refused(text, what, how):
    with pytest.raises(JSONError) as caught:
        parse(text)
    assert what in caught.value.reason
    assert how in caught.value.remedy


def test_doubles_have_their_path():
    assert parse(b'{"a": {"b": 1, "b": 2}, "c": [{"d": 1, "d": 2}]}')[1] == ["a.b", "c.0.d"]


def test_labels_are_short_and_harmless():
    assert label("x" * 100) == "x" * 32 + "..."
    assert label("a\x1b[31m\n\x7f\x9b") == "a?[31m???"
    assert label("M\u00fcller") == "M\u00fcller"
