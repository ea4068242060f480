"""Rows of members, their consents, keys and logins. Names are sealed with the member's own key; the
schema itself ties a face template (`templates.py`) to the consent to face recognition, and a login
(of which only a keyed hash is kept) to that to Wi-Fi recognition.

Called inside transactions by `edge/consent.py`, and for reading by the desks and the command line.
It decides nothing: who may be written or read is decided in `edge/consent.py`.
"""

from collections.abc import Iterator, Sequence

import msgspec

from edge.records import Consent, ConsentKind, Member, Moment
from edge.storage import consent_log, consent_words, staging
from edge.storage.outbox import Executes
from edge.storage.vault import Vault, seal, unseal


def put(connection: Executes, vault: Vault, member: Member) -> None:
    """Write the member as the platform sent it. Consents that are gone take what hung on them."""
    own, wrapped = key(connection, vault, member.id), None
    if own is None:
        own, wrapped = vault.new_member_key(member.id)
    name = seal(own, member.name.encode(), member=member.id, field="name")
    connection.execute(
        "INSERT INTO member VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET card ="
        " excluded.card, name_sealed = excluded.name_sealed, tier = excluded.tier,"
        " segment = excluded.segment",
        (member.id, member.card, name, member.tier, member.segment),
    )
    if wrapped is not None:
        connection.execute("INSERT INTO member_key VALUES (?, ?)", (member.id, wrapped))
    _put_consents(connection, member)
    connection.execute("DELETE FROM login WHERE member = ?", (member.id,))
    connection.executemany(
        "INSERT INTO login (member, mark) VALUES (?, ?)", login_cells(vault, member)
    )


def _put_consents(connection: Executes, member: Member) -> None:
    kept = [consent.kind.value for consent in member.consents]
    marks = ", ".join("?" * len(kept))
    connection.execute(
        f"DELETE FROM consent WHERE member = ? AND kind NOT IN ({marks})",  # noqa: S608 - marks only
        (member.id, *kept),
    )
    for consent in member.consents:
        put_consent(connection, member.id, consent)


def cells(vault: Vault, member: Member, wrapped: bytes | None) -> tuple[object, ...]:
    """A member as a row to be staged: sealed with their key, which is made if `wrapped` is None."""
    new = None
    if wrapped is None:
        key, new = vault.new_member_key(member.id)
    else:
        key = vault.member_key(member.id, wrapped)
    name = seal(key, member.name.encode(), member=member.id, field="name")
    return member.id, member.card, name, member.tier, member.segment, new


def consent_cells(member: Member) -> list[tuple[object, ...]]:
    """The consents of a member as rows."""
    return [
        (member.id, c.kind, c.given_ms, c.text_version, c.channel, c.witness)
        for c in member.consents
    ]


def login_cells(vault: Vault, member: Member) -> list[tuple[object, ...]]:
    """What finds the member by what they log in with, as rows; none without their consent."""
    if not member.agreed(ConsentKind.WIFI):
        return []
    marks = {vault.login_mark(login) for login in member.logins if login.strip()}
    return [(member.id, mark) for mark in sorted(marks)]


def swap(connection: Executes, now: Moment) -> list[str]:
    """Take over the members that are staged; those who could not be, because of a card or a key.
    Consents that end with it are noted (`consent_log`).

    A card that changes hands is free first. In its place stands what no scanner reads and nobody
    can guess, until its member's own row is written.
    """
    connection.execute(
        "DELETE FROM stage_member"
        " WHERE (wrapped IS NULL) <> (id IN (SELECT member FROM member_key))"
    )
    connection.execute(
        "UPDATE member SET card = 'freed:' || hex(randomblob(16)) FROM stage_member AS s"
        " WHERE s.id = member.id AND s.card <> member.card"
    )
    connection.execute(
        "UPDATE OR IGNORE member SET card = s.card, name_sealed = s.name_sealed, tier = s.tier,"
        " segment = s.segment FROM stage_member AS s WHERE s.id = member.id"
    )
    connection.execute(
        "INSERT OR IGNORE INTO member SELECT id, card, name_sealed, tier, segment"
        " FROM stage_member WHERE wrapped IS NOT NULL ORDER BY id"
    )
    refused = [*_not_taken(connection)]
    _unstage(connection, refused)
    connection.execute(
        "INSERT INTO member_key SELECT id, wrapped FROM stage_member"
        " WHERE wrapped IS NOT NULL ORDER BY id"
    )
    consent_log.note_staged(connection, now)
    _swap_consents(connection)
    return refused


