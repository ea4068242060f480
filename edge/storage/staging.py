"""Rows of a dataset that wait for the others of their version, and the books of what the box has.

Called by the replica inside its transactions. Nobody else reads what is staged: it becomes visible
with one swap (`edge/storage/swap.py`). The books (`replica_row`) know every row of the platform's,
used or not, with its hash, so that the box can say whether it has the platform's state.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

from edge.storage import erased
from edge.storage.outbox import Executes

CLEANED_ROWS = 2000
"""Rows wiped in one transaction: about 10 ms, which an order may have to wait."""
_SIGNED = 1 << 63


class Op(StrEnum):
    """What is to happen to a staged row."""

    PUT = "put"
    SAME = "same"
    """As the box has it already: nothing is written."""
    BAD = "bad"
    """Unusable: what the box has under this key counts as gone."""
    DOUBT = "doubt"
    """Of a member, and illegible: the profile stays, with no more than the programme."""
    GONE = "gone"


class StagedRow(Struct, frozen=True, array_like=True):
    """One row of a dataset, whatever it says. `hash` is its unsigned 64 bit hash."""

    key: str
    bucket: int
    hash: int
    op: Op


Cells = Sequence[object]
"""The columns of a row of one of the stage tables."""

_TABLES = {
    "member": 6,
    "consent": 6,
    "login": 2,
    "template": 6,
    "product": 8,
    "price": 3,
    "stock": 4,
    "document": 4,
}
"""Each stage table with the number of its columns."""
_PERSONAL = {
    "member": "id",
    "consent": "member",
    "login": "member",
    "template": "member",
    "document": "member",
}
"""Stage tables with a column that says of whom a row speaks."""
_KEYED_BY_MEMBER = ("members", "balances", "carts")
_KEYED_WITH_MEMBER = ("templates", "history", "wishes")
"""Datasets whose keys are a member, or begin with one and a slash (`sync/rows.py`)."""
OF_NOBODY = ("catalogue", "prices", "stock", "rules", "configuration", "together", "media")
"""Datasets in whose keys and rows nobody is named, so that nothing has to be scrubbed of them."""
_FORGOTTEN = "~"
_FORGET = "UPDATE stage_row SET key = '~' || lower(hex(randomblob(16))) WHERE dataset = ?"
_OF_DATASET = {
    "members": ("member", "consent", "login"),
    "templates": ("template",),
    "catalogue": ("product",),
    "prices": ("price",),
    "stock": ("stock",),
}


def bucket_of(key: str) -> int:
    """The first byte of SHA-256 of the key."""
    return hashlib.sha256(key.encode()).digest()[0]


def forgotten_key() -> str:
    """Under this the row of somebody stands whose name must not be kept."""
    return f"{_FORGOTTEN}{secrets.token_hex(16)}"


def is_forgotten(key: str) -> bool:
    """Whether this key stands in place of somebody's name."""
    return key.startswith(_FORGOTTEN)


# --- what is under way


def plans(connection: Executes) -> dict[str, bytes]:
    """The manifest of each snapshot that is under way, by dataset."""
    rows = connection.execute("SELECT dataset, body FROM stage_plan").fetchall()
    return {dataset: bytes(body) for dataset, body in rows}


def put_plan(connection: Executes, dataset: str, manifest: bytes) -> None:
    """Begin a snapshot; pieces of an earlier one no longer count."""
    connection.execute("DELETE FROM stage_piece WHERE dataset = ?", (dataset,))
    connection.execute("INSERT OR REPLACE INTO stage_plan VALUES (?, ?)", (dataset, manifest))


def drop_plan(connection: Executes, dataset: str) -> None:
    """It is done, or nothing will come of it. What it staged is wiped by `clean`."""
    connection.execute("DELETE FROM stage_piece WHERE dataset = ?", (dataset,))
    connection.execute("DELETE FROM stage_plan WHERE dataset = ?", (dataset,))


def pieces(connection: Executes, dataset: str) -> set[int]:
    """Which chunks have been staged whole."""
    rows = connection.execute("SELECT piece FROM stage_piece WHERE dataset = ?", (dataset,))
    return {piece for (piece,) in rows.fetchall()}


def add_piece(connection: Executes, dataset: str, piece: int) -> None:
    """This chunk has been staged whole."""
    connection.execute("INSERT OR REPLACE INTO stage_piece VALUES (?, ?)", (dataset, piece))


# --- rows


def put_rows(connection: Executes, dataset: str, rows: Iterable[StagedRow]) -> None:
    """Stage rows by what is to happen to them."""
    connection.executemany(
        "INSERT OR REPLACE INTO stage_row VALUES (?, ?, ?, ?, ?)",
        [(dataset, row.key, row.bucket, _signed(row.hash), row.op) for row in rows],
    )


