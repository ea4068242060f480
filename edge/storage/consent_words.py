"""What members agreed to or took back on this box itself, and how long that holds against rows of
the platform, which may have been made before it heard of it.

Called by `edge/consent.py` inside its transactions. A consent given here outlives rows that lack
it until one of the platform's has it, or `PROTECTED_MS` have passed; a withdrawal here outlives
rows that still have what was taken back, for ever. Consents are told apart by when they were given,
so that no two clocks are compared.
"""

from msgspec import Struct

from edge.records import Consent, ConsentKind, Moment
from edge.storage.outbox import Executes

PROTECTED_MS = 72 * 3600 * 1000
"""So long a consent given here may wait for the platform to know it, as long as the lease."""
PROTECTED = "SELECT member, kind FROM consent_word WHERE given_ms IS NOT NULL"
"""Consents that a row without them does not take away."""


class Said(Struct, frozen=True):
    """What holds of one kind: a consent of `given_ms` was given here, all up to `withdrawn_ms` were
    taken back; None where nothing was.
    """

    given_ms: int | None
    withdrawn_ms: int | None

    def ends(self, given_ms: int) -> bool:
        """Whether a row's consent of `given_ms` was taken back."""
        return self.withdrawn_ms is not None and given_ms <= self.withdrawn_ms

    def outlives(self, given_ms: int | None) -> bool:
        """Whether the consent given here holds, though a row has an older one or none."""
        return self.given_ms is not None and (given_ms is None or given_ms < self.given_ms)


def set_given(tx: Executes, member: str, kind: ConsentKind, *, given_ms: int, now: Moment) -> None:
    """`member` agreed here, later than what they took back."""
    until_ms = now.wall_ms + PROTECTED_MS if now.trusted else None
    tx.execute(
        "INSERT INTO consent_word VALUES (?, ?, ?, ?, NULL) ON CONFLICT (member, kind)"
        " DO UPDATE SET given_ms = excluded.given_ms, until_ms = excluded.until_ms",
        (member, kind, given_ms, until_ms),
    )


def set_withdrawn(tx: Executes, member: str, kind: ConsentKind, *, given_ms: int) -> None:
    """`member` took back what they agreed to at `given_ms`, and all before."""
    tx.execute(
        "INSERT INTO consent_word VALUES (?, ?, NULL, NULL, ?) ON CONFLICT (member, kind)"
        " DO UPDATE SET given_ms = NULL, until_ms = NULL,"
        " withdrawn_ms = max(ifnull(withdrawn_ms, excluded.withdrawn_ms), excluded.withdrawn_ms)",
        (member, kind, given_ms),
    )


def drop_given(tx: Executes, member: str, *, but: ConsentKind) -> None:
    """Consents given here, except to one kind, hold against nothing any more."""
    sql = "UPDATE consent_word SET given_ms = NULL, until_ms = NULL WHERE member = ? AND kind <> ?"
    tx.execute(sql, (member, but))


def leave_to_rows(tx: Executes, member: str, kind: ConsentKind) -> None:
    """From now on the platform's rows decide about a consent that was given here."""
    sql = "UPDATE consent_word SET given_ms = NULL, until_ms = NULL WHERE member = ? AND kind = ?"
    tx.execute(sql, (member, kind))


def of(connection: Executes, member: str) -> dict[ConsentKind, Said]:
    """What `member` said here, by kind."""
    rows = connection.execute(
        "SELECT kind, given_ms, withdrawn_ms FROM consent_word WHERE member = ?", (member,)
    ).fetchall()
    return {ConsentKind(row[0]): Said(*row[1:]) for row in rows}


def unfinished(connection: Executes) -> list[str]:
    """Members who agreed to faces here, and of whom no template came: the box stopped meanwhile."""
    rows = connection.execute(
        "SELECT member FROM consent_word WHERE kind = 'face' AND given_ms IS NOT NULL"
        " AND member NOT IN (SELECT member FROM template)"
    ).fetchall()
    return [member for (member,) in rows]


def unconfirmed(connection: Executes) -> list[tuple[str, ConsentKind]]:
    """Consents given here that no row of the platform's has yet: whose, and to what."""
    rows = connection.execute(f"{PROTECTED} ORDER BY member, kind").fetchall()
    return [(member, ConsentKind(kind)) for member, kind in rows]


def lapse(tx: Executes, now: Moment) -> None:
    """What was given too long ago holds no longer, if the clock can be trusted."""
    if not now.trusted:
        return
    tx.execute(
        "UPDATE consent_word SET until_ms = min(ifnull(until_ms, ?1), ?1)"
        " WHERE given_ms IS NOT NULL",
        (now.wall_ms + PROTECTED_MS,),
    )
    sql = "UPDATE consent_word SET given_ms = NULL, until_ms = NULL WHERE until_ms <= ?"
    tx.execute(sql, (now.wall_ms,))


def merged(tx: Executes, member: str, row: tuple[Consent, ...]) -> tuple[Consent, ...]:
    """A row's consents as they may be written: what was said here is put in and left out."""
    said = of(tx, member)
    if not said:
        return row
    come = {each.kind: each for each in row}
    here = {each.kind: each for each in _stored(tx, member)}
    for kind, last in said.items():
        if kind in come and last.ends(come[kind].given_ms):
            del come[kind]
        if last.outlives(come[kind].given_ms if kind in come else None):
            come |= {kind: here[kind]} if kind in here else {}
        elif kind in come:
            leave_to_rows(tx, member, kind)
    return tuple(come.values())


def settle_stage(tx: Executes) -> None:
    """The same for all members that are staged, before they come in: what was taken back here, or
    is older than what was given, leaves the stage; what is `PROTECTED` then stays as it is.
    """
    if tx.execute("SELECT 1 FROM consent_word LIMIT 1").fetchone() is None:
        return
    tx.execute(
        "DELETE FROM stage_consent WHERE EXISTS (SELECT 1 FROM consent_word AS w"
        " WHERE w.member = stage_consent.member AND w.kind = stage_consent.kind AND"
        " (w.given_ms > stage_consent.given_ms OR w.withdrawn_ms >= stage_consent.given_ms))"
    )
    tx.execute(
        "DELETE FROM stage_login WHERE member IN"
        " (SELECT member FROM consent_word WHERE kind = 'wifi' AND withdrawn_ms IS NOT NULL)"
        " AND member NOT IN (SELECT member FROM stage_consent WHERE kind = 'wifi')"
    )
    tx.execute(
        "UPDATE consent_word SET given_ms = NULL, until_ms = NULL"
        " WHERE given_ms IS NOT NULL"
        " AND (member, kind) IN (SELECT member, kind FROM stage_consent)"
    )


def _stored(tx: Executes, member: str) -> list[Consent]:
    rows = tx.execute(
        "SELECT kind, given_ms, text_version, channel, witness FROM consent WHERE member = ?",
        (member,),
    ).fetchall()
    return [Consent(ConsentKind(row[0]), *row[1:]) for row in rows]