def losing(connection: Executes) -> list[str]:
    """Members who are staged without a consent that they have now."""
    rows = connection.execute(
        "SELECT DISTINCT member FROM consent"  # noqa: S608 - a constant
        " WHERE member IN (SELECT id FROM stage_member WHERE wrapped IS NULL)"
        " AND (member, kind) NOT IN (SELECT member, kind FROM stage_consent)"
        f" AND (member, kind) NOT IN ({consent_words.PROTECTED})"
    ).fetchall()
    return [member for (member,) in rows]


def _not_taken(connection: Executes) -> Iterator[str]:
    """Members who are staged and do not stand as they are staged. What is compared comes in order,
    so that neighbours stand on the same page; LIMIT keeps SQLite to it.
    """
    for other in (
        "SELECT key FROM stage_row WHERE dataset = 'members' AND op = 'put'"
        " EXCEPT SELECT id FROM stage_member",
        "SELECT id FROM"
        " (SELECT id, card, name_sealed FROM stage_member ORDER BY id LIMIT -1) AS s"
        " WHERE NOT EXISTS (SELECT 1 FROM member AS m WHERE m.id = s.id AND m.card = s.card"
        " AND m.name_sealed = s.name_sealed)",
    ):
        for (member,) in connection.execute(other).fetchall():
            yield member


def _unstage(connection: Executes, members: Sequence[str]) -> None:
    if not members:
        return
    names = (msgspec.json.encode(members).decode(),)
    for table, column in (("member", "id"), ("consent", "member"), ("login", "member")):
        connection.execute(
            f"DELETE FROM stage_{table} WHERE {column} IN (SELECT value FROM json_each(?))",  # noqa: S608
            names,
        )


def _swap_consents(connection: Executes) -> None:
    """Consents that are gone take what hung on them; then come the logins that hang on them."""
    connection.execute(
        "DELETE FROM consent"  # noqa: S608 - a constant
        " WHERE member IN (SELECT id FROM stage_member WHERE wrapped IS NULL)"
        " AND (member, kind) NOT IN (SELECT member, kind FROM stage_consent)"
        f" AND (member, kind) NOT IN ({consent_words.PROTECTED})"
    )
    connection.execute(
        "INSERT INTO consent SELECT * FROM stage_consent WHERE true ORDER BY member, kind"
        " ON CONFLICT (member, kind) DO UPDATE SET given_ms = excluded.given_ms, text_version ="
        " excluded.text_version, channel = excluded.channel, witness = excluded.witness"
    )
    connection.execute(
        "DELETE FROM login WHERE member IN (SELECT id FROM stage_member)"
        " AND (member, mark) NOT IN (SELECT member, mark FROM stage_login)"
    )
    connection.execute(
        "INSERT OR IGNORE INTO login (member, mark) SELECT member, mark FROM stage_login"
        " ORDER BY mark, member"
    )


def put_consent(connection: Executes, member: str, given: Consent) -> None:
    """Write one consent, in the place of an earlier one to the same."""
    connection.execute(
        "INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (member, kind) DO UPDATE SET"
        " given_ms = excluded.given_ms, text_version = excluded.text_version,"
        " channel = excluded.channel, witness = excluded.witness",
        (member, given.kind, given.given_ms, given.text_version, given.channel, given.witness),
    )


