"""How a box gets its certificate: with a one-use code, at the platform's `/enrol`.

`enrol` is called by `storebox enrol` on the box; the types and the code's form are the platform's
too (`sync/reference/enrolment.py`). The private key is made here and never leaves the box. A code
carries a fingerprint of what the platform will hand out, so that nobody between can slip in
another authority or another signing key.
"""

import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from edge.errors import NotReachable, Refused
from edge.whole_file import write_whole

BODY_BYTES_MAX = 16 * 1024
"""Of request and answer: two certificates and a key take 3 KiB."""
TIMEOUT_S = 20.0
FINGERPRINT_CHARACTERS = 16
"""64 bits: whoever would forge it has a day, and one try."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Application(Struct, frozen=True):
    """What the box sends: the code's first part, and a certificate signing request in PEM."""

    code: str
    csr: str


class Granted(Struct, frozen=True):
    """What it gets: who it is, its certificate, the authority's, and the platform's public key."""

    box: str
    certificate: str
    ca: str
    platform: str


def fingerprint(ca: str, platform: str) -> str:
    """What the second part of a code must be."""
    return hashlib.sha256(f"{ca}\n{platform}".encode()).hexdigest()[:FINGERPRINT_CHARACTERS]


def enrol(url: str, code: str, folder: Path, *, box: str = "") -> Granted:
    """Apply, and write `box.key` (0600), `box.crt`, `ca.crt` and `platform.pub` into `folder`.

    Refused when the code is worth nothing or another's than `box`, if that is known; NotReachable
    when the platform is not there.
    """
    secret, _, expected = code.strip().partition(".")
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = csr.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    granted = _applied(url, Application(secret, request))
    if fingerprint(granted.ca, granted.platform) != expected:
        raise Refused(
            "What answered is not the platform that made this code.",
            "Check --url and the code; somebody may stand between.",
        )
    if box and granted.box != box:
        raise Refused(
            f"The code is that of {granted.box}, but [box] says that this is {box}.",
            f"Correct [box], or have a code made: storebox platform claim {box}. This one is used"
            " up.",
        )
    certificate = x509.load_pem_x509_certificate(granted.certificate.encode())
    if certificate.public_key() != key.public_key():
        raise Refused("The platform certified another key.", "Ask for a new code.")
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_whole(folder / "box.key", private, 0o600)
    write_whole(folder / "box.crt", granted.certificate.encode(), 0o644)
    write_whole(folder / "ca.crt", granted.ca.encode(), 0o644)
    write_whole(folder / "platform.pub", granted.platform.encode(), 0o644)
    return granted


def _applied(url: str, application: Application) -> Granted:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise Refused(
            f"The code would travel to {url} where others can read it.", "Use an https:// address."
        )
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        url.rstrip("/") + "/enrol",
        data=msgspec.json.encode(application),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return msgspec.json.decode(answer.read(BODY_BYTES_MAX), type=Granted)
    except urllib.error.HTTPError as error:
        raise Refused(_said(error), "Ask for a new code: storebox platform claim.") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise NotReachable(
            f"The platform at {url} cannot be reached: {error}.", "Check --url."
        ) from error


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(BODY_BYTES_MAX))["reason"])
    except (ValueError, KeyError, TypeError):
        return f"The platform refused: {error}."
