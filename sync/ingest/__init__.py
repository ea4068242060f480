"""The acknowledging receiver: what makes an event the platform's, and the box free to delete it.

Used by the reference platform. An append-only log and a cursor for each stream of each box, in
SQLite or PostgreSQL (`store.py`); a batch and its cursor are one transaction, and only after its
commit is anything acknowledged. Several receivers may share one database. It speaks no MQTT.
"""

import time
from collections.abc import Sequence

from msgspec import Struct

from edge.errors import BadMessage
from edge.records import Moment, Stream
from edge.storage.journal import digest
from edge.storage.outbox import GAP_TYPE, Gap, mark_of
from sync.batch import Batch, moment_of
from sync.ingest.store import Statements, Where, open_store
from sync.messages import SEQ_MAX, Address, BatchHeader, CloudEvent, decode_json

QUARANTINE_MAX = 1000
"""Refused messages kept for a person to look at (128 MB at most); beyond it the oldest go."""

DONE_TYPE = "command.done.v1"

Key = tuple[str, str, str]
"""A stream of a box: address, epoch, stream."""

_COLUMNS = (
    *("address", "epoch", "stream", "seq", "type", "digest", "body"),
    *("event_ms", "mono_ms", "boot", "clock_trusted", "happened_ms", "received_ms"),
)


class Done(Struct, frozen=True):
    """A box's answer to a command, as an event in crit."""

    id: str


class Ingest:
    """The log and the cursors in the database at `where`: a file, or `postgresql://...`.

    May be used from any one thread at a time.
    """

    def __init__(self, where: Where) -> None:
        self.database = open_store(where)
        self._open: Statements | None = None

    def apply(self, batch: Batch) -> int:
        """Commit what is new in `batch`; the number up to which its stream is complete now.

        A batch behind a hole changes nothing: the answer is the old number. BadMessage, and
        nothing changed, if an event in it can never be accepted.
        """
        return self.apply_all([batch])[0]

    def apply_all(self, batches: Sequence[Batch]) -> list[int]:
        """`apply` for several in one commit, in order: their answers. All or none.

        Streams are locked in one order, so that receivers side by side never wait in a circle.
        """
        order = sorted(range(len(batches)), key=lambda place: _key_of(batches[place]))
        answers = dict.fromkeys(order, 0)
        with self.database.transaction() as statements:
            self._open = statements
            for place in order:
                answers[place] = self._applied(statements, batches[place])
        return [answers[place] for place in range(len(batches))]

    def _applied(self, statements: Statements, batch: Batch) -> int:
        header, key = batch.header, _key_of(batch)
        upto = _passed_gaps(statements, key, header.first)
        if header.first <= upto + 1 and header.last > upto:
            new = batch.events[upto + 1 - header.first :] if upto >= header.first else batch.events
            self.store(batch, new)
            _remember(statements, batch, new)
            last_ms = moment_of(new[-1]).wall_ms
            statements.execute(
                "UPDATE cursor SET upto = ?, event_ms = ?, sent_ms = ?, received_ms = ?"
                " WHERE (address, epoch, stream) = (?, ?, ?)",
                (header.last, last_ms, header.sent, wall_ms(), *key),
            )
            return header.last
        _write_cursor(statements, key, upto)
        return upto

    def store(self, batch: Batch, events: Sequence[CloudEvent]) -> None:
        """Append `events` of `batch` to the log, inside the transaction of `apply`."""
        assert self._open is not None, "apply calls this"
        key, now_ms = _key_of(batch), wall_ms()
        rows = ((*key, *_columns(event, batch.header, now_ms), now_ms) for event in events)
        self._open.append("received", _COLUMNS, rows)

    def quarantine(
        self, topic: str, payload: bytes, reason: str, *, of: tuple[Address, BatchHeader] | None
    ) -> None:
        """Put away what can never be accepted. With a legible header its numbers count as done:

        sending them again would not make them better, and the stream must go on.
        """
        with self.database.transaction() as statements:
            statements.execute(
                "INSERT INTO quarantine (topic, reason, payload, received_ms) VALUES (?, ?, ?, ?)",
                (_printable(topic), _printable(reason), payload, wall_ms()),
            )
            statements.execute(
                "DELETE FROM quarantine WHERE position <="
                " (SELECT max(position) FROM quarantine) - ?",
                (QUARANTINE_MAX,),
            )
            if of is not None:
                address, header = of
                key = (str(address), header.epoch, header.stream.value)
                _insert_gap(statements, key, (header.first, header.last), "quarantined")
                _write_cursor(statements, key, _passed_gaps(statements, key, header.last + 1))

    def resume(self, address: Address, epoch: str, acked: dict[Stream, int]) -> dict[Stream, int]:
        """The cursors of a box that says hello, which has deleted everything up to `acked`.

        If that is more than we have, we were restored from a backup: the rest will never come.
        """
        with self.database.transaction() as statements:
            for stream in sorted(acked):
                key, number = (str(address), epoch, stream.value), acked[stream]
                upto = _locked_cursor(statements, key)
                if number > upto:
                    span = (upto + 1, number)
                    _insert_gap(statements, key, span, "missing here, deleted at the box")
                    _write_cursor(statements, key, number)
        return self.cursors(address, epoch)

    def cursors(self, address: Address, epoch: str) -> dict[Stream, int]:
        """Up to where each stream of this epoch has been committed."""
        with self.database.transaction() as statements:
            found = statements.execute(
                "SELECT stream, upto FROM cursor WHERE (address, epoch) = (?, ?)",
                (str(address), epoch),
            )
        return dict.fromkeys(Stream, 0) | {Stream(stream): upto for stream, upto in found}

    def marks(self, address: Address, epoch: str) -> dict[Stream, str]:
        """What tells the last committed event of each stream from any other with its number."""
        found: dict[Stream, str] = {}
        for stream, upto in self.cursors(address, epoch).items():
            with self.database.transaction() as statements:
                rows = statements.execute(
                    "SELECT body, boot, mono_ms FROM received"
                    " WHERE (address, epoch, stream, seq) = (?, ?, ?, ?)"
                    " ORDER BY position LIMIT 1",
                    (str(address), epoch, stream.value, upto),
                )
            if rows:
                found[stream] = mark_of(*rows[0])
        return found

    def known(self) -> list[Address]:
        """Every box that has sent something."""
        with self.database.transaction() as statements:
            rows = statements.execute("SELECT DISTINCT address FROM cursor ORDER BY address")
        return [Address(*address.split("/")) for (address,) in rows]

    def close(self) -> None:
        """Close the database."""
        self.database.close()


