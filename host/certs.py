"""Certificates made for the occasion: a small authority of one's own and a server certificate for the collector.

The board trusts the authority only (`ca.der`, for MicroPython's `load_verify_locations(cadata=...)`), so a laptop
that gets another address needs a new server certificate and no new file on any board. Keys are EC P-256: small, and
within what mbedTLS on a board checks in reasonable time. Certificates are valid from 1970 on, because a board whose
clock was never set believes in 2000, 2015 or 2021 and would refuse a younger one (RFC 5280 section 4.1.2.5 has no
lower bound that matters); nothing is lost, the key is as young as ever.
"""

import datetime
import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOT_BEFORE = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
VALID = datetime.timedelta(days=730)
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
RENEW = datetime.timedelta(days=30)


class CertError(ValueError):
    """The certificate folder holds something that cannot be used; the text says which file and what to do."""


@dataclass(frozen=True)
class Certs:
    """Where the files are: the authority's goes onto the boards, the server's two stay with the collector."""

    ca_path: Path
    cert_pem: Path
    key_pem: Path

    def ca_der(self) -> bytes:
        """What a board needs to trust the collector."""
        return self.ca_path.read_bytes()

    def server_context(self, client_ca: bytes | None = None) -> ssl.SSLContext:
        """A TLS context for the collector (TLS 1.2 or newer; MicroPython boards speak 1.2).

        `client_ca`: the collector lets in only who shows a certificate that this one (PEM or DER) signed. Raises
        `CertError`.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.cert_pem, self.key_pem)
        if client_ca is not None:
            context.verify_mode = ssl.CERT_OPTIONAL  # who shows none is told so by the collector, not cut off
            try:
                context.load_verify_locations(cadata=client_ca.decode() if b"-----BEGIN" in client_ca else client_ca)
            except (ssl.SSLError, ValueError) as error:
                raise CertError(f"the authority for clients is no certificate (PEM or DER): {error}") from None
        return context

    def client(self, device: str) -> tuple[Path, Path]:
        """(certificate, key) of a device, DER files in `clients/` of the folder; made where they are missing.

        They go onto the board as `upload.https.cert_file` and `key_file`. Raises `CertError`.
        """
        if not DEVICE.fullmatch(device):
            raise CertError(f"{device!r} is no device name: letters, digits, '-' and '_', 32 at most")
        folder = self.ca_path.parent / "clients"
        folder.mkdir(mode=0o700, exist_ok=True)
        cert_path, key_path = folder / f"{device}.der", folder / f"{device}.key.der"
        if not (cert_path.exists() and key_path.exists() and _fresh(_load_der(cert_path))):
            ca = _load_der(self.ca_path)
            ca_key = serialization.load_pem_private_key((self.ca_path.parent / "ca.key.pem").read_bytes(), None)
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _leaf(ca, _name(device), key, ExtendedKeyUsageOID.CLIENT_AUTH).sign(
                ca_key, hashes.SHA256()
            )
            _write_key(key_path, key, serialization.Encoding.DER)
            cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
        return cert_path, key_path


def make(folder: Path, hosts: list[str]) -> Certs:
    """The certificates in `folder`, made where they are missing, about to expire, or do not name all of `hosts` (DNS
    names, IPs).

    The authority is kept as long as it lives; only the server certificate follows the hosts. Raises `CertError` for a
    damaged folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ca_key_path = folder / "ca.key.pem"
    certs = Certs(folder / "ca.der", folder / "server.pem", folder / "server.key.pem")
    try:
        if not (certs.ca_path.exists() and ca_key_path.exists() and _fresh(_load_der(certs.ca_path))):
            _make_authority(certs.ca_path, ca_key_path)
        ca = _load_der(certs.ca_path)
        ca_key = serialization.load_pem_private_key(ca_key_path.read_bytes(), None)
        if not _serves(certs, ca, hosts):
            _make_server(certs, ca, ca_key, hosts)
    except CertError:
        raise
    except (ValueError, TypeError) as error:  # TypeError: a key with a password
        raise CertError(
            f"{folder}: a certificate or key cannot be read ({error}); delete the folder and push ca.der anew"
        ) from None
    return certs


def _make_authority(der: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Motelog collector authority")
    certificate = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_path, key)
    der.write_bytes(certificate.public_bytes(serialization.Encoding.DER))


def _make_server(certs: Certs, ca: x509.Certificate, ca_key, hosts: list[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _leaf(ca, _name("Motelog collector"), key, ExtendedKeyUsageOID.SERVER_AUTH)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_key(certs.key_pem, key)
    certs.cert_pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, key) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(datetime.datetime.now(datetime.UTC) + VALID)
    )


def _leaf(ca: x509.Certificate, subject: x509.Name, key, usage) -> x509.CertificateBuilder:
    """A certificate that signs nothing itself."""
    return (
        _builder(subject, ca.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )


def _serves(certs: Certs, ca: x509.Certificate, hosts: list[str]) -> bool:
    """Whether the server certificate on disk is signed by `ca`, fresh, fits its key and names every host."""
    if not (certs.cert_pem.exists() and certs.key_pem.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(certs.cert_pem.read_bytes())
    key = serialization.load_pem_private_key(certs.key_pem.read_bytes(), None)
    try:
        certificate.verify_directly_issued_by(ca)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # InvalidSignature, or another authority's name, or no names: in each case it is not ours
        return False
    fits = certificate.public_key() == key.public_key()
    return fits and _fresh(certificate) and all(_general_name(host) in names for host in hosts)


def _fresh(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > RENEW


def _load_der(path: Path) -> x509.Certificate:
    return x509.load_der_x509_certificate(path.read_bytes())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not HOST.fullmatch(host):
            raise CertError(
                f"{host!r} is neither a host name (letters, digits, '-' and '.') nor an IP address"
            ) from None
        return x509.DNSName(host)


def _key_usage(**on: bool) -> x509.KeyUsage:
    flags = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{flag: on.get(flag, False) for flag in flags})


def _write_key(path: Path, key, encoding=serialization.Encoding.PEM) -> None:
    """Written with mode 0600 from its first byte on."""
    data = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
