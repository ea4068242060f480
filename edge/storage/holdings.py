"""Everything that the box keeps on one person, table by table, opened: what they may see and take.

Read by `storebox members show --everything` and `--export`. It is one list, `HOLDINGS`; a test
requires that each table with a member in it stands in it. Nothing is written here, and nobody but
the member is named. Face vectors are read only for an export, which is the copy that they may ask
for (GDPR art. 15(3): derived data, too); what is shown says how many photos a template is made of.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from edge.storage import bindings, consent_log, members, templates
from edge.storage.outbox import Executes
from edge.storage.vault import Vault, unseal

Row = dict[str, Any]
_STAGED = (
    ("stage_member", "id"),
    ("stage_consent", "member"),
    ("stage_login", "member"),
    ("stage_template", "member"),
    ("stage_document", "member"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whom, and by which key their fields open. `whole`: with vectors and marks."""

    connection: Executes
    vault: Vault
    member: str
    key: bytes
    whole: bool = False

    def rows(self, names: str, sql: str, parameters: Sequence[Any] | None = None) -> list[Row]:
        """What `sql` finds of the member, under these names."""
        found = self.connection.execute(
            sql, (self.member,) if parameters is None else parameters
        ).fetchall()
        return [dict(zip(names.split(), row, strict=True)) for row in found]


@dataclass(frozen=True, slots=True)
class Holding:
    """One kind of thing: what it is called, in which tables it lies, and how it is read."""

    name: str
    tables: tuple[str, ...]
    look: Callable[[Asked], list[Row]]


class Held(Struct, frozen=True):
    """What there is of one kind. `left_out`: so many more rows than were asked for."""

    name: str
    rows: tuple[Row, ...]
    left_out: int = 0


class Everything(Struct, frozen=True):
    """All that the box keeps on `member`."""

    member: str
    held: tuple[Held, ...]


def everything(
    connection: Executes,
    vault: Vault,
    member: str,
    *,
    whole: bool = False,
    limit: int | None = None,
) -> Everything | None:
    """All of it, by `HOLDINGS`, at most `limit` rows of each; None if they are unknown here."""
    key = members.key(connection, vault, member)
    if key is None:
        return None
    asked = Asked(connection, vault, member, key, whole)
    held = []
    for holding in HOLDINGS:
        rows = holding.look(asked)
        shown = rows[:limit]
        held.append(Held(holding.name, tuple(shown), len(rows) - len(shown)))
    return Everything(member, tuple(held))


def _profile(asked: Asked) -> list[Row]:
    member = members.get(asked.connection, asked.vault, asked.member)
    assert member is not None, "there is a key, so that there is a member"
    return [
        {
            "id": member.id,
            "name": member.name,
            "card": member.card,
            "tier": member.tier,
            "segment": member.segment,
        }
    ]


def _consents(asked: Asked) -> list[Row]:
    return _plain(members.consents(asked.connection, asked.member))


def _consent_log(asked: Asked) -> list[Row]:
    return _plain(consent_log.of(asked.connection, asked.vault, asked.member))


def _words(asked: Asked) -> list[Row]:
    return asked.rows(
        "kind given_ms until_ms withdrawn_ms",
        "SELECT kind, given_ms, until_ms, withdrawn_ms FROM consent_word WHERE member = ?",
    )


def _templates(asked: Asked) -> list[Row]:
    found = asked.rows(
        "model photos created_ms source extended",
        "SELECT t.model, m.photos, t.created_ms, t.source, t.extended FROM template AS t"
        " LEFT JOIN face_mean AS m USING (member, model) WHERE t.member = ?",
    )
    if asked.whole:
        for row in found:
            row["vectors_float32"] = _vectors(asked, row["model"])
    return found


def _vectors(asked: Asked, model: str) -> str:
    opened = templates.one(asked.connection, asked.vault, asked.member, model)
    if opened is None:
        return ""
    vectors = bytearray(opened.vectors) if isinstance(opened.vectors, bytes) else opened.vectors
    text = base64.b64encode(vectors).decode()
    vectors[:] = bytes(len(vectors))
    return text


def _mistaken(asked: Asked) -> list[Row]:
    sql = "SELECT kind, until_ms FROM mistaken WHERE member = ? ORDER BY kind"
    return asked.rows("kind until_ms", sql)


def _logins(asked: Asked) -> list[Row]:
    """What was typed is kept nowhere; there is a keyed mark of each."""
    found = asked.rows("keyed_mark", "SELECT hex(mark) FROM login WHERE member = ?")
    return found if asked.whole else [{"keyed_mark": "of one login"} for _ in found]


def _bindings(asked: Asked) -> list[Row]:
    rows = asked.connection.execute(
        "SELECT address_sealed, until_ms FROM binding WHERE member = ?", (asked.member,)
    ).fetchall()
    opened = [
        unseal(asked.key, bytes(sealed), member=asked.member, field=bindings.FIELD)
        for sealed, _ in rows
    ]
    return [
        {"address": address.hex(":"), "until_ms": until_ms}
        for address, (_, until_ms) in zip(opened, rows, strict=True)
    ]


