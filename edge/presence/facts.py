"""What the presence desk has to write, and how it is put into a transaction.

Called by the desk alone, inside its transactions. Who was erased, or withdrew, since a fact was
found is not written back by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from edge import consent
from edge.errors import ConsentMissing, StorageError
from edge.presence.open_visit import Change, anonymous, without
from edge.records import ConsentKind, Moment, Stream
from edge.storage import mistaken, radar_samples, strangers, visits
from edge.storage.bindings import Binding
from edge.storage.radar_samples import RadarSample
from edge.storage.strangers import Kept
from edge.storage.transaction import Transaction
from edge.visiting import RESTS_ON, Evidence, SignKind, Step, Visit


class Fact(Struct, frozen=True):
    """One thing to write: a visit's new state, with the signs it rests on and what happened, or an
    event (of `about`, if it names anybody), or both; or a phone that is bound; or what a radar
    learned, or how strangers score; or by which consent someone was
    mistaken for whom, and until when (ms) such signs say less.
    """

    visit: Visit | None
    stream: Stream | None
    type: str
    body: object
    moment: Moment
    binding: Binding | None = None
    sample: RadarSample | None = None
    strangers: Kept | None = None
    about: str | None = None
    signs: Mapping[str, Evidence | None] = {}
    steps: Mapping[int, Step] = {}
    mistaken: tuple[str, ConsentKind, int] | None = None
    untold: object = None
    """The body before any number was withheld: the figures of this box are made of it."""


Agreed = dict[str, frozenset[ConsentKind]]
"""What each member agreed to, as it was looked up in this transaction."""
SPEAKS_BY = {sign: consent for consent, sign in RESTS_ON}


def of_visits(changes: Iterable[Change], moment: Moment) -> list[Fact]:
    """Visits as they are now, and what is told of them."""
    return [
        Fact(
            change.visit,
            Stream.VISIT if change.event else None,
            change.event or "",
            change.body,
            moment,
            about=change.about,
            signs=change.signs,
            steps=change.steps,
        )
        for change in changes
    ]


def of_binding(made: Binding, moment: Moment) -> Fact:
    """A member logged in with this phone."""
    return Fact(None, None, "", None, moment, made)


def of_strangers(kept: Kept, moment: Moment) -> Fact:
    """How strangers score here, to be written down."""
    return Fact(None, None, "", None, moment, strangers=kept)


def put(tx: Transaction, facts: Sequence[Fact]) -> None:
    """Write them all, as far as those whom they name still agree to it."""
    known: Agreed = {}
    newest = {fact.visit.id: fact.visit for fact in facts if fact.visit is not None}
    written = {visit.id: _permitted(tx, known, visit) for visit in newest.values()}
    for visit in written.values():
        visits.put(tx, visit)
    for fact in facts:
        if fact.visit is not None:
            _put_history(tx, known, fact, ended=written[fact.visit.id].left)
        _emit(tx, known, fact)
        if fact.untold is not None:
            tx.count(fact.type, fact.untold, fact.moment)
        if fact.binding is not None:
            _bind(tx, fact.binding)
        if fact.sample is not None:
            radar_samples.add(tx, fact.sample)
        if fact.strangers is not None:
            strangers.put(tx, fact.strangers)
        if fact.mistaken is not None:
            mistaken.expire(tx, fact.moment.wall_ms)
            mistaken.put(tx, *fact.mistaken)


def _put_history(tx: Transaction, known: Agreed, fact: Fact, *, ended: bool) -> None:
    """The signs and steps of a visit, but for those that may not be kept any more."""
    assert fact.visit is not None
    for source, sign in fact.signs.items():
        if sign is None or (not ended and _may_say(tx, known, sign.member, sign.kind)):
            visits.put_sign(tx, fact.visit.id, source, sign)
    steps = {
        number: step
        for number, step in fact.steps.items()
        if step.member is None or _may_say(tx, known, step.member, step.sign)
    }
    if steps:
        visits.put_steps(tx, fact.visit.id, steps)


def _agreed(tx: Transaction, known: Agreed, member: str) -> frozenset[ConsentKind]:
    if member not in known:
        known[member] = consent.agreed_by(tx, member)
    return known[member]


def _may_say(tx: Transaction, known: Agreed, member: str, sign: SignKind | None) -> bool:
    """Whether a sign of this kind may still speak of the member."""
    agreed = _agreed(tx, known, member)
    needed = SPEAKS_BY.get(sign) if sign is not None else None
    return ConsentKind.PROGRAMME in agreed and (needed is None or needed in agreed)


def _permitted(tx: Transaction, known: Agreed, visit: Visit) -> Visit:
    """The visit as it may be written now."""
    if visit.member is None:
        return visit
    agreed = _agreed(tx, known, visit.member)
    if ConsentKind.PROGRAMME not in agreed:
        return anonymous(visit)
    for kind, sign in RESTS_ON:
        if kind not in agreed:
            visit = without(visit, sign)
    return visit


def _emit(tx: Transaction, known: Agreed, fact: Fact) -> None:
    """Tell it, unless it names who may not be named any more, or by what may not be said."""
    if fact.stream is None:
        return
    body = fact.body
    if fact.visit is not None and fact.about is not None:
        told = dict(body) if isinstance(body, dict) else {}
        reasons = told.get("reasons", fact.visit.reasons)
        said = msgspec.structs.replace(fact.visit, member=fact.about, reasons=tuple(reasons))
        said = _permitted(tx, known, said)
        if said.member is None:
            return
        body = told | ({"reasons": said.reasons} if "reasons" in told else {})
    tx.emit(fact.stream, fact.type, body, fact.moment, member=fact.about)


def put_singly(tx: Transaction, facts: Sequence[Fact]) -> int:
    """Put each fact in a part of its own; how many were refused."""
    refused = 0
    for fact in facts:
        try:
            tx.in_part(partial(put, tx, [fact]))
        except StorageError:
            refused += 1
    return refused


def _bind(tx: Transaction, made: Binding) -> None:
    try:
        consent.bind(tx, made)
    except ConsentMissing:
        return  # withdrawn since the login: then there is nothing to write
