"""How the laptop side reaches an MQTT broker: a URL, files with secrets, and a client for it (MQTT 5)."""

import argparse
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PREFIX = "motelog"
PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class Broker:
    """Where it is, and how we show who we are. `prefix`: what all topics begin with."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    prefix: str = PREFIX

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.tls else ''}://{host}:{self.port}"

    def client(self, *, receive_maximum: int | None = None, max_packet: int | None = None) -> aiomqtt.Client:
        """A client that is not connected yet. `receive_maximum`: QoS 1 messages in flight towards us; `max_packet`: the
        largest message, in bytes, that the broker may send us (MQTT 5 sections 3.1.2.11.3 and 3.1.2.11.4).
        """
        properties = Properties(PacketTypes.CONNECT)
        if receive_maximum:
            properties.ReceiveMaximum = receive_maximum
        if max_packet:
            properties.MaximumPacketSize = max_packet
        client = aiomqtt.Client(
            self.host, self.port, username=self.user, password=self.password, tls_context=self.tls,
            protocol=aiomqtt.ProtocolVersion.V5, clean_start=True, properties=properties, keepalive=30,
        )  # fmt: skip
        client.pending_calls_threshold = 1000  # it warns above 10; the receive maximum is our bound
        return client


def told(error: aiomqtt.MqttError) -> str:
    """What is wrong with the connection, without the number in front of a system's reason."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("MQTT")
    group.add_argument("--mqtt", metavar="URL", help="the broker: mqtt://[USER@]HOST[:PORT], or mqtts:// with TLS")
    group.add_argument("--mqtt-password-file", type=Path, metavar="F", help="a file with the password of USER")
    group.add_argument("--mqtt-ca", type=Path, metavar="F", help="the authority to trust (default: the system's)")
    group.add_argument("--mqtt-cert", type=Path, metavar="F", help="our certificate, PEM")
    group.add_argument("--mqtt-key", type=Path, metavar="F", help="its key, PEM (default: in the same file)")
    group.add_argument("--mqtt-prefix", default=PREFIX, metavar="P", help=f"topics begin with it (default {PREFIX})")


def of_arguments(args: argparse.Namespace) -> Broker | None:
    """The broker that the command line names; raises `ValueError` or `OSError`."""
    if args.mqtt is None:
        for option in ("password_file", "ca", "cert", "key"):
            if getattr(args, f"mqtt_{option}"):
                raise ValueError(f"--mqtt-{option.replace('_', '-')} says nothing without --mqtt URL")
        return None
    parts = _split(args.mqtt)
    password = _password(args.mqtt_password_file) if args.mqtt_password_file else None
    if password is not None and not parts.username:
        raise ValueError(f"--mqtt {args.mqtt}: a password needs its user, {parts.scheme}://USER@HOST")
    secure = parts.scheme == "mqtts"
    if not secure and (args.mqtt_ca or args.mqtt_cert or args.mqtt_key):
        raise ValueError(f"--mqtt {args.mqtt}: certificates are for mqtts://")
    if not args.mqtt_prefix or any(letter in args.mqtt_prefix for letter in "+#\0") or args.mqtt_prefix[0] in "/$":
        raise ValueError(f"--mqtt-prefix {args.mqtt_prefix!r}: a topic without + and #, not starting with / or $")
    user = unquote(parts.username) if parts.username else None
    return Broker(
        parts.hostname, parts.port or PORTS[parts.scheme], user, password,
        _context(args.mqtt_ca, args.mqtt_cert, args.mqtt_key) if secure else None, args.mqtt_prefix,
    )  # fmt: skip


def _split(url: str):
    try:
        parts = urlsplit(url)
        good = parts.scheme in PORTS and parts.hostname and parts.path in ("", "/") and parts.port != 0
    except ValueError:  # a port that is none
        good = False
    if not good or parts.query or parts.fragment:
        raise ValueError(f"--mqtt {url}: mqtt://[USER@]HOST[:PORT], or mqtts:// with TLS")
    if parts.password is not None:
        raise ValueError("--mqtt: a password does not belong into the URL, where others see it: --mqtt-password-file F")
    return parts


def _password(path: Path) -> str:
    password = path.read_text("utf-8").rstrip("\r\n")
    if not password:
        raise ValueError(f"{path}: is empty, a password is expected")
    return password


def _context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer that checks the broker's certificate and name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if ca else ssl.create_default_context()
    if ca:
        _trust(context, ca)
    if key and not cert:
        raise ValueError(f"--mqtt-key {key} belongs to a certificate: --mqtt-cert F")
    if cert:
        try:
            context.load_cert_chain(cert, key, password=lambda: "")
        except ssl.SSLError:
            raise ValueError(f"--mqtt-cert {cert}: no PEM certificate with a key that has no password") from None
    return context


def _trust(context: ssl.SSLContext, path: Path) -> None:
    content = path.read_bytes()
    try:
        context.load_verify_locations(cadata=content.decode("ascii") if b"-----BEGIN" in content else content)
    except (ssl.SSLError, ValueError):
        raise ValueError(f"--mqtt-ca {path}: is no certificate (PEM or DER)") from None
