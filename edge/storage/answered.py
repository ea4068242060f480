"""The platform's last answers to questions that may be asked again: shown with their age when the
line is too slow or down.

Written and read by `sync/calls.py`, which decides what may be kept. An answer about a member hangs
on the member's row and goes with it; one about somebody unknown to this box is not kept at all.
"""

from msgspec import Struct

from edge.records import Moment
from edge.storage.outbox import Executes

ANSWERS_MAX = 5000
"""Answers kept: each article of a day's questions, some 2 MB; the oldest leave first."""


class Answered(Struct, frozen=True):
    """One answer: `value` is JSON; `member` of whom it speaks, if of anybody."""

    service: str
    subject: str
    member: str | None
    value: bytes
    moment: Moment


def put(connection: Executes, answer: Answered) -> None:
    """Keep an answer in place of the former one; the oldest beyond `ANSWERS_MAX` leave."""
    moment = answer.moment
    connection.execute(
        "INSERT OR REPLACE INTO answered SELECT NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"
        " WHERE ?3 IS NULL OR EXISTS (SELECT 1 FROM member WHERE id = ?3)",
        (
            answer.service,
            answer.subject,
            answer.member,
            answer.value,
            moment.wall_ms,
            moment.mono_ms,
            moment.boot,
            moment.trusted,
        ),
    )
    connection.execute(
        "DELETE FROM answered WHERE kept <= (SELECT max(kept) FROM answered) - ?", (ANSWERS_MAX,)
    )


def get(connection: Executes, service: str, subject: str) -> Answered | None:
    """The last answer about `subject`."""
    row = connection.execute(
        "SELECT member, value, wall_ms, mono_ms, boot, trusted FROM answered"
        " WHERE service = ? AND subject = ?",
        (service, subject),
    ).fetchone()
    if row is None:
        return None
    member, value, wall_ms, mono_ms, boot, trusted = row
    moment = Moment(wall_ms, mono_ms, boot, bool(trusted))
    return Answered(service, subject, member, bytes(value), moment)
