"""Keys and sealing: one master key in a 0600 file, from it a key for the database file and one
that wraps the members' own keys. What belongs to one person (name, templates) is sealed with the
person's key, so that destroying that key erases them, in old copies of the file too.

Used by `edge/storage`; the master key never leaves this module and is never logged.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.errors import DatabaseUnreadable
from edge.logins import normalised
from edge.whole_file import write_whole

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
_CLOSED = (
    "A sealed field does not open with its key.",
    "Run `storebox doctor`; restore the backup if the database is damaged.",
)


class Vault:
    """Seals and opens with keys derived from the master key (HKDF-SHA256, AES-256-GCM)."""

    def __init__(self, master_key: bytes) -> None:
        self._wrapping = AESGCM(_derived(master_key, b"storebox member keys"))
        self._naming = _derived(master_key, b"storebox erased members")
        self._logins = _derived(master_key, b"storebox wifi logins")
        self._addresses = _derived(master_key, b"storebox wifi addresses")
        self.database_key = _derived(master_key, b"storebox database file")
        self.opt_out_key = _derived(master_key, b"storebox radar opt-outs")
        """Radars get it, to know the addresses of people who are not to be counted."""

    @classmethod
    def open(cls, path: Path) -> "Vault":
        """The vault of the key file at `path`. DatabaseUnreadable if it is not there or unfit."""
        if not path.exists():
            raise DatabaseUnreadable(
                f"The key file {path} is missing.",
                "Restore it from the backup; without it the database cannot be read.",
            )
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise DatabaseUnreadable(
                f"The key file {path} can be read by others (mode {mode:o}).",
                f"Run: chmod 600 {path}",
            )
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise DatabaseUnreadable(
                f"The key file {path} holds {len(key)} bytes instead of {KEY_BYTES}.",
                "Restore it from the backup; without it the database cannot be read.",
            )
        return cls(key)

    @classmethod
    def create(cls, path: Path) -> "Vault":
        """A new key, in a new file that only its owner can read."""
        _create(path)
        return cls.open(path)

    def new_member_key(self, member: str) -> tuple[bytes, bytes]:
        """A fresh key for `member`: (key, wrapped key to store)."""
        key = secrets.token_bytes(KEY_BYTES)
        return key, _seal(self._wrapping, key, f"key:{member}")

    def member_key(self, member: str, wrapped: bytes) -> bytes:
        """The key of `member`. DatabaseUnreadable if it was tampered with or is another's."""
        return _open(self._wrapping, wrapped, f"key:{member}")

    def open_each(
        self, rows: Sequence[tuple[str, bytes, bytes]], field: str, into: bytearray
    ) -> int:
        """Open what is sealed in each row (member, wrapped key, sealed), all of one size, and put
        it one after the other into `into`; how many did not open, whose place stays zero.

        Nothing is opened anywhere else, so that wiping `into` leaves nothing behind.
        """
        key, unwrap, bound = bytearray(KEY_BYTES), self._wrapping.decrypt_into, f"{field}:".encode()
        failed, at, whole = 0, 0, memoryview(into)
        size = len(into) // max(1, len(rows))
        for member, wrapped, sealed in rows:
            name = member.encode()
            place = whole[at : at + size]
            at += size
            try:
                unwrap(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], b"key:" + name, key)
                cipher = AESGCM(key)
                cipher.decrypt_into(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound + name, place)
            except (InvalidTag, ValueError):
                place[:] = bytes(size)
                failed += 1
        key[:] = bytes(KEY_BYTES)
        return failed

    def pseudonym(self, member: str) -> bytes:
        """What stands for `member` where their name must not: nobody else can compute it."""
        return hmac.digest(self._naming, member.encode(), hashlib.sha256)

    def login_mark(self, login: str) -> bytes:
        """What finds the login, which is itself kept nowhere. However it was typed, if anyhow."""
        return hmac.digest(self._logins, normalised(login).encode(), hashlib.sha256)

    def address_mark(self, address: bytes | bytearray) -> bytes:
        """What finds a bound hardware address."""
        return hmac.digest(self._addresses, address, hashlib.sha256)


def seal(key: bytes, plain: bytes | bytearray, *, member: str, field: str) -> bytes:
    """`plain` sealed for this member and field (both are bound in as associated text)."""
    return _seal(AESGCM(key), plain, f"{field}:{member}")


def unseal(key: bytes, sealed: bytes, *, member: str, field: str) -> bytes:
    """What `seal` was given. DatabaseUnreadable if it was sealed for anybody or anything else."""
    return _open(AESGCM(key), sealed, f"{field}:{member}")


def unseal_into(key: bytes, sealed: bytes, *, member: str, field: str) -> bytearray:
    """The same, in bytes that can be wiped; it is opened nowhere else."""
    opened = bytearray(max(0, len(sealed) - NONCE_BYTES - TAG_BYTES))
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        AESGCM(key).decrypt_into(nonce, body, f"{field}:{member}".encode(), opened)
    except (InvalidTag, ValueError) as error:
        raise DatabaseUnreadable(*_CLOSED) from error
    return opened


def _derived(master_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(master_key)


def _create(path: Path) -> None:
    """Whole or not at all: a power cut must not leave half a key under the key's name."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, secrets.token_bytes(KEY_BYTES), 0o600)


def _seal(cipher: AESGCM, plain: bytes | bytearray, bound: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound.encode())


def _open(cipher: AESGCM, sealed: bytes, bound: str) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound.encode())
    except InvalidTag as error:
        raise DatabaseUnreadable(*_CLOSED) from error