def put_cells(connection: Executes, table: str, rows: Sequence[Cells]) -> None:
    """Stage the contents of rows, as they will stand in `table`."""
    marks = ", ".join("?" * _TABLES[table])
    connection.executemany(f"INSERT INTO stage_{table} VALUES ({marks})", rows)  # noqa: S608


def mark_absent(connection: Executes, dataset: str, buckets: Iterable[int]) -> None:
    """Rows that the box has in these buckets and that have not been staged are to go."""
    connection.execute(
        "INSERT OR IGNORE INTO stage_row SELECT dataset, key, bucket, hash, 'gone' FROM replica_row"
        " WHERE dataset = ?1 AND bucket IN (SELECT value FROM json_each(?2))",
        (dataset, msgspec.json.encode(sorted(buckets)).decode()),
    )


def keys(connection: Executes, dataset: str, *ops: Op) -> list[str]:
    """The keys of staged rows to which one of `ops` is to happen, in order."""
    marks = ", ".join("?" * len(ops))
    rows = connection.execute(
        f"SELECT key FROM stage_row WHERE dataset = ? AND op IN ({marks}) ORDER BY key",  # noqa: S608
        (dataset, *ops),
    ).fetchall()
    return [key for (key,) in rows]


def forget(connection: Executes, member: str) -> None:
    """Wipe whatever is staged of `member`: erasure does not wait for a snapshot.

    Nothing is done for whom the very swap removes that is under way: there may be thousands.
    """
    staged = connection.execute(
        "SELECT op FROM stage_row WHERE dataset = 'members' AND bucket = ? AND key = ?",
        (bucket_of(member), member),
    ).fetchone()
    if staged is not None and staged[0] in (Op.GONE, Op.BAD):
        return
    for table, column in _PERSONAL.items():
        connection.execute(f"DELETE FROM stage_{table} WHERE {column} = ?", (member,))  # noqa: S608
    for dataset in _KEYED_BY_MEMBER:
        exactly = (dataset, bucket_of(member), member)
        connection.execute(f"{_FORGET} AND bucket = ? AND key = ?", exactly)
    begins = member.replace("%", "%25").replace("/", "%2F")
    for dataset in _KEYED_WITH_MEMBER:
        # From "begins/" up to what follows it: "0" is the character after "/".
        between = (dataset, f"{begins}/", f"{begins}0")
        connection.execute(f"{_FORGET} AND key >= ? AND key < ?", between)


def settle_lost(connection: Executes) -> None:
    """Note as missing what left its table otherwise than by its dataset, so that it is asked for
    when it may come back. Of a member who left no key may stay: a random one keeps the bucket's
    hash as the platform has it.
    """
    lost = connection.execute(
        "SELECT DISTINCT dataset, key, EXISTS (SELECT 1 FROM member WHERE id = owner)"
        " FROM replica_lost"
    ).fetchall()
    if not lost:
        return
    connection.executemany(
        "UPDATE OR REPLACE replica_row SET taken = 0, key = ? WHERE dataset = ? AND bucket = ?"
        " AND key = ?",
        [
            (key if still_here else forgotten_key(), dataset, bucket_of(key), key)
            for dataset, key, still_here in lost
        ],
    )
    connection.execute("DELETE FROM replica_lost")
    erased.set_deleted(connection)


def clean(connection: Executes, dataset: str) -> bool:
    """Wipe some of what a finished or abandoned version left; whether there is more."""
    rows = connection.execute(
        "DELETE FROM stage_row WHERE dataset = ?1 AND (bucket, key) IN"
        " (SELECT bucket, key FROM stage_row WHERE dataset = ?1 LIMIT ?2) RETURNING op",
        (dataset, CLEANED_ROWS),
    ).fetchall()
    wiped = len(rows)
    if not {Op.GONE, Op.BAD}.isdisjoint(op for (op,) in rows):
        _set_deleted(connection, dataset)
    for table in _OF_DATASET.get(dataset, ()):
        wiped += connection.execute(
            f"DELETE FROM stage_{table} WHERE rowid IN (SELECT rowid FROM stage_{table} LIMIT ?)",  # noqa: S608
            (CLEANED_ROWS,),
        ).rowcount
    if dataset not in _OF_DATASET:
        wiped += connection.execute(
            "DELETE FROM stage_document WHERE rowid IN"
            " (SELECT rowid FROM stage_document WHERE dataset = ? LIMIT ?)",
            (dataset, CLEANED_ROWS),
        ).rowcount
    return bool(wiped)


# --- the books


