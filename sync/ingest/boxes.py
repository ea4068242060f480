"""What the platform knows of each box: what it said last, and how far its streams have come.

Written by the reference platform at hellos and presences, read by its page, by the commands and by
`storebox platform boxes`. It stands in the database, so that every worker knows the same.
"""

import msgspec
from msgspec import Struct

from edge.records import Stream
from sync.ingest import wall_ms
from sync.ingest.store import Row, Store
from sync.messages import Address, Hello, Presence


class StreamView(Struct, frozen=True):
    """One stream: produced so far as the box said it, committed here, and its last batch's times.

    `event_ms` and `sent_ms` are by the box's clock, `received_ms` by ours; 0 for never.
    """

    stream: Stream
    last: int
    upto: int
    event_ms: int = 0
    sent_ms: int = 0
    received_ms: int = 0

    @property
    def behind(self) -> int:
        """Events that the box is known to have and that have not been committed here."""
        return max(0, self.last - self.upto)

    @property
    def lag_ms(self) -> int:
        """How old the latest event was when it was sent, by the box's own clock."""
        return max(0, self.sent_ms - self.event_ms)


class BoxView(Struct, frozen=True):
    """One box. `hello` is None before its first."""

    address: str
    online: bool
    conn: int
    epoch: str
    seen_ms: int
    commands: int
    hello: Hello | None
    streams: tuple[StreamView, ...] = ()

    @property
    def behind(self) -> int:
        """Over all streams."""
        return sum(stream.behind for stream in self.streams)

    @property
    def lag_ms(self) -> int:
        """Of the stream that received something last."""
        latest = max(self.streams, key=lambda stream: stream.received_ms, default=None)
        return latest.lag_ms if latest else 0

    @property
    def oldest_ms(self) -> int:
        """No event that is not here was made before this, by the box's clock; 0 if none waits."""
        waiting = [stream.event_ms for stream in self.streams if stream.behind]
        return min(waiting, default=0)


class Boxes:
    """The boxes in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def said_hello(self, address: Address, hello: Hello) -> None:
        """Note what a box said of itself."""
        known = (hello.conn, hello.epoch, msgspec.json.encode(hello), hello.commands, wall_ms())
        with self._store.transaction() as statements:
            statements.execute(
                "INSERT INTO box (address, online, conn, epoch, hello, commands, seen_ms)"
                " VALUES (?, 1, ?, ?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET online = 1,"
                " conn = excluded.conn, epoch = excluded.epoch, hello = excluded.hello,"
                " commands = excluded.commands, seen_ms = excluded.seen_ms",
                (str(address), *known),
            )

    def was_seen(self, address: Address, presence: Presence) -> None:
        """Note whether it is connected. The will of a connection replaced since says nothing."""
        online = int(presence.state == "online")
        with self._store.transaction() as statements:
            statements.execute(
                "INSERT INTO box (address, online, conn, epoch, hello, commands, seen_ms)"
                " VALUES (?, ?, ?, '', ?, 0, ?) ON CONFLICT (address) DO UPDATE SET"
                " online = excluded.online, seen_ms = excluded.seen_ms,"
                " conn = CASE WHEN box.conn > excluded.conn THEN box.conn ELSE excluded.conn END"
                " WHERE excluded.online = 1 OR excluded.conn >= box.conn",
                (str(address), online, presence.conn, b"", wall_ms()),
            )

    def heard_of(self, address: Address) -> bool:
        """Whether this box has ever said anything. One that was only given a command has not."""
        with self._store.transaction() as statements:
            rows = statements.execute(
                "SELECT 1 FROM box WHERE address = ? AND seen_ms > 0"
                " UNION ALL SELECT 1 FROM cursor WHERE address = ?",
                (str(address), str(address)),
            )
        return bool(rows)

    def online(self) -> list[Address]:
        """The boxes that are connected, as far as is known."""
        with self._store.transaction() as statements:
            rows = statements.execute("SELECT address FROM box WHERE online = 1 ORDER BY address")
        return [Address(*address.split("/")) for (address,) in rows]

    def everybody(self) -> list[BoxView]:
        """All boxes with their streams."""
        with self._store.transaction() as statements:
            rows = statements.execute(
                "SELECT address, online, conn, epoch, seen_ms, commands, hello FROM box"
                " ORDER BY address"
            )
            cursors = statements.execute(
                "SELECT box.address, stream, upto, event_ms, sent_ms, received_ms FROM cursor"
                " JOIN box ON box.address = cursor.address AND box.epoch = cursor.epoch"
            )
        by_box: dict[str, dict[Stream, Row]] = {}
        for address, stream, *figures in cursors:
            by_box.setdefault(address, {})[Stream(stream)] = tuple(figures)
        return [_view(row, by_box.get(row[0], {})) for row in rows]


def _view(row: Row, cursors: dict[Stream, Row]) -> BoxView:
    address, online, conn, epoch, seen_ms, commands, said = row
    hello = msgspec.json.decode(bytes(said), type=Hello) if said else None
    streams = []
    for stream in Stream:
        upto, *times = cursors.get(stream, (0, 0, 0, 0))
        last = hello.streams[stream].last if hello and stream in hello.streams else 0
        streams.append(StreamView(stream, max(last, upto), upto, *times))
    return BoxView(address, bool(online), conn, epoch, seen_ms, commands, hello, tuple(streams))
