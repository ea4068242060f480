"""Compares what the box promised its producers with what the platform has in its log.

Pure. Called by the demo and by tests with `edge.storage.journal.read` and
`sync.ingest.log.read_log`; it trusts neither the box's outbox nor the platform's cursors.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from edge.storage.outbox import GAP_TYPE, Gap
from sync.ingest.log import Received


class Verdict(Struct, frozen=True):
    """What became of the promised events.

    `created` were promised, `acknowledged` of them stand in the platform's log, `declared` were
    given up by quota and said so, `lost` are neither. `duplicated` counts rows beyond the first,
    `altered` rows with another body than promised, `disordered` rows that stand behind a later
    number of their stream.
    """

    created: int
    acknowledged: int
    declared: int
    lost: int
    duplicated: int
    altered: int
    disordered: int

    @property
    def flawless(self) -> bool:
        """Whether each promise was kept: everything once, as it was, in order."""
        return not (self.lost or self.duplicated or self.altered or self.disordered)


def judge(promised: Iterable[tuple[str, str]], received: Sequence[Received]) -> Verdict:
    """The verdict on `promised` (event id, digest); events of other boxes are left aside."""
    promises = dict(promised)
    epochs = {_parts(event)[0] for event in promises}
    ours = [row for row in received if row.epoch in epochs]
    first: dict[str, Received] = {}
    for row in ours:
        first.setdefault(row.id, row)
    missing = {event for event in promises if event not in first}
    gaps = _gaps(ours)
    declared = {event for event in missing if _covered(event, gaps)}
    return Verdict(
        created=len(promises),
        acknowledged=len(promises) - len(missing),
        declared=len(declared),
        lost=len(missing) - len(declared),
        duplicated=len(ours) - len(first),
        altered=sum(1 for row in ours if promises.get(row.id, row.digest) != row.digest),
        disordered=_disordered(first.values()),
    )


def _disordered(rows: Iterable[Received]) -> int:
    highest: dict[tuple[str, str], int] = {}
    count = 0
    for row in rows:
        stream = (row.epoch, row.stream.value)
        if row.seq < highest.get(stream, 0):
            count += 1
        highest[stream] = max(row.seq, highest.get(stream, 0))
    return count


def _gaps(rows: Iterable[Received]) -> list[tuple[str, Gap]]:
    declared = (row for row in rows if row.type == GAP_TYPE)
    return [(row.epoch, msgspec.json.decode(row.body, type=Gap)) for row in declared]


def _covered(event: str, gaps: Sequence[tuple[str, Gap]]) -> bool:
    epoch, stream, seq = _parts(event)
    return any(
        gap_epoch == epoch and gap.stream == stream and gap.first <= seq <= gap.last
        for gap_epoch, gap in gaps
    )


def _parts(event: str) -> tuple[str, str, int]:
    epoch, stream, seq = event.split("-")
    return epoch, stream, int(seq)
