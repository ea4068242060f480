"""The log of consents: what was given, withdrawn, erased or refused, when, by which channel.

Written by `edge/consent.py` and `edge/erasure.py` in the transactions that make the change. What
holds stands in `consent`, with text, time, channel and witness; the log receives it at once when
it was said on the box, and of the platform's rows when it ends, so that a hundred thousand members
are not written twice. Who leaves the box leaves a keyed mark here, as in `erased`.
"""

from enum import StrEnum

from msgspec import Struct

from edge.records import Consent, ConsentKind, Moment
from edge.storage import consent_words
from edge.storage.outbox import Executes
from edge.storage.vault import Vault

REFUSED_MAX = 10_000
"""Notes of people who may not be here; a platform that sends more has a fault of its own."""
PLATFORM = "platform"
"""The channel of what came with the platform's rows and commands."""
_COLUMNS = "kind, what, said_ms, noted_ms, trusted, text_version, channel, witness"

_GIVEN = (
    f"INSERT INTO consent_log (member, {_COLUMNS})"
    " SELECT c.member, c.kind, 'given', c.given_ms, :now, :trusted, c.text_version, c.channel,"
    " c.witness"
)
_WITHDRAWN = (
    f"INSERT INTO consent_log (member, {_COLUMNS})"
    " SELECT c.member, c.kind, 'withdrawn', :now, :now, :trusted, c.text_version, :channel, ''"
)
_ENDING = (
    " FROM consent AS c WHERE c.member IN (SELECT id FROM stage_member WHERE wrapped IS NULL)"  # noqa: S608
    " AND (c.member, c.kind) NOT IN (SELECT member, kind FROM stage_consent)"
    f" AND (c.member, c.kind) NOT IN ({consent_words.PROTECTED})"
)
_REPLACED = (
    " FROM stage_consent AS s CROSS JOIN consent AS c ON c.member = s.member"
    " AND c.kind = s.kind AND c.given_ms <> s.given_ms WHERE true"
)
_NOT_YET = (
    " AND NOT EXISTS (SELECT 1 FROM consent_log AS l WHERE l.member = c.member"
    " AND l.kind = c.kind AND l.said_ms = c.given_ms AND l.what = 'given')"
)


class Said(Struct, frozen=True):
    """Who told the box of an agreement or its end: `kiosk` or `staff`, and which seller, if any."""

    channel: str
    by: str = ""


BY_PLATFORM = Said(PLATFORM)


