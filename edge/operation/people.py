"""What may be asked about one member, and done for them: all that is held, and a withdrawal.

Questions of the control socket, for `storebox members`; what is only read is also read from the
files of a dead daemon. Nothing is decided here: `edge/consent.py` does.
"""

from typing import Annotated

from msgspec import Meta, Struct

from edge.consent import Said
from edge.control import Question, question
from edge.errors import Refused
from edge.presence.withdrawals import Withdrawals
from edge.records import ConsentKind, Short
from edge.storage import holdings
from edge.storage.database import Database
from edge.storage.holdings import Everything
from edge.storage.outbox import Executes
from edge.storage.vault import Vault

ROWS_SHOWN_MAX = 200
"""Of each kind of thing on a screen; the export has them all."""
CHANNEL = "staff"


class Gone(Struct, frozen=True):
    """What went with a withdrawal, in rows of each kind."""

    member: str
    kind: ConsentKind
    rows: dict[str, int]


def held(connection: Executes, vault: Vault, member: str, *, whole: bool = False) -> Everything:
    """All that the box keeps on `member`; to be shown, or `whole`. Refused if it knows no such."""
    limit = None if whole else ROWS_SHOWN_MAX
    found = holdings.everything(connection, vault, member, whole=whole, limit=limit)
    if found is None:
        raise Refused(
            f"This box knows no member '{member}'.",
            "`storebox members list` shows who it knows.",
        )
    return found


class _One(Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class _Withdrawal(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    kind: ConsentKind
    by: Annotated[Short, Meta(min_length=1)]


def questions(database: Database, withdrawals: Withdrawals) -> dict[str, Question]:
    """`member.held` and `member.withdraw`."""

    async def withdraw(asked: _Withdrawal) -> Gone:
        rows = await withdrawals.withdraw(asked.id, asked.kind, Said(CHANNEL, asked.by))
        if rows is None:
            raise Refused(
                f"Member '{asked.id}' has no consent of the kind '{asked.kind}' here.",
                f"`storebox members show {asked.id}` shows what they agreed to.",
            )
        return Gone(asked.id, asked.kind, rows)

    return {
        "member.held": question(_One, lambda one: held(database.reading, database.vault, one.id)),
        "member.withdraw": question(_Withdrawal, withdraw),
    }