def given_ms(connection: Executes, member: str, kind: ConsentKind) -> int | None:
    """When the member agreed to this kind; None if they do not."""
    row = connection.execute(
        "SELECT given_ms FROM consent WHERE member = ? AND kind = ?", (member, kind)
    ).fetchone()
    return int(row[0]) if row else None


def drop_consents(connection: Executes, member: str, *, but: ConsentKind) -> None:
    """Withdraw every consent except one kind; templates go with theirs."""
    connection.execute("DELETE FROM consent WHERE member = ? AND kind <> ?", (member, but))


def erase(connection: Executes, member: str) -> bool:
    """Remove the member and everything that hangs on them, their key first. False if unknown.

    What is staged of them goes, too: erasure does not wait for a snapshot.
    """
    staging.forget(connection, member)
    connection.execute("DELETE FROM member_key WHERE member = ?", (member,))
    known = bool(connection.execute("DELETE FROM member WHERE id = ?", (member,)).rowcount)
    staging.settle_lost(connection)
    return known


def get(connection: Executes, vault: Vault, member: str) -> Member | None:
    """One member by id."""
    return next(_select(connection, vault, "WHERE id = ?", (member,)), None)


def by_card(connection: Executes, vault: Vault, card: str) -> Member | None:
    """One member by card number."""
    return next(_select(connection, vault, "WHERE card = ?", (card,)), None)


def with_login(connection: Executes, vault: Vault, login: str) -> list[str]:
    """Who logs in to the shop's Wi-Fi with this; ids, at most two of them."""
    rows = connection.execute(
        "SELECT member FROM login WHERE mark = ? ORDER BY member LIMIT 2",
        (vault.login_mark(login),),
    ).fetchall()
    return [member for (member,) in rows]


def everybody(connection: Executes, vault: Vault) -> Iterator[Member]:
    """All members, by id."""
    return _select(connection, vault, "ORDER BY id", ())


def page(connection: Executes, vault: Vault, after: str, limit: int) -> Iterator[Member]:
    """At most `limit` members by id, beginning behind the id `after`."""
    return _select(connection, vault, "WHERE id > ? ORDER BY id LIMIT ?", (after, limit))


def exists(connection: Executes, member: str) -> bool:
    """Whether this box knows the member."""
    row = connection.execute("SELECT 1 FROM member WHERE id = ?", (member,)).fetchone()
    return row is not None


def count(connection: Executes) -> int:
    """How many members the box knows."""
    return int(connection.execute("SELECT count(*) FROM member").fetchone()[0])


def _select(
    connection: Executes, vault: Vault, where: str, parameters: tuple[str | int, ...]
) -> Iterator[Member]:
    rows = connection.execute(
        "SELECT id, card, name_sealed, tier, segment, wrapped FROM member"  # noqa: S608 - constants
        f" JOIN member_key ON member_key.member = member.id {where}",
        parameters,
    ).fetchall()
    for id_, card, sealed, tier, segment, wrapped in rows:
        key = vault.member_key(id_, wrapped)
        name = unseal(key, sealed, member=id_, field="name").decode()
        yield Member(id_, name, card, tier, segment, consents(connection, id_))


def consents(connection: Executes, member: str) -> tuple[Consent, ...]:
    """What the member agrees to now, by kind."""
    rows = connection.execute(
        "SELECT kind, given_ms, text_version, channel, witness FROM consent"
        " WHERE member = ? ORDER BY kind",
        (member,),
    ).fetchall()
    return tuple(Consent(ConsentKind(row[0]), *row[1:]) for row in rows)


def key(connection: Executes, vault: Vault, member: str) -> bytes | None:
    """The member's own key; None if the box does not know them."""
    row = connection.execute(
        "SELECT wrapped FROM member_key WHERE member = ?", (member,)
    ).fetchone()
    return vault.member_key(member, row[0]) if row else None