class What(StrEnum):
    """What happened to a consent."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    ERASED = "erased"
    """It ended because the member left the box altogether."""
    REFUSED = "refused"
    """The platform sent a row of somebody who had not agreed; it was not stored."""


class Ended(Struct, frozen=True):
    """How a consent ended, and who said so."""

    what: What
    said: Said = BY_PLATFORM


class Entry(Struct, frozen=True):
    """One row. `said_ms` is when it was given or ended; `noted_ms` when the box wrote it down, by a
    clock that was `trusted` or not. `witness` is who saw it, or which seller took it.
    """

    kind: ConsentKind
    what: What
    said_ms: int
    noted_ms: int
    trusted: bool
    text_version: str = ""
    channel: str = ""
    witness: str = ""


class Total(Struct, frozen=True):
    """How often something happened to consents of one kind."""

    kind: ConsentKind
    what: What
    count: int


def note_given(connection: Executes, member: str, given: Consent, now: Moment) -> None:
    """`member` agreed; unless that is noted already."""
    _insert(connection, member, _given(given, now))


def note_ended(
    connection: Executes, member: str, given: Consent, ended: Ended, now: Moment
) -> None:
    """A consent of `member` ends now: how it was given is noted first, unless it is already."""
    note_given(connection, member, given, now)
    channel, by = ended.said.channel, ended.said.by
    times = (now.wall_ms, now.wall_ms, now.trusted)
    _insert(
        connection, member, Entry(given.kind, ended.what, *times, given.text_version, channel, by)
    )


def note_staged(connection: Executes, now: Moment) -> None:
    """Consents that the staged rows take away end, and those that they replace are noted."""
    values = {"now": now.wall_ms, "trusted": now.trusted, "channel": PLATFORM}
    for sql in (_GIVEN + _ENDING + _NOT_YET, _WITHDRAWN + _ENDING, _GIVEN + _REPLACED + _NOT_YET):
        connection.execute(sql, values)


def note_erased(connection: Executes, vault: Vault, member: str, now: Moment, *, by: Said) -> None:
    """The order to erase somebody of whom nothing is here: it is noted, and names nobody."""
    row = (vault.pseudonym(member), ConsentKind.PROGRAMME, What.ERASED, now.wall_ms, now.wall_ms)
    connection.execute(
        f"INSERT INTO consent_log (who, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, '', ?, ?)",  # noqa: S608
        (*row, now.trusted, by.channel, by.by),
    )


def note_refused(
    connection: Executes, vault: Vault, member: str, kind: ConsentKind, now: Moment
) -> None:
    """The platform sent what needs a consent of this kind, which `member` has not given: noted
    once, by a mark. Nobody is named who is not here.
    """
    row = (vault.pseudonym(member), kind, What.REFUSED, now.wall_ms, now.wall_ms, now.trusted)
    connection.execute(
        f"INSERT INTO consent_log (who, {_COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, '', ?7, ''"  # noqa: S608
        " WHERE NOT EXISTS"
        " (SELECT 1 FROM consent_log WHERE who = ?1 AND kind = ?2 AND what = 'refused')"
        " AND (SELECT count(*) FROM consent_log WHERE what = 'refused') < ?8",
        (*row, PLATFORM, REFUSED_MAX),
    )


def of(connection: Executes, vault: Vault, member: str) -> list[Entry]:
    """What is noted of `member`, in order; under their name, or under the mark of who was refused
    or had left before.
    """
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM consent_log WHERE member = ? OR who = ? ORDER BY number",  # noqa: S608
        (member, vault.pseudonym(member)),
    ).fetchall()
    return [_entry(row) for row in rows]


def held(connection: Executes) -> dict[ConsentKind, int]:
    """How many members agree to each kind now."""
    rows = connection.execute("SELECT kind, count(*) FROM consent GROUP BY kind").fetchall()
    return {ConsentKind(kind): int(count) for kind, count in rows}


def totals(connection: Executes, since_ms: int) -> list[Total]:
    """How often what was noted since then, by kind; of everybody, here or gone."""
    rows = connection.execute(
        "SELECT kind, what, count(*) FROM consent_log WHERE noted_ms >= ?"
        " GROUP BY kind, what ORDER BY kind, what",
        (since_ms,),
    ).fetchall()
    return [Total(ConsentKind(kind), What(what), count) for kind, what, count in rows]


def erasures(connection: Executes, since_ms: int, limit: int) -> list[Entry]:
    """Whoever left the box since then, newest first: one row of the programme each, no names."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM consent_log"  # noqa: S608 - constants
        " WHERE noted_ms >= ? AND what = 'erased' AND kind = 'programme'"
        " ORDER BY number DESC LIMIT ?",
        (since_ms, limit),
    ).fetchall()
    return [_entry(row) for row in rows]


def _given(given: Consent, now: Moment) -> Entry:
    return Entry(
        given.kind,
        What.GIVEN,
        given.given_ms,
        now.wall_ms,
        now.trusted,
        given.text_version,
        given.channel,
        given.witness,
    )


def _insert(connection: Executes, member: str, entry: Entry) -> None:
    """Write one row; what was given then is noted once."""
    once = (
        " WHERE NOT EXISTS (SELECT 1 FROM consent_log WHERE member = ? AND kind = ?"
        " AND said_ms = ? AND what = 'given')"
    )
    only_once = entry.what is What.GIVEN
    connection.execute(
        f"INSERT INTO consent_log (member, {_COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?"
        + (once if only_once else ""),
        (
            member,
            entry.kind,
            entry.what,
            entry.said_ms,
            entry.noted_ms,
            entry.trusted,
            entry.text_version,
            entry.channel,
            entry.witness,
            *((member, entry.kind, entry.said_ms) if only_once else ()),
        ),
    )


def _entry(row: tuple[str, str, int, int, int, str, str, str]) -> Entry:
    kind, what, said_ms, noted_ms, trusted, text_version, channel, witness = row
    return Entry(
        ConsentKind(kind),
        What(what),
        said_ms,
        noted_ms,
        bool(trusted),
        text_version,
        channel,
        witness,
    )
