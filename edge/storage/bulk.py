"""The bulk file: bodies of the stream that may be given up, oldest first, in a file of their own.

The numbers stand in the main file. `BulkStream` (`edge/storage/bulk_stream.py`) writes here after
the main file's commit and declares whatever is missing; `Backlog` reads. The newest rows lie raw,
older ones in compressed segments. It carries no reference to a member.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlcipher3 import dbapi2 as sqlcipher

from edge.records import Event, Moment, Stream
from edge.storage import segments
from edge.storage.connections import DAMAGED, PAGE_BYTES, code, unlocked
from edge.storage.outbox import Written
from edge.storage.segments import SEAL_ROWS, SEGMENT_EVENTS_MAX, Sealing
from edge.storage.vault import Vault

NAME = "bulk.db"
VERSION = 1
BULK_BYTES_MAX = 512 << 20
"""12 million sealed events: a quarter of a year without a line."""
BULK_BYTES_MIN = 256 << 10
"""The tables alone take 20 KiB; less would give up what was just written."""
DAMAGED_KEPT_MAX = 2
"""Damaged files kept for a person to look at."""
CHECKPOINT_PAGES = 250
WAL_BYTES_MAX = 1 << 20
"""Small, because on a full disk the log of bulk takes the room of orders."""
CACHE_KIB = 1000
"""Rows are written once and read once: a larger cache would be memory for nothing."""
QUOTA_PART = 0.85
"""A file that is refused room above this part of its quota met the quota, else the disk."""
ROW_BYTES = 100
"""What a row takes beside its body."""

_SCHEMA = (
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, type TEXT NOT NULL, wall_ms INTEGER NOT NULL,"
    " mono_ms INTEGER NOT NULL, boot TEXT NOT NULL, trusted INTEGER NOT NULL, body BLOB NOT NULL)",
    # origin and epoch stand in the body: a segment of another epoch cannot be sent as it is
    "CREATE TABLE segment (first INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
    " wall_ms INTEGER NOT NULL, origin TEXT NOT NULL, epoch TEXT NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX segment_span ON segment(last, first)",
    f"PRAGMA user_version = {VERSION}",
)


class BulkFile:
    """One open bulk file. sqlcipher.Error from every method when it does not work."""

    def __init__(self, path: Path, vault: Vault, sealing: Sealing | None, bytes_max: int) -> None:
        self._path = path
        self._vault = vault
        self._sealing = sealing
        self.pages_max = max(bytes_max, BULK_BYTES_MIN) // PAGE_BYTES
        self.writing = _connected(path, vault, self.pages_max)
        self._raw = 0
        """Rows that are not in a segment."""
        try:
            self._make()
            self.reading = self._opened_reading()
            (self._raw,) = self.writing.execute("SELECT count(*) FROM event").fetchone()
        except sqlcipher.Error:
            self.writing.close()
            raise

    def _make(self) -> None:
        (version,) = self.writing.execute("PRAGMA user_version").fetchone()
        if version == VERSION:
            return
        if version:
            raise sqlcipher.DatabaseError(f"version {version} is unknown")
        with self.transaction():
            for statement in _SCHEMA:
                self.writing.execute(statement)

    def _opened_reading(self) -> Any:
        reading = _connected(self._path, self._vault, self.pages_max)
        reading.execute("PRAGMA query_only = ON")
        return reading

    def read_anew(self) -> None:
        """Another reading connection; the former one ends with whoever reads on it."""
        self.reading = self._opened_reading()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        raw = self._raw
        self.writing.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.writing.execute("COMMIT")
        except BaseException:
            self._raw = raw
            with contextlib.suppress(sqlcipher.Error):  # the first error is the one to tell
                if self.writing.in_transaction:
                    self.writing.execute("ROLLBACK")
            raise

    # --- inside a transaction

    def put(self, rows: Sequence[Written], epoch: str, *, seal: bool = True) -> None:
        """Add rows in order; if many are raw, or come at once, all but the newest are sealed."""
        at_once = self._raw + len(rows) > SEAL_ROWS or len(rows) >= SEGMENT_EVENTS_MAX
        if self._sealing is not None and seal and at_once:
            rows = self._seal([*self._raw_rows(), *rows], self._sealing, epoch)
        self.writing.executemany(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (row.seq, row.type, m.wall_ms, m.mono_ms, m.boot, m.trusted, row.body)
                for row in rows
                for m in (row.moment,)
            ],
        )
        self._raw += len(rows)

    def _seal(self, rows: Sequence[Written], sealing: Sealing, epoch: str) -> Sequence[Written]:
        """Make segments of `rows`, which are raw no more; those that are left over."""
        box = box_of(sealing.origin)
        runs = segments.runs(rows)
        left = runs.pop() if len(runs[-1]) < SEGMENT_EVENTS_MAX else []
        for run in runs:
            events = [
                Event(box, epoch, Stream.BULK, row.seq, row.type, row.moment, msgspec.Raw(row.body))
                for row in run
            ]
            for part in segments.sealed(sealing, events):
                made_ms = events[part.first - events[0].seq].moment.wall_ms
                self.writing.execute(
                    "INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?)",
                    (part.first, part.last, made_ms, sealing.origin, epoch, part.body),
                )
        self.writing.execute("DELETE FROM event")
        self._raw = 0
        return left

    def _raw_rows(self) -> Iterator[Written]:
        for seq, type_, wall_ms, mono_ms, boot, trusted, body in self.writing.execute(
            "SELECT * FROM event ORDER BY seq"
        ):
            moment = Moment(wall_ms, mono_ms, boot, bool(trusted))
            yield Written(Stream.BULK, seq, type_, moment, body)

    def delete_upto(self, last: int) -> None:
        """Delete what is not above `last`; a segment that reaches beyond it stays whole."""
        self.writing.execute("DELETE FROM segment WHERE last <= ?", (last,))
        self._raw -= self.writing.execute("DELETE FROM event WHERE seq <= ?", (last,)).rowcount

    def probe(self) -> None:
        """Write something, to see whether it can be written at all."""
        self.writing.execute(f"PRAGMA user_version = {VERSION}")

    # --- looking

    def used(self) -> float:
        """Which part of the quota is taken."""
        (pages,) = self.writing.execute("PRAGMA page_count").fetchone()
        (free,) = self.writing.execute("PRAGMA freelist_count").fetchone()
        return float(pages - free) / self.pages_max

    def at_quota(self, rows: Sequence[Written]) -> bool:
        """Whether it was the quota that had no room for `rows`, and not the disk."""
        (pages,) = self.writing.execute("PRAGMA page_count").fetchone()
        return bool(pages + size_of(rows) / PAGE_BYTES >= QUOTA_PART * self.pages_max)

    def last(self) -> int:
        """The highest number in the file, 0 if it is empty."""
        (last,) = self.writing.execute(
            "SELECT max(coalesce((SELECT max(last) FROM segment), 0),"
            " coalesce((SELECT max(seq) FROM event), 0))"
        ).fetchone()
        return int(last)

    def oldest(self, bytes_min: int, after: int) -> tuple[int, int] | None:
        """The oldest numbers above `after` (first, last) that take `bytes_min` together.

        None if nothing is there.
        """
        first, last, size = None, 0, 0
        for sql in (
            "SELECT first, last, length(body) FROM segment WHERE last > ? ORDER BY last",
            "SELECT seq, seq, length(body) FROM event WHERE seq > ? ORDER BY seq",
        ):
            for begins, ends, length in self.writing.execute(sql, (after,)):
                first = max(begins, after + 1) if first is None else first
                last, size = ends, size + length + ROW_BYTES
                if size >= bytes_min:
                    return first, last
        return None if first is None else (first, last)

    def spans(self, after: int) -> Iterator[tuple[int, int]]:
        """What is here above `after`: (first, last) without holes, in order."""
        begun: tuple[int, int] | None = None
        for sql in (
            "SELECT first, last FROM segment WHERE last > ? ORDER BY last",
            "SELECT seq, seq FROM event WHERE seq > ? ORDER BY seq",
        ):
            for first, last in self.writing.execute(sql, (after,)):
                if begun is not None and first == begun[1] + 1:
                    begun = (begun[0], last)
                    continue
                if begun is not None:
                    yield begun
                begun = (max(first, after + 1), last)
        if begun is not None:
            yield begun

    def close(self) -> None:
        """Close it. The reading connection ends with whoever reads last."""
        self.writing.close()


def size_of(rows: Sequence[Written]) -> int:
    """What `rows` take while they are raw."""
    return sum(len(row.body) + ROW_BYTES for row in rows)


def box_of(origin: str) -> str:
    """The box in an origin of tenant/store/box."""
    return origin.rpartition("/")[2]


def is_damage(error: BaseException) -> bool:
    """Whether the file is not what was written, rather than full or busy."""
    return isinstance(error, sqlcipher.Error) and (
        code(error) in DAMAGED or (type(error) is sqlcipher.DatabaseError and code(error) == 0)
    )


def put_aside(directory: Path) -> Path | None:
    """Rename the file so that a new one can begin; where it is now. At most so many are kept."""
    path = directory / NAME
    if not path.exists():
        return None
    named = directory.glob(f"{NAME}.damaged-*")
    old = sorted(  # a person's own copy may have any tail
        (each for each in named if each.suffix[9:].isdecimal()),
        key=lambda each: int(each.suffix[9:]),
    )
    number = int(old[-1].suffix[9:]) + 1 if old else 1
    aside = directory / f"{NAME}.damaged-{number}"
    for unfinished in (f"{NAME}-wal", f"{NAME}-shm"):
        (directory / unfinished).unlink(missing_ok=True)
    path.rename(aside)
    for each in old[: max(0, len(old) + 1 - DAMAGED_KEPT_MAX)]:
        each.unlink()
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return aside


def open_reading(directory: Path, vault: Vault) -> Any:
    """A read-only connection for the command line while the daemon is dead; None without a file."""
    path = directory / NAME
    if not path.exists():
        return None
    connection = unlocked(path, vault)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connected(path: Path, vault: Vault, pages_max: int) -> Any:
    connection = unlocked(path, vault)
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"max_page_count = {pages_max}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            f"journal_size_limit = {WAL_BYTES_MAX}",
            f"cache_size = -{CACHE_KIB}",
            "secure_delete = OFF",  # nobody is spoken of here
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlcipher.Error:
        connection.close()
        raise
    return connection


def rows_after(reading: Any, after: int, limit: int) -> list[Any]:
    """At most `limit` raw rows above `after`, in order."""
    return list(
        reading.execute(
            "SELECT * FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        ).fetchall()
    )


def segment_after(reading: Any, after: int) -> tuple[int, int, str, str, bytes] | None:
    """The first segment that ends above `after`: (first, last, origin, epoch, body)."""
    row = reading.execute(
        "SELECT first, last, origin, epoch, body FROM segment WHERE last > ? ORDER BY last LIMIT 1",
        (after,),
    ).fetchone()
    return (*row[:4], bytes(row[4])) if row else None


def oldest_wall_ms(reading: Any, after: int) -> int | None:
    """When the oldest event above `after` was made; of a segment, when its first was."""
    for sql in (
        "SELECT wall_ms FROM segment WHERE last > ? ORDER BY last LIMIT 1",
        "SELECT wall_ms FROM event WHERE seq > ? ORDER BY seq LIMIT 1",
    ):
        row = reading.execute(sql, (after,)).fetchone()
        if row is not None:
            return int(row[0])
    return None
