"""The manifest of an MQTT data message: any message is taken apart or refused, none breaks the collector."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.collector.manifest import Unanswerable, Wrong, parse
from host.store import Refused
from tests.fleet.device import message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "files", "x"]), inner),
)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_files_come_out_as_they_went_in(contents):
    files = dict(zip(("a.npy", "a.json", "a.wav"), contents, strict=False))
    payload, sha256 = message("d", "s", "a", files)
    manifest = parse(payload, "d")
    assert {file: bytes(content) for file, content, _ in manifest.files} == files
    assert (manifest.name, manifest.place, manifest.sha256) == ("d/s/a", ("d", "s"), sha256)


@given(st.binary(max_size=5000) | st.binary().map(lambda text: b"{" + text + b"\n"))
def test_any_bytes_are_refused(payload):
    with pytest.raises(Unanswerable):
        parse(payload, "d")


@given(JSON, JSON, st.binary(max_size=20))
def test_any_json_is_refused(name, files, body):
    line = json.dumps({"name": name, "files": files}).encode()
    with pytest.raises(Refused) as caught:
        parse(line + b"\n" + body, "d")
    assert isinstance(caught.value, Wrong) == (isinstance(name, str) and len(line) <= 4096)


@given(st.data())
def test_a_message_that_lost_or_won_bytes_is_refused(data):
    payload, _ = message("d", "s", "a", {"a.npy": b"0123456789", "a.json": b"{}"})
    line = payload.find(b"\n") + 1
    cut = payload[: data.draw(st.integers(line, len(payload) - 1))]
    with pytest.raises(Wrong):
        parse(cut, "d")
    with pytest.raises(Wrong):
        parse(payload + data.draw(st.binary(min_size=1, max_size=5)), "d")
