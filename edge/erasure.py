"""Erasure: everything of one person leaves the box in one transaction, with a receipt upstream.

`erase` carries out the platform's signed order, and no snapshot or backup brings them back;
`forget` is for a member whom the platform no longer lists. Events that wait lose the person
(`outbox.forget`). Called by `sync/commands.py` and through `edge/consent.py` by the replica, inside
their transactions. `scrub` runs in the daemon, until the very bytes are gone from the files.
"""

import asyncio

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import StorageError
from edge.racing import first_of, rung
from edge.records import Moment, Stream
from edge.storage import belongings, consent_log, erased, members, outbox
from edge.storage.consent_log import BY_PLATFORM, Ended, Said, What
from edge.storage.database import Database
from edge.storage.transaction import Transaction

RECEIPT = "erasure.done.v1"
SCRUB_S = 3.0
"""So often it is looked at the latest whether something is left of what was deleted: when a reader
was in the way, or the process before this one ended. Else the commit itself says so: nothing of
what was withdrawn is to be on the box a second later."""


def erase(tx: Transaction, member: str, moment: Moment, said: Said = BY_PLATFORM) -> dict[str, int]:
    """Erase `member` for ever, known here or not; how many rows of each kind went."""
    counts = _remove(tx, member, moment, said)
    if not counts["profile"]:
        consent_log.note_erased(tx, tx.vault, member, moment, by=said)
    erased.add(tx, tx.vault, member, moment.wall_ms)
    _receipt(tx, member, counts, moment)
    return counts


def forget(tx: Transaction, member: str, moment: Moment, said: Said = BY_PLATFORM) -> bool:
    """Erase `member`, who may come back with a new consent. False if unknown."""
    counts = _remove(tx, member, moment, said)
    known = counts["profile"] > 0
    if known:
        _receipt(tx, member, counts, moment)
    return known


def _remove(tx: Transaction, member: str, moment: Moment, said: Said) -> dict[str, int]:
    for each in members.consents(tx, member):
        consent_log.note_ended(tx, member, each, Ended(What.ERASED, said), moment)
    counts = belongings.remove(tx, tx.vault, member)
    counts["events_kept"], counts["events_emptied"] = outbox.forget(tx, member)
    return counts


def _receipt(tx: Transaction, member: str, counts: dict[str, int], moment: Moment) -> None:
    tx.emit(Stream.CRIT, RECEIPT, {"member": member, "counts": counts}, moment)
    erased.set_deleted(tx)


async def scrub(database: Database, clock: Clock, counters: Counters) -> None:
    """Wipe what was deleted, as soon as the database says so, and once more when the receipts,
    which name people, have left.
    """
    told = asyncio.Event()
    database.on_deleted(told.set)
    while True:
        told.clear()
        try:
            await scrub_once(database)
        except StorageError:  # status and the log say it already; it is tried again
            counters.add("erasure.not_scrubbed")
        await first_of(rung(told), clock.wait(SCRUB_S))


async def scrub_once(database: Database) -> bool:
    """Wipe what can be wiped now; whether there was anything. It stays due if a reader was in the
    way all the time.
    """
    due = erased.to_be_scrubbed(database.reading, RECEIPT)
    if due:
        await database.transact(lambda tx: erased.set_scrubbing(tx, RECEIPT), scrub=True)
        database.reading.execute("PRAGMA shrink_memory")  # pages that hold it in memory
        if database.scrubbed:
            await database.transact(erased.set_scrubbed)
    return due
