"""Certificates: a board (a real MicroPython TLS client) trusts the right server, and no other one."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from host import certs
from tests.tools.micropython import HOW_TO_GET, interpreter, run_micropython

CLIENT = """
import socket, sys, tls
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
with open(sys.argv[1], "rb") as file:
    context.load_verify_locations(file.read())
link = socket.socket()
link.connect(socket.getaddrinfo("127.0.0.1", int(sys.argv[2]))[0][-1])
try:
    print(context.wrap_socket(link, server_hostname=sys.argv[3]).read(5))
except (OSError, ValueError) as error:
    print("refused:", error)
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return certs.make(tmp_path_factory.mktemp("ours"), ["localhost", "127.0.0.1", "::1"])


@pytest.fixture(scope="module")
def port(ours):
    """A TLS server that greets whoever accepts its certificate."""
    context = ours.server_context()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(link, server_side=True) as tls:
                        tls.sendall(b"hello")
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def board_says(ca: Path, port: int, name: str) -> str:
    python = interpreter("64-bit")
    if python is None:
        pytest.skip(HOW_TO_GET["64-bit"])
    return run_micropython(CLIENT, str(ca), str(port), name, interpreter=python, check=True).stdout


# An IP address is matched against the certificate's IP addresses: mbedTLS has this since 3.5.
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_board_accepts_the_collector_by_name_and_by_address(ours, port, name):
    assert "hello" in board_says(ours.ca_path, port, name)


@pytest.mark.parametrize("name", ["elsewhere", "127.0.0.2", "localhos"])
def test_a_board_refuses_another_host(ours, port, name):
    assert "CN" in board_says(ours.ca_path, port, name)


def test_a_board_refuses_another_authority(tmp_path, port):
    other = certs.make(tmp_path, ["localhost"])
    assert "not correctly signed by the trusted CA" in board_says(other.ca_path, port, "localhost")


def test_a_laptop_accepts_it_too(ours, port):
    context = ssl.create_default_context(cadata=ours.ca_der())
    with socket.create_connection(("127.0.0.1", port)) as link:
        with context.wrap_socket(link, server_hostname="127.0.0.1") as tls:
            assert tls.recv(5) == b"hello"


def test_a_new_address_needs_no_new_file_on_the_boards(tmp_path):
    first = certs.make(tmp_path, ["localhost"])
    before = first.ca_der(), first.cert_pem.read_bytes()
    assert certs.make(tmp_path, ["localhost"]).cert_pem.read_bytes() == before[1]
    second = certs.make(tmp_path, ["localhost", "192.0.2.7"])
    assert second.ca_der() == before[0]
    assert second.cert_pem.read_bytes() != before[1]


def test_keys_are_for_the_owner_only(tmp_path):
    certs.make(tmp_path, ["localhost"])
    certs.make(tmp_path, ["other"])
    keys = list(tmp_path.glob("*.key.pem"))
    assert len(keys) == 2
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_a_board_whose_clock_was_never_set_believes_the_certificate(ours):
    for certificate in (
        x509.load_der_x509_certificate(ours.ca_der()),
        x509.load_pem_x509_certificate(ours.cert_pem.read_bytes()),
    ):
        assert certificate.not_valid_before_utc.year == 1970


def test_a_damaged_or_mixed_folder(tmp_path):
    certs.make(tmp_path / "a", ["localhost"])
    certs.make(tmp_path / "b", ["localhost"])
    for name in ("server.key.pem", "server.pem"):  # in this order: first another key, then another authority
        foreign = (tmp_path / "b" / name).read_bytes()
        (tmp_path / "a" / name).write_bytes(foreign)
        certs.make(tmp_path / "a", ["localhost"]).server_context()
        assert (tmp_path / "a" / name).read_bytes() != foreign
        (tmp_path / "a" / "server.key.pem").write_bytes((tmp_path / "b" / "server.key.pem").read_bytes())
    (tmp_path / "a" / "ca.der").write_bytes(b"\x30\x03nonsense")
    with pytest.raises(certs.CertError, match="delete the folder"):
        certs.make(tmp_path / "a", ["localhost"])


@pytest.mark.parametrize("host", ["", "a b", "-x", "https://x", "x:8443", "ümlaut"])
def test_what_is_no_host(tmp_path, host):
    with pytest.raises(certs.CertError, match="neither a host name"):
        certs.make(tmp_path, [host])
