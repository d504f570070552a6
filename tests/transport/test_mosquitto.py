"""Shipping through a real Mosquitto: TLS, passwords, client certificates, and a broker that is killed and returns."""

import json
import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from tests.tools import mosquitto
from tests.tools.mosquitto import Mosquitto
from tests.transport.peer_collector import PeerCollector
from tests.transport.test_https import errors
from tests.transport.test_mqtt import bench  # noqa: F401

PASSWORD = "correct horse"
USERS = {"wrist": PASSWORD, "c": PASSWORD}
COLLECTOR = {"username": "c", "password": PASSWORD}

pytestmark = pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET)


@pytest.fixture
def certificates(authority):
    """-> a function of host and days of validity -> (CA, certificate, key): PEM files, as Mosquitto wants them."""
    folder = authority.pem.parent

    def make(host="127.0.0.1", **days):
        before = set(folder.glob("server-*.pem"))
        authority.server(host, **days)
        (made,) = set(folder.glob("server-*.pem")) - before
        return authority.pem, made, made

    return make


def arrived(files, result, collector):
    assert result["left"] == 0 and sorted(e for e in result["events"] if e[0] == "ack") == files.acks
    for name, parts in files.names:
        assert collector.stored[name] == b"".join(files.content["/" + part[0]] for part in parts)
    return True


def test_tls_password_and_client_certificate(bench, certificates, authority, tmp_path):  # noqa: F811
    tls = certificates()
    _, cert, _ = certificates("wrist-01")
    files = bench.files(6)
    trust = ssl.create_default_context(cafile=authority.pem)
    trust.load_cert_chain(cert)
    with Mosquitto(tmp_path / "broker", users=USERS, tls=tls, require=True) as broker:
        with PeerCollector(broker.port, tls_context=trust, **COLLECTOR) as collector:
            key = tmp_path / "key.pem"
            loaded = serialization.load_pem_private_key(cert.read_bytes(), None)
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            key.write_bytes(loaded.private_bytes(*form))
            mqtt = {"user": "wrist", "password": PASSWORD, "cert": str(cert), "key": str(key)}
            result = bench.ship(files, broker.url, mqtt=mqtt)
            assert arrived(files, result, collector) and errors(result) == []


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("password", "does not let this user in"), ("other host", "not trusted"), ("expired", "not trusted"),
        ("no certificate", "client certificate"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(bench, certificates, tmp_path, case, words):  # noqa: F811
    bench.heap = "1M"  # for the list of failures
    host, days = {"other host": ("example.org", {}), "expired": ("127.0.0.1", {"start": -9, "end": -2})}.get(
        case, ("127.0.0.1", {})
    )
    with Mosquitto(tmp_path / "broker", users=USERS, tls=certificates(host, **days), require=case == "no certificate") \
            as broker:  # fmt: skip
        mqtt = {"user": "wrist", "password": "wrong horse" if case == "password" else PASSWORD}
        result = bench.ship(bench.files(1), broker.url, mqtt=mqtt, until={"said": words})
    assert result["left"] == 1
    named = [words in message for _, message in errors(result)]
    assert any(named) and {kind for kind, message in errors(result) if words not in message} <= {"link lost"}, errors(
        result  # a reset of the connection may overtake what the broker says
    )


def test_broker_killed_and_started_again(bench, tmp_path):  # noqa: F811
    """-9 in the middle of many names: everything arrives, each with the right bytes."""
    files = bench.files(60)
    bench.heap = "1M"
    with Mosquitto(tmp_path / "broker") as broker, PeerCollector(broker.port) as collector:
        done = []

        def kill():
            broker.kill()
            broker.start()
            done.append(True)

        collector.after = (20, kill)
        result = bench.ship(files, broker.url, mqtt={"patience_s": 1})
        assert done and arrived(files, result, collector)
    assert result["status"]["failures"] > 0 and json.dumps(errors(result)).count("link lost") + json.dumps(
        errors(result)
    ).count("refused") > 0  # fmt: skip
