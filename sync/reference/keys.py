"""The platform's keys: one that signs commands and datasets, one that makes boxes' certificates.

They lie in one folder, made the first time: `platform.key` (0600) and `platform.pub`, the line that
boxes trust; `ca.key` (0600) and `ca.crt`, the small certificate authority of `enrolment.py`.
Workers side by side share the folder. Losing it means enrolling every box again.
"""

import fcntl
import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from edge.errors import SyncError
from sync.signing import SigningKey

AUTHORITY_DAYS = 3650
"""Longer than a box lasts; a new authority means enrolling again."""
BROKER_DAYS = 730
"""Of the broker, and of the platform's own workers."""
CLOCK_SKEW = timedelta(hours=1)
"""Certificates count from before they are made: boxes' clocks are behind now and then."""


PublicKey = ec.EllipticCurvePublicKey


class Authority(Struct, frozen=True):
    """The small certificate authority."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """Its certificate, for boxes and brokers."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


class Keys(Struct, frozen=True):
    """Both keys."""

    signing: SigningKey
    authority: Authority


def open_keys(folder: Path, *, make: bool = True) -> Keys:
    """The keys in `folder`, made if they are not there and may be. SyncError if unusable."""
    if not make and not all((folder / name).is_file() for name in ("platform.key", "ca.crt")):
        raise SyncError(
            f"There are no keys of a platform in {folder}.",
            "Name its --database or --state; `storebox platform run` makes new ones.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "keys.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # several workers start at the same time
            signing = SigningKey.open(folder / "platform.key")
            write_whole(folder / "platform.pub", signing.public_line.encode(), 0o644)
            return Keys(signing, _authority(folder))
    except (OSError, ValueError) as error:
        raise SyncError(
            f"The platform's keys in {folder} cannot be used: {error}.",
            "Restore them from the backup; boxes trust no others.",
        ) from error


def _authority(folder: Path) -> Authority:
    key_path, certificate_path = folder / "ca.key", folder / "ca.crt"
    if not certificate_path.exists():
        authority = _new_authority()
        write_whole(key_path, private_pem(authority.key), 0o600)
        write_whole(certificate_path, authority.pem.encode(), 0o644)
    key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key_path} is no key of ours")
    return Authority(key, certificate)


def _new_authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "storebox platform")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def issued(
    authority: Authority, public_key: PublicKey, name: str, *, days: int, host: str = ""
) -> x509.Certificate:
    """A certificate of a client called `name`, or of the broker at `host`."""
    now = datetime.now(UTC)
    kind = ExtendedKeyUsageOID.SERVER_AUTH if host else ExtendedKeyUsageOID.CLIENT_AUTH
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([kind]), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(host)]), False)
    return builder.sign(authority.key, hashes.SHA256())


def write_broker_certificate(authority: Authority, folder: Path, host: str) -> None:
    """`broker.key` and `broker.crt` in `folder`, for a broker that boxes reach as `host`."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issued(authority, key.public_key(), host, days=BROKER_DAYS, host=host)
    _write_pair(folder, "broker", key, certificate)


def write_client_certificate(authority: Authority, folder: Path, name: str) -> None:
    """`client.key` and `client.crt` in `folder`, for a client that access lists call `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issued(authority, key.public_key(), name, days=BROKER_DAYS)
    _write_pair(folder, "client", key, certificate)


def _write_pair(
    folder: Path, stem: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    write_whole(folder / f"{stem}.key", private_pem(key), 0o600)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    write_whole(folder / f"{stem}.crt", pem, 0o644)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as files hold it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, with its mode from the first byte on."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
