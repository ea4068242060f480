"""Every byte that a box's files hold, decrypted page by page without SQLite: for proofs of erasure.

SQLCipher 4 with a raw key: AES-256-CBC over pages of 4096 bytes, of which the last 80 are the IV
(16) and the HMAC (64); the first page begins with 16 bytes of salt. The write-ahead log has a
header of 32 bytes and one of 24 before each page, and its pages are encrypted in the same way.
"""

from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge.storage.vault import Vault

PAGE, RESERVE, IV, SALT = 4096, 80, 16, 16
WAL_HEADER, FRAME_HEADER = 32, 24


def everything(directory: Path) -> bytes:
    """All files in a state directory: as they lie there, and all their pages in plain text."""
    key = Vault.open(directory / "master.key").database_key
    found = bytearray()
    for path in sorted(directory.iterdir()):
        if not path.is_file():
            continue
        raw = path.read_bytes()
        found += raw
        if path.name.endswith("-wal"):
            frames = raw[WAL_HEADER:]
            size = FRAME_HEADER + PAGE
            for at in range(0, len(frames) - size + 1, size):
                page = frames[at + FRAME_HEADER : at + size]
                found += _plain(page, key)
                found += _plain(page, key, SALT)  # it may be the first page of the file
        elif path.suffix in (".db",) or ".db.damaged" in path.name:
            found += b"".join(_pages(raw, key))
    return bytes(found)


def _pages(raw: bytes, key: bytes) -> Iterator[bytes]:
    for at in range(0, len(raw) - PAGE + 1, PAGE):
        yield _plain(raw[at : at + PAGE], key, SALT if at == 0 else 0)


def _plain(page: bytes, key: bytes, skipped: int = 0) -> bytes:
    iv = page[PAGE - RESERVE : PAGE - RESERVE + IV]
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return cipher.update(page[skipped : PAGE - RESERVE]) + cipher.finalize()
