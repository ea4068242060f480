"""How a client shows who it is, and checks who answers: password, token, and TLS 1.3.

Used by `sync/mqtt.py` at each attempt, so that a replaced file counts from the next one on.
Everything is read from files that the configuration names; nothing here is kept or logged.
"""

import ssl
from pathlib import Path

from edge.errors import BrokerRefused

SECRET_BYTES_MAX = 16 * 1024
"""A token of a large identity provider takes 4 KiB."""


def secret(path: Path, key: str) -> str:
    """The password or token in `path`. BrokerRefused names the `key` if it cannot be used."""
    try:
        with path.open("rb") as file:
            return file.read(SECRET_BYTES_MAX).decode("utf-8").strip()
    except OSError as error:
        raise unusable(path, f"cannot be read: {error.strerror}", key) from error
    except UnicodeDecodeError as error:
        raise unusable(path, "is no text in UTF-8", key) from error


def tls_context(
    ca_file: Path | None, cert_file: Path | None, key_file: Path | None
) -> ssl.SSLContext:
    """TLS 1.3 or nothing; the broker's name is checked. Without `ca_file` the system's trust."""
    context = ssl.create_default_context()
    if ca_file is not None:
        _readable(ca_file, "ca_file")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except ssl.SSLError as error:
            raise unusable(ca_file, "holds no certificate in PEM", "ca_file") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if cert_file is not None:
        _readable(cert_file, "cert_file")
        if key_file is not None:
            _readable(key_file, "key_file")
        try:
            context.load_cert_chain(str(cert_file), None if key_file is None else str(key_file))
        except ssl.SSLError as error:
            how = "does not belong to the key in key_file, or one of them is no PEM"
            raise unusable(cert_file, how, "cert_file") from error
    return context


def _readable(path: Path, key: str) -> None:
    try:
        path.read_bytes()  # OpenSSL says of a directory, or of what is not ours, nothing useful
    except OSError as error:
        raise unusable(path, f"cannot be read: {error.strerror}", key) from error


def unusable(path: Path, how: str, key: str) -> BrokerRefused:
    """What to say of a file that is named under `key`."""
    return BrokerRefused(
        f"The file {path} {how}.",
        f"Correct {key} under [broker], or the file; the box's own user must be able to read it.",
    )
