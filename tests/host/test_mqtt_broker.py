"""The way to a broker: what the command line says, and TLS with password and certificate against a real Mosquitto."""

import argparse
import asyncio

import aiomqtt
import pytest

from host import mqtt_broker
from tests.tools import mosquitto
from tests.transport.certificates import Authority


def broker(*words: object):
    parser = argparse.ArgumentParser()
    mqtt_broker.add_arguments(parser)
    return mqtt_broker.of_arguments(parser.parse_args([str(word) for word in words]))


@pytest.mark.parametrize(("url", "parts"), [
    ("mqtt://localhost", ("localhost", 1883, None, False)),
    ("mqtts://broker.example", ("broker.example", 8883, None, True)),
    ("mqtt://me@10.0.0.1:99/", ("10.0.0.1", 99, "me", False)),
    ("mqtt://a%40b@[::1]:1", ("::1", 1, "a@b", False)),
])
def test_urls(url, parts):
    found = broker("--mqtt", url)
    assert (found.host, found.port, found.user, found.tls is not None) == parts
    assert "me" not in str(found).replace("example", "")


def test_without_a_url_there_is_none():
    assert broker() is None


def test_what_cannot_be_meant(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "garbage").write_bytes(b"garbage\n")
    for words, told in (
        (["--mqtt", "localhost"], "mqtt://"),
        (["--mqtt", "http://x"], "mqtt://"),
        (["--mqtt", "mqtt://"], "mqtt://"),
        (["--mqtt", "mqtt://x:0"], "mqtt://"),
        (["--mqtt", "mqtt://x:65536"], "mqtt://"),
        (["--mqtt", "mqtt://x:port"], "mqtt://"),
        (["--mqtt", "mqtt://x/topic"], "mqtt://"),
        (["--mqtt", "mqtt://u:secret@x"], "--mqtt-password-file"),
        (["--mqtt-ca", tmp_path / "garbage"], "without --mqtt"),
        (["--mqtt", "mqtt://x", "--mqtt-password-file", tmp_path / "garbage"], "needs its user"),
        (["--mqtt", "mqtt://u@x", "--mqtt-password-file", tmp_path / "empty"], "empty"),
        (["--mqtt", "mqtt://x", "--mqtt-ca", tmp_path / "garbage"], "mqtts://"),
        (["--mqtt", "mqtts://x", "--mqtt-ca", tmp_path / "garbage"], "no certificate"),
        (["--mqtt", "mqtts://x", "--mqtt-ca", tmp_path / "empty"], "no certificate"),
        (["--mqtt", "mqtts://x", "--mqtt-cert", tmp_path / "garbage"], "no PEM certificate"),
        (["--mqtt", "mqtts://x", "--mqtt-key", tmp_path / "garbage"], "--mqtt-cert"),
        (["--mqtt", "mqtt://x", "--mqtt-prefix", "a/+"], "--mqtt-prefix"),
        (["--mqtt", "mqtt://x", "--mqtt-prefix", ""], "--mqtt-prefix"),
        (["--mqtt", "mqtt://x", "--mqtt-prefix", "$SYS"], "--mqtt-prefix"),
    ):
        with pytest.raises(ValueError, match=told) as caught:
            broker(*words)
        assert "secret" not in str(caught.value)
    with pytest.raises(OSError):
        broker("--mqtt", "mqtts://x", "--mqtt-ca", tmp_path / "absent")


@pytest.mark.skipif(mosquitto.program() is None, reason=mosquitto.HOW_TO_GET)
def test_tls_with_password_and_certificate(tmp_path):
    good, other = Authority(tmp_path, "good"), Authority(tmp_path, "other")
    good.server("127.0.0.1")
    pem, = tmp_path.glob("server-*.pem")
    (tmp_path / "password").write_text("pass word\n")
    (tmp_path / "wrong").write_text("wrong\n")

    def told(ca, password="password"):
        """Why there is no connection; None when there is one."""
        words = ["--mqtt-ca", ca, "--mqtt-password-file", tmp_path / password, "--mqtt-cert", pem]

        async def connect():
            async with broker("--mqtt", f"mqtts://me@127.0.0.1:{server.port}", *words).client() as client:
                await client.publish("motelog/x/status", b"{}", qos=1)

        try:
            asyncio.run(asyncio.wait_for(connect(), 60))
        except aiomqtt.MqttError as error:
            return str(error)

    tls = (good.pem, pem, pem)
    with mosquitto.Mosquitto(tmp_path, users={"me": "pass word"}, tls=tls, require=True) as server:
        assert told(good.pem) is None and told(good.der) is None
        assert "verify failed" in told(other.pem)
        assert "Not authorized" in told(good.pem, "wrong")
