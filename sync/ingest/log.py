"""The platform's append-only log of what it received, for reading: judge, pages, statistics.

Each function opens the database for itself, read-only, so any thread or process may call it while
the platform writes. With PostgreSQL and several workers a follower may see a position before a
lower one that another worker has not committed yet: follow per stream there, by `seq`.
"""

from collections.abc import Iterator
from contextlib import closing

import msgspec
from msgspec import Struct

from edge.records import Stream
from sync.ingest.store import Opening, Row, Where, open_store

PAGE_ROWS = 1000
"""Read at once: a log is larger than memory."""


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


def read_log(where: Where) -> list[Received]:
    """Everything in the log, in the order of arrival."""
    return list(follow_log(where))


def follow_log(where: Where, *, after: int = 0, limit: int | None = None) -> Iterator[Received]:
    """The log beyond position `after`, in the order of arrival."""
    with closing(open_store(where, Opening.READ)) as store:
        while limit is None or limit > 0:
            wanted = PAGE_ROWS if limit is None else min(limit, PAGE_ROWS)
            with store.transaction() as statements:
                rows = statements.execute(
                    f"SELECT {_COLUMNS} FROM received"  # noqa: S608
                    " WHERE position > ? ORDER BY position LIMIT ?",
                    (after, wanted),
                )
            yield from map(_received, rows)
            if len(rows) < wanted:
                return
            after = rows[-1][0]
            limit = None if limit is None else limit - len(rows)


def latest(where: Where, limit: int) -> list[Received]:
    """The last `limit` events, the newest first."""
    return [
        _received(row)
        for row in _read(
            where,
            f"SELECT {_COLUMNS} FROM received ORDER BY position DESC LIMIT {limit:d}",  # noqa: S608
        )
    ]


def counts_by_type(where: Where) -> dict[str, int]:
    """How many events of each type."""
    return dict(
        (type_, count)
        for type_, count in _read(
            where, "SELECT type, count(*) FROM received GROUP BY type ORDER BY type"
        )
    )


def quarantined(where: Where) -> list[tuple[str, str]]:
    """(topic, reason) of what could not be accepted, the oldest first."""
    rows = _read(where, "SELECT topic, reason FROM quarantine ORDER BY position")
    return [(topic, reason) for topic, reason in rows]


def _read(where: Where, sql: str) -> list[Row]:
    with closing(open_store(where, Opening.READ)) as store, store.transaction() as statements:
        return statements.execute(sql)


def _received(row: Row) -> Received:
    return msgspec.convert(row, Received, strict=True)