def _documents(asked: Asked) -> list[Row]:
    rows = asked.connection.execute(
        "SELECT dataset, key, body FROM document WHERE member = ? ORDER BY dataset, key",
        (asked.member,),
    ).fetchall()
    return [
        {
            "dataset": dataset,
            "key": key,
            "content": msgspec.json.decode(
                unseal(asked.key, bytes(body), member=asked.member, field=f"{dataset}:{key}")
            ),
        }
        for dataset, key, body in rows
    ]


def _answers(asked: Asked) -> list[Row]:
    found = asked.rows(
        "service subject wall_ms content",
        "SELECT service, subject, wall_ms, value FROM answered WHERE member = ?",
    )
    return _opened(found, "content")


def _carts(asked: Asked) -> list[Row]:
    found = asked.rows(
        "as_of_ms screen lines", "SELECT as_of_ms, screen, lines FROM cart_taken WHERE member = ?"
    )
    return _opened(found, "lines")


def _visits(asked: Asked) -> list[Row]:
    found = asked.rows(
        "id state stage opened last_seen sensor posterior reasons",
        "SELECT id, state, stage, json_extract(opened, '$[0]'), last_ms, sensor, posterior, reasons"
        " FROM visit WHERE member = ? ORDER BY last_ms",
    )
    for row in found:
        row["opened_ms"], row["last_seen_ms"] = row.pop("opened"), row.pop("last_seen")
    return _opened(found, "reasons")


def _signs(asked: Asked) -> list[Row]:
    return asked.rows(
        "visit kind llr strength reason seen_ms",
        "SELECT visit, kind, llr, strength, reason, json_extract(seen, '$[0]') FROM visit_sign"
        " WHERE member = ? ORDER BY visit, source",
    )


def _steps(asked: Asked) -> list[Row]:
    """Of their visits all, and of others' those that name them."""
    return asked.rows(
        "visit number at_ms what sensor text",
        "SELECT visit, number, json_extract(at, '$[0]'), what, sensor, text FROM visit_step"
        " WHERE member = ?1 OR (member IS NULL AND visit IN"
        " (SELECT id FROM visit WHERE member = ?1)) ORDER BY visit, number",
    )


def _orders(asked: Asked) -> list[Row]:
    found = asked.rows(
        "number screen lines total_minor currency placed_ms",
        "SELECT number, screen, lines, total_minor, currency, json_extract(placed, '$[0]')"
        " FROM placed_order WHERE member = ? ORDER BY number",
    )
    return _opened(found, "lines")


def _waiting(asked: Asked) -> list[Row]:
    found = asked.rows(
        "stream seq type wall_ms body",
        "SELECT stream, seq, type, wall_ms, body FROM outbox WHERE member = ? ORDER BY stream, seq",
    )
    return _opened(found, "body")


def _staged(asked: Asked) -> list[Row]:
    """What the platform sent and is not in force yet: it is sealed, and replaces the above."""
    counted = [
        (
            table,
            asked.connection.execute(
                f"SELECT count(*) FROM {table} WHERE {column} = ?",  # noqa: S608 - constants
                (asked.member,),
            ).fetchone()[0],
        )
        for table, column in _STAGED
    ]
    return [{"table": table, "rows": count} for table, count in counted if count]


def _plain(records: Iterable[Any]) -> list[Row]:
    found: list[Row] = msgspec.to_builtins(list(records))
    return found


def _opened(rows: list[Row], column: str) -> list[Row]:
    for row in rows:
        row[column] = msgspec.json.decode(row[column])
    return rows


HOLDINGS = (
    Holding("profile", ("member", "member_key"), _profile),
    Holding("consents", ("consent",), _consents),
    Holding("consent log", ("consent_log",), _consent_log),
    Holding("said on this box", ("consent_word",), _words),
    Holding("face templates", ("template", "face_mean"), _templates),
    Holding("face or phone mistaken for another's", ("mistaken",), _mistaken),
    Holding("Wi-Fi logins", ("login",), _logins),
    Holding("phones on the Wi-Fi", ("binding",), _bindings),
    Holding("documents of the platform", ("document",), _documents),
    Holding("answers of the platform", ("answered",), _answers),
    Holding("carts continued here", ("cart_taken",), _carts),
    Holding("visits", ("visit",), _visits),
    Holding("signs of open visits", ("visit_sign",), _signs),
    Holding("steps of visits", ("visit_step",), _steps),
    Holding("orders", ("placed_order",), _orders),
    Holding("events that wait for the platform", ("outbox",), _waiting),
    Holding("not yet in force", tuple(table for table, _ in _STAGED), _staged),
)
"""Each kind of thing that speaks of a member. Whoever adds a table with a member adds it here."""