# --- inside a transaction


def _passed_gaps(statements: Statements, key: Key, before: int) -> int:
    """The cursor, locked, and moved over the gaps that lead up to number `before`."""
    upto = _locked_cursor(statements, key)
    while upto + 1 < before:
        ((last,),) = statements.execute(
            "SELECT max(last) FROM gap WHERE (address, epoch, stream) = (?, ?, ?)"
            " AND first <= ? AND last > ?",
            (*key, upto + 1, upto),
        )
        if last is None:
            break
        upto = last
    return upto


def _remember(statements: Statements, batch: Batch, events: Sequence[CloudEvent]) -> None:
    """What an event means to the platform itself: a declared gap, a command carried out."""
    if batch.header.stream is not Stream.CRIT:
        return
    for event in events:
        if event.type == DONE_TYPE:
            done = decode_json(event.data, Done)
            statements.execute(
                "UPDATE command SET done = ? WHERE (address, id) = (?, ?)",
                (bytes(event.data), str(batch.address), _printable(done.id)),
            )
        elif event.type == GAP_TYPE:
            gap = decode_json(event.data, Gap)
            if not 1 <= gap.first <= gap.last <= SEQ_MAX:
                raise BadMessage(f"Event {event.id} declares an impossible gap.")
            key = (str(batch.address), batch.header.epoch, gap.stream.value)
            _insert_gap(statements, key, (gap.first, gap.last), gap.reason)


def _insert_gap(statements: Statements, key: Key, span: tuple[int, int], reason: str) -> None:
    statements.execute(
        "INSERT INTO gap VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*key, *span, _printable(reason)),
    )


def _locked_cursor(statements: Statements, key: Key) -> int:
    """Up to where the stream is complete; nobody else moves it until the commit."""
    ours = f"SELECT upto FROM cursor WHERE (address, epoch, stream) = (?, ?, ?){statements.locked}"  # noqa: S608
    rows = statements.execute(ours, key)
    if not rows:
        statements.execute(
            "INSERT INTO cursor (address, epoch, stream, upto) VALUES (?, ?, ?, 0)"
            " ON CONFLICT DO NOTHING",
            key,
        )
        rows = statements.execute(ours, key)
    return int(rows[0][0])


def _write_cursor(statements: Statements, key: Key, upto: int) -> None:
    statements.execute(
        "UPDATE cursor SET upto = ? WHERE (address, epoch, stream) = (?, ?, ?) AND upto < ?",
        (upto, *key, upto),
    )


def _key_of(batch: Batch) -> Key:
    return str(batch.address), batch.header.epoch, batch.header.stream.value


def _happened_ms(moment: Moment, header: BatchHeader, now_ms: int) -> int:
    """When it happened: by the box's wall clock if that was synchronised, else by how long ago it

    was by its monotonic clock, which the batch's header tells within one boot. That is late by as
    long as the batch was under way: a broker that kept it for a platform that was down, or a slow
    machine. The stored clocks date it better once a batch of the same boot came at once.
    """
    if moment.trusted or moment.boot != header.boot:
        return moment.wall_ms
    return now_ms - max(0, header.mono - moment.mono_ms)


def _columns(
    event: CloudEvent, header: BatchHeader, now_ms: int
) -> tuple[int, str, str, bytes, int, int, str, int, int]:
    body = bytes(event.data)
    moment = moment_of(event)
    happened_ms = _happened_ms(moment, header, now_ms)
    stamps = (moment.wall_ms, moment.mono_ms, _printable(moment.boot), int(moment.trusted))
    return (event.seq, _printable(event.type), digest(body), body, *stamps, happened_ms)


def _printable(text: str) -> str:
    """Without the one character that PostgreSQL's text cannot hold; JSON can say it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def wall_ms() -> int:
    """Now, as the platform's clock has it."""
    return time.time_ns() // 1_000_000
