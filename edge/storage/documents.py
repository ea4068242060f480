"""Rows of the datasets that have no table of their own: one JSON text each, by dataset and key.

Written by the replica; read by whoever needs them, as the types of `edge/documents.py`. A row that
names a member is sealed with the member's key and leaves with the member.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from edge.storage.outbox import Executes
from edge.storage.vault import Vault, seal, unseal

T = TypeVar("T")


def get(connection: Executes, vault: Vault, *, dataset: str, key: str, kind: type[T]) -> T | None:
    """One row, or None."""
    return next(_select(connection, vault, kind, ("AND key = ?", (dataset, key))), None)


def of_member(
    connection: Executes, vault: Vault, *, dataset: str, member: str, kind: type[T]
) -> Iterator[T]:
    """The rows of one member, by key."""
    return _select(connection, vault, kind, ("AND document.member = ?", (dataset, member)))


def everything(connection: Executes, vault: Vault, *, dataset: str, kind: type[T]) -> Iterator[T]:
    """All rows of a dataset, by key."""
    return _select(connection, vault, kind, ("", (dataset,)))


def cells(
    dataset: str, key: str, text: bytes, owner: tuple[str, bytes] | None
) -> tuple[object, ...]:
    """A document as a row. `owner` is the member it speaks of with their key; it is sealed then."""
    if owner is None:
        return dataset, key, None, text
    member, member_key = owner
    return dataset, key, member, seal(member_key, text, member=member, field=f"{dataset}:{key}")


def swap(connection: Executes, dataset: str, gone: Sequence[str]) -> list[str]:
    """Drop these keys and take over what is staged; the keys whose member the box does not have."""
    connection.executemany(
        "DELETE FROM document WHERE dataset = ? AND key = ?",
        # A statement keeps in memory what it was given last.
        [(dataset, key) for key in (*gone, "")],
    )
    connection.execute(
        "INSERT OR REPLACE INTO document SELECT * FROM stage_document WHERE dataset = ?"
        " AND (member IS NULL OR member IN (SELECT member FROM member_key)) ORDER BY key",
        (dataset,),
    )
    rows = connection.execute(
        # In order, so that neighbours stand on the same page; LIMIT keeps SQLite to it.
        "SELECT key FROM (SELECT key FROM stage_row WHERE dataset = ?1 AND op = 'put'"
        " ORDER BY key LIMIT -1)"
        " WHERE key NOT IN (SELECT key FROM document WHERE dataset = ?1)",
        (dataset,),
    ).fetchall()
    return [key for (key,) in rows]


def _select(
    connection: Executes, vault: Vault, kind: type[T], where: tuple[str, tuple[str, ...]]
) -> Iterator[T]:
    condition, parameters = where
    rows = connection.execute(
        "SELECT dataset, key, document.member, body, wrapped FROM document"  # noqa: S608
        " LEFT JOIN member_key ON member_key.member = document.member"
        f" WHERE dataset = ? {condition} ORDER BY key",
        parameters,
    ).fetchall()
    for dataset, key, member, body, wrapped in rows:
        text = bytes(body)
        if member is not None:
            member_key = vault.member_key(member, wrapped)
            text = unseal(member_key, text, member=member, field=f"{dataset}:{key}")
        yield msgspec.json.decode(text, type=kind)
