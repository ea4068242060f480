"""Who may be matched how. Every way that a member, a template or a withdrawal takes onto the box
goes through here, and so does every reading of templates for matching.

Called by the replica (what arrives) and by the presence desk (what is matched). The functions run
inside a caller's transaction; the schema enforces the same rule once more from below.
"""

from collections.abc import Sequence

from edge import erasure
from edge.errors import ConsentMissing
from edge.records import ConsentKind, Member, Moment
from edge.storage import members, staging
from edge.storage.database import Transaction
from edge.storage.members import Template
from edge.storage.outbox import Executes
from edge.storage.staging import Op
from edge.storage.vault import Vault


def accept_member(tx: Transaction, member: Member) -> None:
    """Write a member. Without consent to the programme there is no profile on the box at all."""
    if not member.agreed(ConsentKind.PROGRAMME):
        raise ConsentMissing(
            f"Member {member.id} has not agreed to the programme.",
            "The platform must not send this profile; it was not stored.",
        )
    members.put(tx, tx.vault, member)


def accept_template(tx: Transaction, template: Template) -> None:
    """Write a face template. ConsentMissing without the member's consent to face recognition."""
    member = members.get(tx, tx.vault, template.member)
    if member is None or not member.agreed(ConsentKind.FACE):
        raise ConsentMissing(
            f"Member {template.member} has not agreed to face recognition.",
            "The platform must not send this template; it was not stored.",
        )
    members.put_template(tx, tx.vault, template)


def swap_members(tx: Transaction, gone: Sequence[str], moment: Moment) -> list[str]:
    """These members leave, those that are staged come in; those who could not.

    Who leaves goes first, so that their card is free again. A row was staged only if its member
    agreed to the programme; whom the platform lists in one that cannot be used is doubted.
    """
    for member in gone:
        forget_member(tx, member, moment)
    refused = members.swap(tx)
    for member in (*refused, *staging.keys(tx, "members", Op.DOUBT)):
        doubt_member(tx, member)
    return refused


def swap_templates(tx: Transaction, gone: Sequence[tuple[str, str]]) -> list[str]:
    """These (member, model) leave, those that are staged come in; the keys of those that may not:
    their member has not agreed to face recognition.
    """
    for member, model in gone:
        members.drop_template(tx, member, model)
    return members.swap_templates(tx, ConsentKind.FACE)


def doubt_member(tx: Transaction, member: str) -> None:
    """The platform still lists the member, but in a row that cannot be used.

    Their profile stays as it is, and every consent beyond the programme counts as withdrawn until
    a legible row gives it again: an unreadable withdrawal must not be overheard.
    """
    members.drop_consents(tx, member, but=ConsentKind.PROGRAMME)


def withdraw(tx: Transaction, member: str, kind: ConsentKind, moment: Moment) -> None:
    """The member takes one agreement back: what rested on it goes, with the programme all does."""
    if kind is ConsentKind.PROGRAMME:
        forget_member(tx, member, moment)
    else:
        tx.execute("DELETE FROM consent WHERE member = ? AND kind = ?", (member, kind))


def forget_member(tx: Transaction, member: str, moment: Moment) -> bool:
    """Erase a profile with key, templates and consents, and say so upstream. False if unknown."""
    return erasure.forget(tx, member, moment)


def matchable(connection: Executes, vault: Vault, model: str) -> list[Template]:
    """Templates that may be matched now: their member has agreed to face recognition."""
    agreed = _agreed(connection, ConsentKind.FACE)
    return [t for t in members.templates(connection, vault, model) if t.member in agreed]


def _agreed(connection: Executes, kind: ConsentKind) -> frozenset[str]:
    rows = connection.execute("SELECT member FROM consent WHERE kind = ?", (kind,)).fetchall()
    return frozenset(row[0] for row in rows)
