"""Certificates for tests: an authority that is also 127.0.0.1, and devices it vouches for."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Tls:
    """A server's side of TLS, and the file of the authority that vouches for it."""

    server: ssl.SSLContext
    authority: Path


def server_tls(folder: Path, address: str = "127.0.0.1") -> Tls:
    """A server with a certificate of its own, which says that it is at `address`."""
    certificate, key = self_signed(folder, address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return Tls(context, certificate)


def self_signed(folder: Path, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """Certificate and key, as files, of a server at `address` that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("broker")
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
    builder = _builder(name, name, key.public_key())
    builder = builder.add_extension(here, False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    return _written(folder, "certificate", builder.sign(key, hashes.SHA256()), key)


def issued(folder: Path, device: str, authority: tuple[Path, Path]) -> tuple[Path, Path]:
    """Certificate and key, as files, of `device`, for which `authority` vouches."""
    issuer = x509.load_pem_x509_certificate(authority[0].read_bytes())
    issuer_key = serialization.load_pem_private_key(authority[1].read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(device), issuer.subject, key.public_key())
    return _written(folder, device, builder.sign(issuer_key, hashes.SHA256()), key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    begin, end = now - timedelta(days=1), now + timedelta(days=1)
    number = x509.random_serial_number()
    return x509.CertificateBuilder(issuer, subject, key, number, begin, end)


def _written(folder: Path, name: str, certificate, key) -> tuple[Path, Path]:
    files = folder / f"{name}.pem", folder / f"{name}.key.pem"
    files[0].write_bytes(certificate.public_bytes(PEM))
    secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files[1].write_bytes(secret)
    return files
