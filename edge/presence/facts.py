"""What the presence desk has to write, and how it is put into a transaction.

Called by the desk alone, inside its transactions. Who was erased, or withdrew, since a fact was
found is not written back by it.
"""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from edge import consent
from edge.errors import ConsentMissing, StorageError
from edge.presence.visits import anonymous, without
from edge.records import ConsentKind, Moment, Stream
from edge.storage import radar_samples, strangers, visits
from edge.storage.bindings import Binding
from edge.storage.radar_samples import RadarSample
from edge.storage.strangers import Kept
from edge.storage.transaction import Transaction
from edge.visiting import RESTS_ON, Visit


class Fact(Struct, frozen=True):
    """One thing to write: a visit's new state, or an event, or both; or a phone that is bound; or
    what a radar learned, or how strangers score."""

    visit: Visit | None
    stream: Stream | None
    type: str
    body: object
    moment: Moment
    binding: Binding | None = None
    sample: RadarSample | None = None
    strangers: Kept | None = None
    untold: object = None
    """The body before any number was withheld: the figures of this box are made of it."""


def of_binding(made: Binding, moment: Moment) -> Fact:
    """A member logged in with this phone."""
    return Fact(None, None, "", None, moment, made)


def of_strangers(kept: Kept, moment: Moment) -> Fact:
    """How strangers score here, to be written down."""
    return Fact(None, None, "", None, moment, strangers=kept)


def put(tx: Transaction, facts: Sequence[Fact]) -> None:
    """Write them all, as far as those whom they name still agree to it."""
    ask = partial(_agreed, tx, {})
    newest = {fact.visit.id: fact.visit for fact in facts if fact.visit is not None}
    for visit in newest.values():
        visits.put(tx, ask(visit))
    for fact in facts:
        _emit(tx, fact, fact.visit and ask(fact.visit))
        if fact.untold is not None:
            tx.count(fact.type, fact.untold, fact.moment)
        if fact.binding is not None:
            _bind(tx, fact.binding)
        if fact.sample is not None:
            radar_samples.add(tx, fact.sample)
        if fact.strangers is not None:
            strangers.put(tx, fact.strangers)


def _agreed(tx: Transaction, known: dict[str, frozenset[ConsentKind]], visit: Visit) -> Visit:
    """The visit as it may be written now; what its member agreed to is looked up once (`known`)."""
    member = visit.member
    if member is None:
        return visit
    if member not in known:
        known[member] = consent.agreed_by(tx, member)
    if ConsentKind.PROGRAMME not in known[member]:
        return anonymous(visit)
    for kind, sign in RESTS_ON:
        if kind not in known[member]:
            visit = without(visit, sign)
    return visit


def _emit(tx: Transaction, fact: Fact, visit: Visit | None) -> None:
    """Tell it, unless it names who may not be named any more; `visit` is what may be said of it."""
    about = visit.member if visit is not None else None
    if fact.stream is None or (fact.visit is not None and about != fact.visit.member):
        return
    body = fact.body
    if visit is not None and isinstance(body, dict) and "reasons" in body:
        body = body | {"reasons": visit.reasons}
    tx.emit(fact.stream, fact.type, body, fact.moment, member=about)


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
