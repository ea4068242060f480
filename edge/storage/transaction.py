"""What a change may do inside the writer: run SQL, draw numbers, and tell the platform.

`Database.transact` hands a `Transaction` to each change; the writer reads from it afterwards what
has to be done once the main file is committed. It begins and commits nothing itself.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import StorageError
from edge.figures import COUNTED, WITHHOLDING
from edge.records import Moment, Stream
from edge.storage import figures, outbox
from edge.storage.connections import translated
from edge.storage.outbox import Emitted, Rewritten, Written
from edge.storage.vault import Vault


class Transaction:
    """One change's view of the main file."""

    def __init__(self, connection: Any, vault: Vault) -> None:
        self._connection = connection
        self.vault = vault
        self._emitted: list[Emitted] = []
        self.changed: list[Rewritten] = []
        """Events that are not as they were promised any more."""
        self.acknowledged = False
        """Whether rows of bulk may be deleted now."""

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement; the cursor."""
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """Run one statement for each row of parameters; the cursor."""
        return self._connection.executemany(sql, parameters)

    def in_part(self, change: Callable[[], None]) -> None:
        """Run `change` so that it alone is undone when it fails; its error, translated, rises."""
        emitted, changed = len(self._emitted), len(self.changed)
        self.execute("SAVEPOINT part")
        try:
            change()
        except BaseException as error:
            if self._connection.in_transaction:  # else SQLite gave up the whole transaction
                self.execute("ROLLBACK TO part")
                self.execute("RELEASE part")
            del self._emitted[emitted:]
            del self.changed[changed:]
            if isinstance(error, sqlcipher.Error | OverflowError):
                raise translated(error) from error
            raise
        self.execute("RELEASE part")

    def emit(
        self, stream: Stream, type_: str, body: Any, moment: Moment, *, member: str | None = None
    ) -> None:
        """Put one event into the outbox, in this very transaction. `body` becomes JSON.

        `member` is whom it speaks of, if anybody: an erasure finds it by that. What the event means
        for the figures of the shop is added to them here, unless it is of a type that may withhold
        numbers: then the desk says the true ones by `count`.
        """
        encoded = msgspec.json.encode(body)
        if len(encoded) > outbox.EVENT_BYTES_MAX:
            raise StorageError(
                f"An event {type_} of {len(encoded)} bytes is too large to be sent.",
                "Split what was entered into smaller pieces.",
            )
        if member is not None and stream is Stream.BULK:
            raise StorageError(
                f"An event {type_} of a member was about to go into bulk.",
                "This is a mistake in storebox: please report it.",
            )
        self._emitted.append(Emitted(stream, type_, encoded, moment, member))
        if type_ in COUNTED - WITHHOLDING:
            self.count(type_, body, moment)

    def count(self, type_: str, body: Any, moment: Moment) -> None:
        """Add to the figures what an event of this type would mean that said `body`."""
        figures.count(self, type_, body, moment)

    def acknowledge(self, stream: Stream, upto: int) -> int:
        """The platform has committed everything up to `upto`: delete it. How many it were."""
        self.acknowledged = True
        return outbox.acknowledge(self, stream, upto)

    def rewritten(self, row: Rewritten, /) -> None:
        """`row` is not as it was promised."""
        self.changed.append(row)

    def written(self) -> list[Written]:
        """The end of the change: its events are numbered, and written but for those of bulk."""
        return outbox.append(self._connection, self._emitted) if self._emitted else []

    def next_number(self, name: str) -> int:
        """The next number of the sequence `name`, from 1; never given twice."""
        (last,) = self.execute(
            "INSERT INTO sequence VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last",
            (name,),
        ).fetchone()
        return int(last)
