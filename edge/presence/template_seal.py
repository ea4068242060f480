"""A template on its way to the platform: sealed for one public key, so that neither the broker nor
whoever keeps the events can read it.

X25519 with a key of one use, HKDF-SHA256, AES-256-GCM (the construction of RFC 9180, base mode,
with a derivation of our own). Whose template it is, of which model and from which box is bound in:
it opens for nothing else. Called by enrolment; `opened` is the platform's side.
"""

import base64
import binascii
import json
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta, Struct

from edge.errors import BadMessage, ConfigError

TEMPLATE_BYTES_MAX = 40 * 1024
"""Sealed and in base64 it fits into one event. Nine views of a model of 512 numbers have 18 KiB."""
KEY_FILE_BYTES_MAX = 4096
_KEY_BYTES, _NONCE_BYTES = 32, 12
_PURPOSE = b"storebox template v1"
Base64 = Annotated[str, Meta(max_length=56 * 1024)]


class SealedFor(Struct, frozen=True):
    """What is bound in: whose, of which model, from which box (tenant/store/box)."""

    member: str
    model: str
    box: str


class TemplateKey(Struct, frozen=True):
    """The platform's public key, by its name."""

    kid: str
    public: bytes


class SealedTemplate(Struct, frozen=True):
    """Ciphertext for the platform's key `kid`; `ephemeral` is the box's key of one use."""

    kid: str
    ephemeral: Base64
    sealed: Base64


def read_key(path: Path) -> TemplateKey:
    """The key in a file of one line, `kid base64`. ConfigError if it cannot be used."""
    try:
        with path.open("rb") as file:
            text = file.read(KEY_FILE_BYTES_MAX).decode("ascii")
        lines = [line.split() for line in text.splitlines() if line.strip()[:1] not in ("", "#")]
        ((kid, encoded),) = lines
        public = base64.b64decode(encoded, validate=True)
        X25519PublicKey.from_public_bytes(public)
    except (OSError, ValueError) as error:  # binascii.Error and UnicodeDecodeError are ValueErrors
        raise ConfigError(
            f"The platform's key for templates in {path} cannot be used.",
            "It is one line: a name and the base64 of an X25519 public key.",
        ) from error
    return TemplateKey(kid, public)


def sealed(vectors: bytes | bytearray, bound: SealedFor, key: TemplateKey) -> SealedTemplate:
    """Seal vectors (n times the model's dimensions, little-endian float32).

    ValueError if they are more than `TEMPLATE_BYTES_MAX`.
    """
    if len(vectors) > TEMPLATE_BYTES_MAX:
        raise ValueError(f"A template of {len(vectors)} bytes does not fit into an event.")
    once = X25519PrivateKey.generate()
    ephemeral = once.public_key().public_bytes_raw()
    shared = once.exchange(X25519PublicKey.from_public_bytes(key.public))
    cipher, nonce = _derived(shared, ephemeral, key.public)
    body = cipher.encrypt(nonce, vectors, _bound(bound, key.kid))
    return SealedTemplate(key.kid, _text(ephemeral), _text(body))


def opened(message: SealedTemplate, bound: SealedFor, private: X25519PrivateKey) -> bytes:
    """The vectors. BadMessage if it was sealed for anybody or anything else, or damaged."""
    try:
        ephemeral = base64.b64decode(message.ephemeral, validate=True)
        body = base64.b64decode(message.sealed, validate=True)
        shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        cipher, nonce = _derived(shared, ephemeral, private.public_key().public_bytes_raw())
        return cipher.decrypt(nonce, body, _bound(bound, message.kid))
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise BadMessage("A sealed template does not open.") from error


def _derived(shared: bytes, ephemeral: bytes, public: bytes) -> tuple[AESGCM, bytes]:
    """Key and nonce of this one message: the shared secret is never used again."""
    info = _PURPOSE + ephemeral + public
    length = _KEY_BYTES + _NONCE_BYTES
    both = HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(shared)
    return AESGCM(both[:_KEY_BYTES]), both[_KEY_BYTES:]


def _bound(bound: SealedFor, kid: str) -> bytes:
    """Unambiguous, whatever stands in the names."""
    return json.dumps([kid, bound.member, bound.model, bound.box], ensure_ascii=True).encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
