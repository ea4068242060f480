"""The table of signed commands: which box is told what, under which counter, and what came of it.

Written by `storebox platform command`, read by the running platform, which sends them. A box takes
them only in rising order and tells in its hello how far it is; whatever it may have missed is sent
again, in order, from there. Nothing is signed here: who calls brings the signature.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from sync.ingest import wall_ms
from sync.ingest.store import Statements, Store
from sync.messages import Address

PAGE_MAX = 100
"""Commands read at once for one box."""

Sign = Callable[[int], bytes]
"""Makes the signed message for a counter."""


class CommandView(Struct, frozen=True, array_like=True):
    """One command and its fate; `done` is the box's answer as JSON, empty while there is none."""

    address: str
    counter: int
    id: str
    type: str
    exp: int
    made_ms: int
    sent_ms: int
    done: bytes


class Commands:
    """The commands in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, address: Address, kind: tuple[str, str, int], sign: Sign) -> int:
        """Add a command of `kind` (id, type, expiry); the counter it was given."""
        with self._store.transaction() as statements:
            counter = _next_counter(statements, address)
            statements.execute(
                "INSERT INTO command (address, counter, id, type, exp, payload, made_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (str(address), counter, *kind, sign(counter), wall_ms()),
            )
        return counter

    def after(
        self, address: Address, counter: int, *, undone: bool = False
    ) -> list[tuple[int, bytes]]:
        """The first commands beyond `counter`: counters and messages. They count as sent then.

        Expired ones too: the box says so, and its counter has no hole. A box restored from a backup
        needs those again that it had carried out; `undone` leaves them out.
        """
        with self._store.transaction() as statements:
            rows = statements.execute(
                "SELECT counter, payload FROM command WHERE address = ? AND counter > ?"
                " AND (done IS NULL OR ? = 0) ORDER BY counter LIMIT ?",
                (str(address), counter, int(undone), PAGE_MAX),
            )
            if rows:
                statements.execute(
                    "UPDATE command SET sent_ms = ? WHERE address = ? AND counter <= ?"
                    " AND sent_ms = 0",
                    (wall_ms(), str(address), rows[-1][0]),
                )
        return [(number, bytes(payload)) for number, payload in rows]

    def to_be_sent(self) -> list[tuple[Address, int]]:
        """Boxes on line with a command that was never sent, and how far they said they are.

        Whoever asks is to send it: the next one who asks is told of other boxes.
        """
        with self._store.transaction() as statements:
            rows = statements.execute(
                "UPDATE command SET sent_ms = ? WHERE sent_ms = 0 AND address IN"
                " (SELECT address FROM box WHERE online = 1) RETURNING address",
                (wall_ms(),),
            )
            found = [
                (address, statements.execute(_TAKEN, (address,))[0][0])
                for address in sorted({address for (address,) in rows})
            ]
        return [(Address(*address.split("/")), taken) for address, taken in found]

    def skipped(self, address: Address, taken: int, now_s: int) -> list[bytes]:
        """Commands up to `taken` that the box never carried out, although it has told us of all.

        They were lost on the way while a later one arrived; the box takes them only under a new
        counter (`renumber`).
        """
        with self._store.transaction() as statements:
            rows = statements.execute(
                "SELECT payload FROM command WHERE address = ? AND counter <= ? AND done IS NULL"
                " AND (exp = 0 OR exp > ?) ORDER BY counter LIMIT ?",
                (str(address), taken, now_s, PAGE_MAX),
            )
        return [bytes(payload) for (payload,) in rows]

    def renumber(self, address: Address, id: str, sign: Sign) -> None:
        """Give a skipped command a new counter and signature."""
        with self._store.transaction() as statements:
            counter = _next_counter(statements, address)
            statements.execute(
                "UPDATE command SET counter = ?, payload = ? WHERE (address, id) = (?, ?)",
                (counter, sign(counter), str(address), id),
            )

    def latest(self, limit: int) -> list[CommandView]:
        """The last commands, the newest first."""
        with self._store.transaction() as statements:
            rows = statements.execute(
                "SELECT address, counter, id, type, exp, made_ms, sent_ms, done FROM command"
                " ORDER BY made_ms DESC, counter DESC LIMIT ?",
                (limit,),
            )
        return [msgspec.convert((*row[:7], bytes(row[7] or b"")), CommandView) for row in rows]


_TAKEN = "SELECT commands FROM box WHERE address = ?"


def _next_counter(statements: Statements, address: Address) -> int:
    """Beyond all that we gave, and all that the box says it took: we may come from a backup."""
    statements.execute(
        "INSERT INTO box (address, online, conn, epoch, hello, commands, seen_ms)"
        " VALUES (?, 0, 0, '', ?, 0, 0) ON CONFLICT (address) DO NOTHING",
        (str(address), b""),
    )
    ((taken,),) = statements.execute(_TAKEN + statements.locked, (str(address),))
    ((given,),) = statements.execute(
        "SELECT coalesce(max(counter), 0) FROM command WHERE address = ?", (str(address),)
    )
    return int(max(taken, given)) + 1
