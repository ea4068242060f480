"""The platform's append-only log of what it received, for reading: judge, pages, statistics.

Each function opens the file for itself, read-only, so any thread or process may call it while the
platform writes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from edge.records import Stream


class Received(Struct, frozen=True, array_like=True):
    """One event as the platform committed it; `position` is its place in the log."""

    position: int
    address: str
    epoch: str
    stream: Stream
    seq: int
    type: str
    digest: str
    body: bytes
    event_ms: int
    received_ms: int

    @property
    def id(self) -> str:
        """The event's id, as the box's journal has it."""
        return f"{self.epoch}-{self.stream}-{self.seq}"


_COLUMNS = "position, address, epoch, stream, seq, type, digest, body, event_ms, received_ms"


def read_log(path: Path) -> list[Received]:
    """Everything in the log, in the order of arrival."""
    return list(follow_log(path))


def follow_log(path: Path, *, after: int = 0, limit: int = -1) -> Iterator[Received]:
    """The log beyond position `after`, in the order of arrival; -1 is no limit."""
    yield from _select(path, "WHERE position > ? ORDER BY position LIMIT ?", (after, limit))


def latest(path: Path, limit: int) -> list[Received]:
    """The last `limit` events, the newest first."""
    return list(_select(path, "ORDER BY position DESC LIMIT ?", (limit,)))


def counts_by_type(path: Path) -> dict[str, int]:
    """How many events of each type."""
    with closing(_open(path)) as connection:
        return dict(
            connection.execute("SELECT type, count(*) FROM received GROUP BY type ORDER BY type")
        )


def quarantined(path: Path) -> list[tuple[str, str]]:
    """(topic, reason) of what could not be accepted, the oldest first."""
    with closing(_open(path)) as connection:
        return connection.execute(
            "SELECT topic, reason FROM quarantine ORDER BY position"
        ).fetchall()


def _select(path: Path, tail: str, parameters: tuple[int, ...]) -> Iterator[Received]:
    with closing(_open(path)) as connection:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM received {tail}", parameters)  # noqa: S608
        for row in rows:
            yield msgspec.convert(row, Received, strict=True)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
