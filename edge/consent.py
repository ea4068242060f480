"""Who may be matched how. Every way that a member, a template, a binding or a withdrawal takes onto
the box goes through here, and so does every reading of templates, logins and bindings for matching.

Called by the replica (what arrives), by enrolment (what is agreed here) and by the presence desk
(what is matched). The functions run inside a caller's transaction; the schema enforces the same
rule once more from below.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from edge import erasure
from edge.errors import ConsentMissing
from edge.records import Consent, ConsentKind, Member, Moment, Stream
from edge.storage import (
    bindings,
    consent_log,
    consent_words,
    erased,
    members,
    staging,
    templates,
    withdrawn,
)
from edge.storage.bindings import Binding
from edge.storage.consent_log import BY_PLATFORM, Ended, What
from edge.storage.consent_log import Said as Said
from edge.storage.database import Transaction
from edge.storage.outbox import UNDATED, Executes
from edge.storage.staging import Op
from edge.storage.templates import Means, Template
from edge.storage.vault import Vault
from edge.visiting import RESTS_ON

BINDING_MS = 14 * 24 * 3600 * 1000
"""A phone's private address says whose it is for so long after a login with it. Phones change it
by and by, and are handed on; each login renews it."""


GIVEN, WITHDRAWN = "consent.given.v1", "consent.withdrawn.v1"


class Agreement(Struct, frozen=True):
    """What a member agrees to on the box: which text they were shown, and that they are adult."""

    kind: ConsentKind
    text_version: str
    adult: bool


def accept_member(tx: Transaction, member: Member, moment: Moment = UNDATED) -> None:
    """Write a member. Without consent to the programme there is no profile on the box at all."""
    if not member.agreed(ConsentKind.PROGRAMME):
        raise ConsentMissing(
            f"Member {member.id} has not agreed to the programme.",
            "The platform must not send this profile; it was not stored.",
        )
    agreed = consent_words.merged(tx, member.id, member.consents)
    kinds = {each.kind for each in agreed}
    ended = [each for each in members.consents(tx, member.id) if each.kind not in kinds]
    _ended(tx, member.id, ended, BY_PLATFORM, moment)
    members.put(tx, tx.vault, replace(member, consents=agreed))
    _forget_signs(tx, member.id)


def accept_template(tx: Transaction, template: Template) -> None:
    """Write a face template. ConsentMissing without the member's consent to face recognition,
    BadTemplate if its vectors are none of its model's.
    """
    member = members.get(tx, tx.vault, template.member)
    if member is None or not member.agreed(ConsentKind.FACE):
        raise ConsentMissing(
            f"Member {template.member} has not agreed to face recognition.",
            "The platform must not send this template; it was not stored.",
        )
    key = members.key(tx, tx.vault, template.member)
    assert key is not None, "the member exists, so that there is a key"
    templates.put(tx, template, key)


def swap_members(tx: Transaction, gone: Sequence[str], moment: Moment) -> list[str]:
    """These members leave, those that are staged come in; those who could not.

    Who leaves goes first, so that their card is free again. A row was staged only if its member
    agreed to the programme; whom the platform lists in one that cannot be used is doubted.
    """
    for member in gone:
        forget_member(tx, member, moment)
    consent_words.lapse(tx, moment)
    consent_words.settle_stage(tx)
    losing = members.losing(tx)
    refused = members.swap(tx, moment)
    for member in losing:
        erased.set_deleted(tx)
        _forget_signs(tx, member)
    bad = [key for key in staging.keys(tx, "members", Op.BAD) if not staging.is_forgotten(key)]
    note_refused(tx, bad, ConsentKind.PROGRAMME, moment)
    for member in (*refused, *staging.keys(tx, "members", Op.DOUBT)):
        doubt_member(tx, member, moment)
    return refused


def note_refused(
    tx: Transaction, refused: Sequence[str], kind: ConsentKind, moment: Moment
) -> None:
    """The platform sent rows of these members that need this consent, and was refused: noted."""
    for member in refused:
        consent_log.note_refused(tx, tx.vault, member, kind, moment)


def swap_templates(tx: Transaction, gone: Sequence[tuple[str, str]]) -> list[str]:
    """These (member, model) leave, those that are staged come in; the keys of those that may not:
    their member has not agreed to face recognition.
    """
    for member, model in gone:
        templates.drop(tx, member, model)
    return templates.swap(tx, ConsentKind.FACE)


def doubt_member(tx: Transaction, member: str, moment: Moment = UNDATED) -> None:
    """The platform still lists the member, but in a row that cannot be used.

    Their profile stays as it is, and every consent beyond the programme counts as withdrawn until
    a legible row gives it again: an unreadable withdrawal must not be overheard.
    """
    held = members.consents(tx, member)
    ended = [each for each in held if each.kind is not ConsentKind.PROGRAMME]
    _ended(tx, member, ended, BY_PLATFORM, moment)
    consent_words.drop_given(tx, member, but=ConsentKind.PROGRAMME)
    members.drop_consents(tx, member, but=ConsentKind.PROGRAMME)
    _forget_signs(tx, member)


def doubt_given(tx: Transaction, moment: Moment) -> None:
    """This file is an older one, brought back: what was agreed to here and stood in no row yet may
    have been taken back since. It ends; a row of the platform's gives it again.
    """
    for member, kind in consent_words.unconfirmed(tx):
        consent_words.leave_to_rows(tx, member, kind)
        _end(tx, member, kind, BY_PLATFORM, moment)


def give(tx: Transaction, member: str, agreement: Agreement, said: Said, moment: Moment) -> None:
    """The member agrees here, and the platform is told. ConsentMissing for whom the box does not
    know, or who does not say to be adult.
    """
    if not agreement.adult or not agreed_by(tx, member):
        raise ConsentMissing(
            "This consent cannot be taken.", "Only adult members of the programme can agree to it."
        )
    kind = agreement.kind
    last = consent_words.of(tx, member).get(kind)
    back_ms = last.withdrawn_ms if last is not None else None
    # Whatever the clocks say, it is later than what was taken back here.
    given_ms = moment.wall_ms if back_ms is None else max(moment.wall_ms, back_ms + 1)
    given = Consent(kind, given_ms, agreement.text_version, said.channel, said.by)
    consent_log.note_given(tx, member, given, moment)
    members.put_consent(tx, member, given)
    consent_words.set_given(tx, member, kind, given_ms=given_ms, now=moment)
    body = {
        "member": member,
        "kind": kind,
        "text_version": agreement.text_version,
        "given_ms": given_ms,
        "adult": True,
        "channel": said.channel,
        "by": said.by,
    }
    tx.emit(Stream.CRIT, GIVEN, body, moment, member=member)


def withdraw_here(
    tx: Transaction, member: str, kind: ConsentKind, said: Said, moment: Moment
) -> bool:
    """The member takes one agreement back on the box, and the platform is told. False if there is
    none. What the platform sends and was given by now counts as taken back, too. With the programme
    the profile goes for good: whoever joins again gets another id.
    """
    given_ms = members.given_ms(tx, member, kind)
    if given_ms is None:
        return False
    if kind is ConsentKind.PROGRAMME:  # for ever: the platform does not know of it yet
        erasure.erase(tx, member, moment, said)
    else:
        withdraw(tx, member, kind, moment, said)
        until_ms = max(given_ms, moment.wall_ms) if moment.trusted else given_ms
        consent_words.set_withdrawn(tx, member, kind, given_ms=until_ms)
        body = {"member": member, "kind": kind, "channel": said.channel, "by": said.by}
        tx.emit(Stream.CRIT, WITHDRAWN, body, moment, member=member)
    return True


def withdraw(
    tx: Transaction, member: str, kind: ConsentKind, moment: Moment, said: Said = BY_PLATFORM
) -> None:
    """The member takes one agreement back: what rested on it goes, history and what waits to be
    told included; with the programme all does. No row that knows only this agreement revives it.
    """
    if kind is ConsentKind.PROGRAMME:
        forget_member(tx, member, moment, said)
        return
    given_ms = members.given_ms(tx, member, kind)
    if given_ms is not None:
        consent_words.set_withdrawn(tx, member, kind, given_ms=given_ms)
    _end(tx, member, kind, said, moment)


def forget_member(tx: Transaction, member: str, moment: Moment, said: Said = BY_PLATFORM) -> bool:
    """Erase a profile with key, templates and consents, and say so upstream. False if unknown."""
    return erasure.forget(tx, member, moment, said)


def agreed_by(connection: Executes, member: str) -> frozenset[ConsentKind]:
    """What the member agrees to now; nothing if the box does not know them."""
    rows = connection.execute("SELECT kind FROM consent WHERE member = ?", (member,)).fetchall()
    return frozenset(ConsentKind(row[0]) for row in rows)


def matchable(connection: Executes, vault: Vault, model: str, limit: int) -> Iterator[Means]:
    """Templates that may be matched now, as their means: their members have agreed to face
    recognition. At most `limit` of them, piece by piece; who takes a piece wipes it.
    """
    rows = connection.execute("SELECT member FROM consent WHERE kind = 'face'").fetchall()
    agreed = {member for (member,) in rows}
    for piece in templates.means(connection, vault, model, limit):
        if not agreed.issuperset(piece.members):  # the schema would have to be broken for this
            piece.leave_out(agreed)
        yield piece


# --- by the shop's Wi-Fi


def who_logged_in(connection: Executes, vault: Vault, login: str) -> str | None:
    """The member who logs in to the Wi-Fi with this, if exactly one does and has agreed to be
    recognised by it. A login that two members share is nobody's.
    """
    found = members.with_login(connection, vault, login) if login.strip() else []
    if len(found) != 1 or not _recognised_by_wifi(connection, found[0]):
        return None
    return found[0]


def who_is_bound(connection: Executes, vault: Vault, address: bytearray, now: Moment) -> str | None:
    """The member to whom this address is bound. By a clock that cannot be trusted nobody knows
    whether the binding is over, so that it is not believed; a login still says whose it is.
    """
    if not now.trusted:
        return None
    found = bindings.find(connection, vault, address)
    if found is None or not _recognised_by_wifi(connection, found.member):
        return None
    lives = now.wall_ms < found.until_ms <= now.wall_ms + BINDING_MS
    return found.member if lives else None


def binding(
    connection: Executes, vault: Vault, member: str, address: bytearray, now: Moment
) -> Binding | None:
    """The binding that a login just made, sealed and to be written by `bind`. None without a clock
    that can be trusted: it might never end.
    """
    if not now.trusted or not _recognised_by_wifi(connection, member):
        return None
    until_ms = now.wall_ms + BINDING_MS
    return bindings.made(connection, vault, member, address, until_ms=until_ms)


def bind(tx: Transaction, made: Binding) -> None:
    """Write or renew a binding. ConsentMissing if its member has not agreed, or no longer."""
    if not _recognised_by_wifi(tx, made.member):
        raise ConsentMissing(
            f"Member {made.member} has not agreed to be recognised by Wi-Fi.",
            "Their phone was not bound.",
        )
    bindings.put(tx, made)


def expire_bindings(tx: Transaction, now: Moment) -> int:
    """Delete the bindings that are over, if the clock can be trusted; how many."""
    return bindings.expire(tx, now.wall_ms, BINDING_MS) if now.trusted else 0


def _end(tx: Transaction, member: str, kind: ConsentKind, said: Said, moment: Moment) -> None:
    """One consent goes, and what rests on it."""
    held = [each for each in members.consents(tx, member) if each.kind is kind]
    _ended(tx, member, held, said, moment)
    tx.execute("DELETE FROM consent WHERE member = ? AND kind = ?", (member, kind))
    _forget_signs(tx, member)


def _ended(
    tx: Transaction, member: str, ended: Sequence[Consent], said: Said, moment: Moment
) -> None:
    """Note that these consents end; their rows leave no byte either."""
    if not ended:
        return
    for each in ended:
        consent_log.note_ended(tx, member, each, Ended(What.WITHDRAWN, said), moment)
    erased.set_deleted(tx)


def _forget_signs(tx: Transaction, member: str) -> None:
    """Visits and events lose what they say by signs that the member does not agree to (now)."""
    agreed = agreed_by(tx, member)
    for kind, sign in RESTS_ON:
        if kind not in agreed:
            withdrawn.forget_signs(tx, member, sign)
    if ConsentKind.FACE not in agreed:
        withdrawn.forget_templates(tx, member)


def _recognised_by_wifi(connection: Executes, member: str) -> bool:
    rows = connection.execute(
        "SELECT count(*) FROM consent WHERE member = ? AND kind IN (?, ?)",
        (member, ConsentKind.WIFI, ConsentKind.PROGRAMME),
    ).fetchone()
    return bool(rows[0] == 2)
