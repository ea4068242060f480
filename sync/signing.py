"""Who said it: Ed25519 signatures over canonical JSON, for commands and for datasets.

The platform signs with a `SigningKey`, the box checks with the `TrustedKeys` it was given when it
was enrolled. Canonical means: members sorted by name, no white space, UTF-8, and no `sig` member -
so that any language signs the same bytes (RFC 8785 for what we use: strings and integers).
"""

import base64
import os
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from edge.errors import BadMessage, SyncError

KEYS_MAX = 8
"""Keys trusted at the same time: the present one, the next one, and some to spare."""
KEY_FILE_BYTES_MAX = 4096
KEY_BYTES = 32
SIGNATURE_CHARACTERS = 88
"""64 bytes in base64."""


class SigningKey:
    """The platform's private key. Make it with `SigningKey.open`."""

    def __init__(self, private: Ed25519PrivateKey, kid: str) -> None:
        self._private = private
        self.kid = kid

    @classmethod
    def open(cls, path: Path, kid: str = "platform-1") -> "SigningKey":
        """Read the raw key at `path` (0600), or make one there the first time."""
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(Ed25519PrivateKey.generate().private_bytes_raw())
            return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()), kid)
        except (OSError, ValueError) as error:
            raise SyncError(
                f"The signing key {path} cannot be used: {error}.",
                "Restore it from the backup; boxes trust no other.",
            ) from error

    @property
    def public_line(self) -> str:
        """What a box's `[platform] key_file` holds for this key."""
        public = self._private.public_key().public_bytes_raw()
        return f"{self.kid} {base64.b64encode(public).decode()}\n"

    def signed(self, message: dict[str, Any]) -> dict[str, Any]:
        """`message` with `kid` and `sig`."""
        whole = {**message, "kid": self.kid}
        signature = base64.b64encode(self._private.sign(canonical(whole))).decode()
        return {**whole, "sig": signature}


class TrustedKeys:
    """The public keys that a box believes, by key id. Without any it believes nobody."""

    def __init__(self, keys: dict[str, Ed25519PublicKey]) -> None:
        self._keys = keys

    def __bool__(self) -> bool:
        return bool(self._keys)

    @classmethod
    def read(cls, path: Path | None) -> "TrustedKeys":
        """The keys in the file: one `kid base64` a line. SyncError if it cannot be used."""
        if path is None:
            return cls({})
        try:
            text = path.read_text(encoding="ascii")[:KEY_FILE_BYTES_MAX]
            pairs = [line.split() for line in text.splitlines() if line.strip()]
            keys = {
                kid: Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
                for kid, key in pairs[:KEYS_MAX]
            }
        except (OSError, ValueError) as error:
            raise SyncError(
                f"The platform's key file {path} cannot be used: {error}.",
                "Correct [platform] key_file, or enrol the box again.",
            ) from error
        return cls(keys)

    def check(self, message: dict[str, Any]) -> None:
        """BadMessage unless `message` (with `kid` and `sig`) was signed by a key we trust."""
        kid, signature = message.get("kid"), message.get("sig")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None or not isinstance(signature, str) or len(signature) != SIGNATURE_CHARACTERS:
            raise BadMessage("A message is not signed by a key that this box trusts.")
        try:
            key.verify(base64.b64decode(signature, validate=True), canonical(message))
        except (InvalidSignature, ValueError) as error:
            raise BadMessage("A message's signature does not fit it.") from error


def canonical(message: dict[str, Any]) -> bytes:
    """The bytes that are signed."""
    unsigned = {name: value for name, value in message.items() if name != "sig"}
    return msgspec.json.encode(unsigned, order="sorted")


class Signed(Struct, frozen=True):
    """The two members that every signed message has."""

    kid: str = ""
    sig: str = ""