def known(connection: Executes, dataset: str, wanted: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of these keys those that the box has: (unsigned hash, whether taken: 1, 0 or -1)."""
    pairs = [(bucket_of(key), key) for key in wanted]
    rows = connection.execute(
        "SELECT r.key, hash, taken FROM json_each(?2) AS pair CROSS JOIN replica_row AS r"
        " ON dataset = ?1 AND bucket = json_extract(pair.value, '$[0]')"
        " AND r.key = json_extract(pair.value, '$[1]')",
        (dataset, msgspec.json.encode(pairs).decode()),
    ).fetchall()
    return {key: (value % (2 * _SIGNED), taken) for key, value, taken in rows}


def member_keys(connection: Executes, wanted: Iterable[str]) -> dict[str, bytes]:
    """The wrapped keys of those of these members whom the box has."""
    rows = connection.execute(
        "SELECT member, wrapped FROM member_key WHERE member IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(list(wanted)).decode(),),
    ).fetchall()
    return {member: bytes(wrapped) for member, wrapped in rows}


def sums(connection: Executes, dataset: str, buckets: Iterable[int] = range(256)) -> dict[int, str]:
    """The state hash of each of these buckets that is not empty."""
    # In halves, because SQLite's sums end at 63 bits.
    rows = connection.execute(
        "SELECT bucket, sum(hash & 4294967295), sum((hash >> 32) & 4294967295) FROM replica_row"
        " WHERE dataset = ? AND bucket IN (SELECT value FROM json_each(?)) GROUP BY bucket",
        (dataset, msgspec.json.encode(sorted(buckets)).decode()),
    ).fetchall()
    return {number: f"{(low + (high << 32)) % 2**64:016x}" for number, low, high in rows}


def strike(connection: Executes, dataset: str) -> None:
    """Take what leaves off the books, before it leaves its table."""
    struck = connection.execute(
        "DELETE FROM replica_row WHERE dataset = ?1 AND (bucket, key) IN"
        " (SELECT bucket, key FROM stage_row WHERE dataset = ?1 AND op IN ('gone', 'bad'))",
        (dataset,),
    ).rowcount
    if struck:
        _set_deleted(connection, dataset)


def enter(connection: Executes, dataset: str, refused: Iterable[str]) -> None:
    """Put what was staged on the books; `refused` are not on the box, and may be another time."""
    connection.execute(
        "INSERT OR REPLACE INTO replica_row SELECT dataset, key, bucket, hash,"
        " CASE op WHEN 'put' THEN 1 ELSE -1 END FROM stage_row"
        " WHERE dataset = ? AND op IN ('put', 'bad', 'doubt')",
        (dataset,),
    )
    set_missing(connection, dataset, refused)


def set_missing(connection: Executes, dataset: str, keys: Iterable[str]) -> None:
    """These rows are not on the box, and may be when something else changes."""
    connection.executemany(
        "UPDATE replica_row SET taken = 0 WHERE dataset = ? AND bucket = ? AND key = ?",
        [(dataset, bucket_of(key), key) for key in keys],
    )


def reconsider(connection: Executes, dataset: str) -> None:
    """What could not be used may be usable now."""
    sql = "UPDATE replica_row SET taken = 0 WHERE dataset = ? AND taken < 0"
    connection.execute(sql, (dataset,))


def set_face_model(connection: Executes, model: str) -> bool:
    """Note down of which model templates are taken; whether that is another one than before."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'face_model'").fetchone()
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('face_model', ?)", (model,))
    return row is None or row[0] != model


def set_broken(connection: Executes, dataset: str, buckets: Iterable[int]) -> None:
    """These buckets are to be asked for."""
    connection.executemany(
        "INSERT OR IGNORE INTO replica_broken VALUES (?, ?)",
        [(dataset, number) for number in buckets],
    )


def set_whole(connection: Executes, dataset: str, bucket: int | None = None) -> None:
    """This bucket, or all of the dataset's, need not be asked for any more."""
    connection.execute(
        "DELETE FROM replica_broken WHERE dataset = ?1 AND (?2 IS NULL OR bucket = ?2)",
        (dataset, bucket),
    )


def broken(connection: Executes, dataset: str, limit: int) -> tuple[int, ...]:
    """At most `limit` buckets that are to be asked for."""
    rows = connection.execute(
        "SELECT bucket FROM replica_broken WHERE dataset = ? ORDER BY bucket LIMIT ?",
        (dataset, limit),
    ).fetchall()
    return tuple(number for (number,) in rows)


def missing(connection: Executes, dataset: str) -> set[int]:
    """The buckets with rows that are not on the box and could be when something else changes."""
    rows = connection.execute(
        "SELECT DISTINCT bucket FROM replica_row WHERE dataset = ? AND taken = 0", (dataset,)
    ).fetchall()
    return {number for (number,) in rows}


def _set_deleted(connection: Executes, dataset: str) -> None:
    """A key says whose row it was, and which receipt: no byte of one that left may stay."""
    if dataset not in OF_NOBODY:
        erased.set_deleted(connection)


def _signed(value: int) -> int:
    return value - 2 * _SIGNED if value >= _SIGNED else value
