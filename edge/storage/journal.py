"""A file of promises: one line for each event that a producer was told is safe.

Written by the database's writer after each commit when `[state] journal` names a file; proofs of
"nothing lost" compare it with the platform's log. It holds ids and hashes, never a body.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(body: bytes) -> str:
    """What journal and platform log compare bodies by."""
    return hashlib.sha256(body).hexdigest()[:16]


class Journal:
    """Appends promises to one file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="ascii")

    def promise(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Write (event id, body) pairs as lines of id and digest, flushed to the file."""
        self._file.writelines(f"{event} {digest(body)}\n" for event, body in entries)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> list[tuple[str, str]]:
    """All promises in `path` as (event id, digest), in the order they were made."""
    lines = path.read_text(encoding="ascii").splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]
