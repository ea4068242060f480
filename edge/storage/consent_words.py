"""What members agreed to or took back on this box itself, and how long that holds against rows of
the platform, which may have been made before it heard of it.

Called by `edge/consent.py` inside its transactions. A consent given here outlives rows that lack
it until one of the platform's has it, or `PROTECTED_MS` have passed; a withdrawal here outlives
rows that still have what was taken back, for ever. Consents are told apart by when they were given,
so that no two clocks are compared.
"""

from enum import StrEnum

from msgspec import Struct

from edge.records import Consent, ConsentKind, Moment
from edge.storage.outbox import Executes

PROTECTED_MS = 72 * 3600 * 1000
"""So long a consent given here may wait for the platform to know it, as long as the lease."""


class Word(StrEnum):
    """What was said last."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


class Said(Struct, frozen=True):
    """The last word about one kind: a consent of `given_ms` was given here, or taken back."""

    word: Word
    given_ms: int

    def overrules(self, given_ms: int | None) -> bool:
        """Whether it holds against a row whose consent is of `given_ms`, or that has none."""
        if self.word is Word.GIVEN:
            return given_ms is None or given_ms < self.given_ms
        return given_ms is not None and given_ms <= self.given_ms


def set_given(tx: Executes, member: str, kind: ConsentKind, *, given_ms: int, now: Moment) -> None:
    """`member` agreed here."""
    until_ms = now.wall_ms + PROTECTED_MS if now.trusted else None
    row = (member, kind, Word.GIVEN, given_ms, until_ms)
    tx.execute("INSERT OR REPLACE INTO consent_word VALUES (?, ?, ?, ?, ?)", row)


def set_withdrawn(tx: Executes, member: str, kind: ConsentKind, *, given_ms: int) -> None:
    """`member` took back what they agreed to at `given_ms`, and all before."""
    row = (member, kind, Word.WITHDRAWN, given_ms, None)
    tx.execute("INSERT OR REPLACE INTO consent_word VALUES (?, ?, ?, ?, ?)", row)


def drop_given(tx: Executes, member: str, *, but: ConsentKind) -> None:
    """Consents given here, except to one kind, hold against nothing any more."""
    sql = "DELETE FROM consent_word WHERE member = ? AND kind <> ? AND word = 'given'"
    tx.execute(sql, (member, but))


def of(connection: Executes, member: str) -> dict[ConsentKind, Said]:
    """What `member` said here, by kind."""
    rows = connection.execute(
        "SELECT kind, word, given_ms FROM consent_word WHERE member = ?", (member,)
    ).fetchall()
    return {ConsentKind(kind): Said(Word(word), given_ms) for kind, word, given_ms in rows}


def unfinished(connection: Executes) -> list[str]:
    """Members who agreed to faces here, and of whom no template came: the box stopped meanwhile."""
    rows = connection.execute(
        "SELECT member FROM consent_word WHERE kind = 'face' AND word = 'given'"
        " AND member NOT IN (SELECT member FROM template)"
    ).fetchall()
    return [member for (member,) in rows]


def lapse(tx: Executes, now: Moment) -> None:
    """What was given too long ago holds no longer, if the clock can be trusted."""
    if not now.trusted:
        return
    latest_ms = now.wall_ms + PROTECTED_MS
    tx.execute(
        "UPDATE consent_word SET until_ms = min(ifnull(until_ms, ?1), ?1) WHERE word = 'given'",
        (latest_ms,),
    )
    sql = "DELETE FROM consent_word WHERE word = 'given' AND until_ms <= ?"
    tx.execute(sql, (now.wall_ms,))


def merged(tx: Executes, member: str, row: tuple[Consent, ...]) -> tuple[Consent, ...]:
    """A row's consents as they may be written: what was said here is put in and left out."""
    said = of(tx, member)
    if not said:
        return row
    come = {each.kind: each for each in row}
    here = {each.kind: each for each in _stored(tx, member)}
    for kind, last in said.items():
        known = come.get(kind)
        if not last.overrules(known.given_ms if known else None):
            _answered(tx, member, kind)
        elif last.word is Word.WITHDRAWN:
            del come[kind]
        elif kind in here:
            come[kind] = here[kind]
    return tuple(come.values())


def settle_stage(tx: Executes) -> None:
    """The same for all members that are staged, before they come in: what was taken back here
    leaves the stage, and `losing` and the swap leave alone what `protected` gives.
    """
    if tx.execute("SELECT 1 FROM consent_word LIMIT 1").fetchone() is None:
        return
    tx.execute(
        "DELETE FROM stage_consent WHERE EXISTS (SELECT 1 FROM consent_word AS w"
        " WHERE w.member = stage_consent.member AND w.kind = stage_consent.kind AND"
        " (w.given_ms > stage_consent.given_ms"
        " OR w.word = 'withdrawn' AND w.given_ms = stage_consent.given_ms))"
    )
    tx.execute(
        "DELETE FROM stage_login WHERE member IN"
        " (SELECT member FROM consent_word WHERE kind = 'wifi' AND word = 'withdrawn')"
        " AND member NOT IN (SELECT member FROM stage_consent WHERE kind = 'wifi')"
    )
    tx.execute(
        "DELETE FROM consent_word WHERE word = 'given'"
        " AND (member, kind) IN (SELECT member, kind FROM stage_consent)"
    )


PROTECTED = "SELECT member, kind FROM consent_word WHERE word = 'given'"
"""Consents that a row without them does not take away."""


def _answered(tx: Executes, member: str, kind: ConsentKind) -> None:
    """A row of the platform's knows the consent: from now on its rows decide."""
    sql = "DELETE FROM consent_word WHERE member = ? AND kind = ? AND word = 'given'"
    tx.execute(sql, (member, kind))


def _stored(tx: Executes, member: str) -> list[Consent]:
    rows = tx.execute(
        "SELECT kind, given_ms, text_version, channel FROM consent WHERE member = ?", (member,)
    ).fetchall()
    return [Consent(ConsentKind(row[0]), *row[1:]) for row in rows]
