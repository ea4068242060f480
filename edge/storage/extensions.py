"""How often views were added to a template after its enrolment: twice at most, and never again.

Called by enrolment inside its transactions. The count goes with the template, and begins anew when
its member is enrolled anew.
"""

from edge.storage.outbox import Executes

EXTENSIONS_MAX = 2
"""Each view that is added makes strangers score a little higher, so it is not done for ever."""


def times(connection: Executes, member: str, model: str) -> int:
    """How often this template was extended."""
    row = connection.execute(
        "SELECT times FROM extension WHERE member = ? AND model = ?", (member, model)
    ).fetchone()
    return int(row[0]) if row else 0


def add(tx: Executes, member: str, model: str) -> None:
    """It was extended once more. The schema refuses a third time (IntegrityError)."""
    tx.execute(
        "INSERT INTO extension VALUES (?, ?, 1)"
        " ON CONFLICT (member, model) DO UPDATE SET times = times + 1",
        (member, model),
    )


def reset(tx: Executes, member: str, model: str) -> None:
    """The template was made anew."""
    tx.execute("DELETE FROM extension WHERE member = ? AND model = ?", (member, model))
