"""What recent visits say together: whose they were, how sure, and how often staff put one right.

Read by the presence desk for its prior and by the command line for its rates. Nothing is written.
"""

from typing import Any

from msgspec import Struct

from edge.storage.outbox import Executes
from edge.visiting import REASON_BEGINS, SignKind

RECENT_MAX = 20_000
"""So many visits are read at most, the newest: weeks of a shop, and days of a very busy one."""

TALLIED_MAX = 50_000


def recent(connection: Executes, since_ms: int) -> list[tuple[str | None, int]]:
    """The visits that ended since then, newest first: whose (None: nobody known) and when last seen
    (Unix ms).

    One that was only suggested is not told: it is no stranger's, and not surely a member's. Nor is
    an open one, which must not be a reason for itself.
    """
    rows = connection.execute(
        "SELECT member, last_ms FROM visit WHERE last_ms >= ? AND stage = 'left'"
        " AND counted = 1 AND state <> 'suggested' ORDER BY last_ms DESC LIMIT ?",
        (since_ms, RECENT_MAX),
    ).fetchall()
    return [(member, last_ms) for member, last_ms in rows]


class Tally(Struct, frozen=True):
    """Visits of one kind: how many, the sum of 1 - posterior over them, and how many others staff
    said were not whom the box had taken them for.
    """

    visits: int
    doubt: float
    corrected: int


class Tallies(Struct, frozen=True):
    """Of the recent visits: those identified, those only suggested, those identified by a face
    among other signs, and how many were anybody's in the end.
    """

    identified: Tally
    suggested: Tally
    by_face: Tally
    anonymous: int


def tallies(connection: Executes, since_ms: int) -> Tallies:
    """What became of the visits since then, of TALLIED_MAX at most, the newest.

    A visit that staff corrected (a step "corrected" of a member) counts where it had stood until
    then: identified as that member, or only suggested. Of who withdrew nothing is left to count.
    """
    sums = {(by, state): (n, doubt) for by, state, n, doubt in _rows(connection, _STOOD, since_ms)}
    wrong = {(by, state): n for by, state, n in _rows(connection, _CORRECTED, since_ms)}

    def tally(state: str, *by: int) -> Tally:
        counts = [sums.get((each, state), (0, 0.0)) for each in by]
        corrected = sum(wrong.get((each, state), 0) for each in by)
        return Tally(sum(n for n, _ in counts), sum(doubt for _, doubt in counts), corrected)

    anonymous, _ = sums.get((0, "anonymous"), (0, 0.0))
    known, guessed = tally("identified", 0, 1), tally("suggested", 0, 1)
    return Tallies(known, guessed, tally("identified", 1), anonymous)


def _rows(connection: Executes, sql: str, since_ms: int) -> list[tuple[Any, ...]]:
    asked = {"since_ms": since_ms, "most": TALLIED_MAX, "face": f"{REASON_BEGINS[SignKind.FACE]}%"}
    return list(connection.execute(sql, asked).fetchall())


_RECENT = (
    "WITH recent AS (SELECT id, state, posterior, reasons FROM visit WHERE last_ms >= :since_ms"
    " AND counted = 1 ORDER BY last_ms DESC LIMIT :most)"
)
_STOOD = (
    f"{_RECENT} SELECT EXISTS (SELECT 1 FROM json_each(reasons) WHERE value LIKE :face) AS by_face,"  # noqa: S608 - constants
    " state, count(*), sum(1 - posterior) FROM recent GROUP BY by_face, state"
)
_CORRECTED = (
    f"{_RECENT} SELECT wrong.sign IS 'face' AS by_face, CASE WHEN EXISTS (SELECT 1 FROM visit_step"  # noqa: S608 - constants
    " AS said WHERE said.visit = wrong.visit AND said.number < wrong.number AND said.what ="
    " 'identified' AND said.member = wrong.member) THEN 'identified' ELSE 'suggested' END AS stood,"
    " count(*) FROM recent JOIN visit_step AS wrong ON wrong.visit = recent.id"
    " WHERE wrong.what = 'corrected' GROUP BY by_face, stood"
)
