"""Whose a login to the shop's Wi-Fi is: by what was entered, or by a phone that is known already;
and whether that phone was proved to be theirs.

Called by the presence desk with each reading. It reads only what `edge/consent.py` gives out. Login
and address live as long as the call; what is left of them is a keyed hash.
"""

from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from edge import consent
from edge.clock import Clock
from edge.counters import Counters
from edge.errors import StorageError
from edge.presence import evidence
from edge.records import AssociationPhase, AssociationReading, Moment
from edge.storage.bindings import Binding
from edge.storage.database import Database
from edge.storage.outbox import Executes
from edge.storage.vault import Vault
from edge.visiting import Evidence

EXPIRY_S = 900.0
"""So often bindings that are over are deleted. They are not believed for a moment longer anyway."""


class Associated(Struct, frozen=True):
    """The sign that an association is, and the phone that is to be bound by it."""

    sign: Evidence
    binding: Binding | None = None


def weigh(
    connection: Executes, vault: Vault, reading: AssociationReading, *, seen: Moment, now: Moment
) -> Associated | None:
    """What an association says. None if it is nobody's, or of somebody who has not agreed.

    It was `seen` by the sensor's clock; bindings begin and end by ours (`now`).
    """
    member = consent.who_logged_in(connection, vault, reading.login)
    known = consent.bound(connection, vault, reading.address, now)
    if member is None:
        if known is None:
            return None
        sign = evidence.from_phone(known.member, reading.nas, seen)
        return Associated(replace(sign, phone=known.mark))
    if known is not None and known.member != member:
        known = None  # bound to whoever logged in on it before
    made = None
    if reading.phase is AssociationPhase.START:
        made = consent.binding(connection, vault, member, reading.address, now)
    proved = known is not None and known.proved
    sign = evidence.from_login(member, reading.nas, seen, proved=proved)
    phone = made or known
    return Associated(replace(sign, phone=phone.mark if phone is not None else None), made)


async def expire(database: Database, clock: Clock, counters: Counters) -> None:
    """Delete bindings whose time is over, until cancelled."""
    while True:
        try:
            await database.transact(partial(consent.expire_bindings, now=clock.now()))
        except StorageError:  # status and the log say it already; it is tried again
            counters.add("bindings_not_expired")
        await clock.wait(EXPIRY_S)
