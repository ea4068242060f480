"""Codes with which boxes are enrolled: each for one box, once, for a day.

Written by `storebox platform claim`, used up by the page's `/enrol`. Only hashes of the codes are
kept: whoever reads the database can enrol nothing with it.
"""

import hashlib

from sync.ingest.store import Store
from sync.messages import Address

VALID_MS = 24 * 3600 * 1000
"""A code that was read aloud or lost with a sheet of paper is worth nothing the next day."""


class Enrolments:
    """The codes in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, address: Address, code: str, now_ms: int) -> None:
        """A code for this box."""
        with self._store.transaction() as statements:
            statements.execute(
                "INSERT INTO enrolment (code_hash, address, expires_ms) VALUES (?, ?, ?)",
                (_hash(code), str(address), now_ms + VALID_MS),
            )

    def use(self, code: str, key_hash: str, now_ms: int) -> Address | None:
        """Use a code up for the key with this hash; whose it is, or None if it is worth nothing.

        Two who come with the same code at once do not both get it.
        """
        with self._store.transaction() as statements:
            rows = statements.execute(
                "UPDATE enrolment SET used_ms = ?, key_hash = ?"
                " WHERE code_hash = ? AND used_ms = 0 AND expires_ms > ? RETURNING address",
                (now_ms, key_hash, _hash(code), now_ms),
            )
        return Address(*rows[0][0].split("/")) if rows else None


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
