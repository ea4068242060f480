"""What the presence desk has to write, and how it is put into a transaction.

Called by the desk alone, inside its transactions. Who was erased, or withdrew, since a fact was
found is not written back by it.
"""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from edge import consent
from edge.errors import ConsentMissing, StorageError
from edge.presence.visits import anonymous
from edge.records import Moment, Stream, Visit
from edge.storage import members, radar_samples, visits
from edge.storage.bindings import Binding
from edge.storage.radar_samples import RadarSample
from edge.storage.transaction import Transaction


class Fact(Struct, frozen=True):
    """One thing to write: a visit's new state, or an event, or both; or a phone that is bound; or
    what a radar learned."""

    visit: Visit | None
    stream: Stream | None
    type: str
    body: object
    moment: Moment
    binding: Binding | None = None
    sample: RadarSample | None = None


def of_binding(made: Binding, moment: Moment) -> Fact:
    """A member logged in with this phone."""
    return Fact(None, None, "", None, moment, made)


def put(tx: Transaction, facts: Sequence[Fact]) -> None:
    """Write them all."""
    newest = {fact.visit.id: fact.visit for fact in facts if fact.visit is not None}
    erased = {
        visit.member
        for visit in newest.values()
        if visit.member is not None and not members.exists(tx, visit.member)
    }
    for visit in newest.values():
        visits.put(tx, anonymous(visit) if visit.member in erased else visit)
    for fact in facts:
        about = fact.visit.member if fact.visit is not None else None
        if fact.stream is not None and about not in erased:
            tx.emit(fact.stream, fact.type, fact.body, fact.moment, member=about)
        if fact.binding is not None:
            _bind(tx, fact.binding)
        if fact.sample is not None:
            radar_samples.add(tx, fact.sample)


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
