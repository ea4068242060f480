"""A file of promises: one line for each event that a producer was told is safe.

Written by the database's writer after each commit when `[state] journal` names a file; proofs of
"nothing lost" compare it with the platform's log. It holds ids and hashes, never a body. When a
box begins a new epoch, what waits was promised under an id that it loses: it is promised again, in
a line of three words - the new id, the digest, and the former id, which need not arrive any more.
A line of four words says that an event's body was changed: id, new digest, `~`, former digest.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from edge.errors import StorageError

LINE_BYTES_MAX = 4096
"""More than the longest line; a file without an end of line in so much is no journal."""


def digest(body: bytes) -> str:
    """What journal and platform log compare bodies by."""
    return hashlib.sha256(body).hexdigest()[:16]


class Journal:
    """Appends promises to one file. StorageError if it cannot be made."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _cut_torn_line(path)
            self._file = path.open("a", encoding="ascii")
        except OSError as error:
            raise StorageError(
                f"The journal of promises {path} cannot be written: {error.strerror}.",
                "Correct [state] journal; without that key the box runs as well.",
            ) from error

    def promise(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Write (event id, body) pairs as lines of id and digest, flushed to the file."""
        self._file.writelines(f"{event} {digest(body)}\n" for event, body in entries)
        self._file.flush()

    def promise_again(self, entries: Iterable[tuple[str, bytes, str]]) -> None:
        """Write (new id, body, former id): the second promise takes the place of the first."""
        lines = (f"{event} {digest(body)} {former}\n" for event, body, former in entries)
        self._file.writelines(lines)
        self._file.flush()

    def promise_instead(self, entries: Iterable[tuple[str, bytes, bytes]]) -> None:
        """Write (id, body as it is now, body as promised): either may arrive, as somebody was

        erased from an event that may be under way.
        """
        lines = (f"{event} {digest(now)} ~ {digest(before)}\n" for event, now, before in entries)
        self._file.writelines(lines)
        self._file.flush()

    def abandon(self) -> None:
        """Close the file although the last lines cannot be written."""
        with contextlib.suppress(OSError):
            self._file.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> list[tuple[str, ...]]:
    """All promises in `path` in the order they were made: (event id, digest), and a third, the

    former id, for what was promised again; or four for what was changed.
    """
    return [tuple(line.split(" ")) for line in path.read_text(encoding="ascii").splitlines()]


def _cut_torn_line(path: Path) -> None:
    """Take away half a line that a killed process left: nobody was told of that promise."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - LINE_BYTES_MAX))
        tail = file.read(LINE_BYTES_MAX)
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn < LINE_BYTES_MAX:  # else this is no file of ours
            file.truncate(end - torn)
