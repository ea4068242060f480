"""The oracle outside of what is broken: promises, the platform's log, and the numbers given.

Called at the end of each row of the fault matrix. The journal says what producers were told, the
log what the platform committed, and the box's `stream` table how many numbers were ever given:
received + declared = produced, with no hole, no second copy, no other order.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from edge.records import Stream
from edge.storage import journal
from edge.storage.database import open_reading
from edge.storage.outbox import GAP_TYPE, Gap, cursors
from sync.ingest.log import Received, read_log
from sync.reference.judge import Verdict, judge


class Account(Struct, frozen=True):
    """What became of the numbers of one stream in one epoch.

    `received` and `declared` count numbers, a number that is both counts as received; `holes` are
    neither. `produced` is 0 for an epoch that is over: how far it went is not known any more.
    """

    received: int
    declared: int
    holes: int
    produced: int


class Examined(Struct, frozen=True):
    """The judge's verdict, and the account of each (epoch, stream)."""

    verdict: Verdict
    accounts: dict[tuple[str, str], Account]

    @property
    def holes(self) -> int:
        """Numbers that were given and are neither received nor declared."""
        return sum(account.holes for account in self.accounts.values())

    @property
    def declared(self) -> int:
        """Numbers that were given up and said so."""
        return sum(account.declared for account in self.accounts.values())


def examine(directory: Path, log: Path) -> Examined:
    """The box in `directory` (which has ended) against the platform's `log`."""
    received = read_log(log)
    verdict = judge(journal.read(directory / "journal"), received)
    connection = open_reading(directory / "state")
    try:
        (epoch,) = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        given = cursors(connection)
    finally:
        connection.close()
    produced = {(epoch, stream.value): last for stream, (last, _) in given.items()}
    return Examined(verdict, accounts(received, produced))


def accounts(
    received: Iterable[Received], produced: dict[tuple[str, str], int]
) -> dict[tuple[str, str], Account]:
    """Numbers received and declared, by (epoch, stream), against how many were given."""
    have: dict[tuple[str, str], set[int]] = defaultdict(set)
    given_up: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in received:
        have[row.epoch, row.stream.value].add(row.seq)
        if row.type == GAP_TYPE and row.stream is Stream.CRIT:
            gap = msgspec.json.decode(row.body, type=Gap)
            given_up[row.epoch, gap.stream.value].update(range(gap.first, gap.last + 1))
    found = {}
    for key in {*have, *given_up, *produced}:
        known = have[key] | given_up[key]
        last = produced.get(key) or max(known, default=0)
        # A renewed epoch goes on with the numbers of the one before: it does not begin with 1.
        renewed = key in produced and any(epoch != key[0] for epoch, _ in have)
        first = min(have[key], default=last + 1) if renewed else 1
        found[key] = Account(
            received=len(have[key]),
            declared=len(given_up[key] - have[key]),
            holes=sum(1 for number in range(first, last + 1) if number not in known),
            produced=produced.get(key, 0),
        )
    return found


def _first(
    key: tuple[str, str],
    have: dict[tuple[str, str], set[int]],
    produced: dict[tuple[str, str], int],
) -> int:
    """A renewed epoch goes on with the numbers of the one before, so it does not begin with 1."""
    renewed = any(epoch != key[0] for epoch, _ in have)
    return min(have[key], default=produced[key] + 1) if renewed else 1


def assert_kept(examined: Examined, *, unpromised_max: int = 0) -> None:
    """Every promise was kept, and every number accounted for.

    `unpromised_max`: a box killed between commit and promise sends what nobody was told of.
    """
    verdict = examined.verdict
    faults = (verdict.lost, verdict.duplicated, verdict.altered, verdict.disordered)
    assert (*faults, verdict.miscounted) == (0, 0, 0, 0, 0), verdict
    assert examined.holes == 0, examined.accounts
    assert verdict.unpromised <= unpromised_max, verdict
    assert verdict.created == verdict.acknowledged + verdict.declared, verdict
