"""An address that the rules accept is one that the transport can use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.urls import split, url_errors
from transport.endpoint import parse_url

PARTS = st.sampled_from(
    ["http", "https", "://", ":", "/", "//", "[", "]", "::1", "localhost", "127.0.0.1", "127.1", "h.example", "h-1_x",
     "8443", "0", "65536", "@", "?", "#", "%", "\\", "a", "-", ".", "~"]
)  # fmt: skip
URLS = st.lists(PARTS, max_size=6).map("".join)
LIKELY = st.tuples(st.sampled_from(["http://", "https://"]), URLS).map("".join)


@given(url=URLS | LIKELY)
def test_accepted_is_usable(url):
    if not list(url_errors({"url": url, "ca_file": "/ca.der"}, "https")):
        secure, host, port, path = parse_url(url)
        assert (host, secure) == (split(url)[2], url.startswith("https"))
        assert 0 < port < 65536 and path.endswith("/")


@pytest.mark.parametrize("url", ["https://h", "https://h.example:8443/a/b/", "http://localhost:80", "https://[fe80::1]:1/x"])
def test_usual_ones_are_accepted(url):
    assert list(url_errors({"url": url, "ca_file": "/ca.der"}, "https")) == []
