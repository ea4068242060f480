"""Compares what the box promised its producers with what the platform has in its log.

Pure. Called by the demo and by tests with `edge.storage.journal.read` and
`sync.ingest.log.read_log`; it trusts neither the box's outbox nor the platform's cursors.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from edge.storage import spans
from edge.storage.outbox import GAP_TYPE, Gap
from sync.ingest.log import Received


class Verdict(Struct, frozen=True):
    """What became of the promised events.

    `created` were promised, `acknowledged` of them stand in the platform's log, `declared` were
    given up by quota and said so, `lost` are neither. `duplicated` counts rows beyond the first,
    `altered` rows with another body than promised, `disordered` rows that stand behind a later
    number of their stream, `unpromised` rows that nobody was ever told of. `miscounted` is how far
    the counts of gap records are from the numbers in them.
    """

    created: int
    acknowledged: int
    declared: int
    lost: int
    duplicated: int
    altered: int
    disordered: int
    unpromised: int = 0
    miscounted: int = 0

    @property
    def flawless(self) -> bool:
        """Whether each promise was kept: everything once, as it was, in order, and nothing else."""
        faults = (self.lost, self.duplicated, self.altered, self.disordered, self.unpromised)
        return not any((*faults, self.miscounted))


class _Promises:
    """The digests promised for each id; what was promised again need not arrive as its first.

    Who was erased from an event may have been erased before it left, or after: either body does.
    """

    def __init__(self, promised: Iterable[tuple[str, ...]]) -> None:
        self.standing: dict[str, list[str]] = {}
        self._replaced: dict[str, set[str]] = {}
        self._changed: dict[str, dict[str, str]] = {}
        self._lives: dict[str, set[str]] = {}
        for event, digest, *former in promised:
            if former[:1] == ["~"]:
                self._changed.setdefault(event, {})[digest] = former[1]
                continue
            digests = self.standing.setdefault(event, [])
            if digest not in digests:
                digests.append(digest)
            for each in former:
                self._replace(each, digest)
                self._lives.setdefault(_parts(event)[0], set()).add(_parts(each)[0])

    def _replace(self, former: str, digest: str) -> None:
        self._replaced.setdefault(former, set()).add(digest)
        digests = self.standing.get(former, [])
        first = self._changed.get(former, {}).get(digest, digest)
        if first in digests:
            digests.remove(first)
            self._replaced[former].add(first)

    def epochs(self) -> set[str]:
        """Every epoch that something was promised in."""
        return {_parts(event)[0] for event in self.standing}

    def lives(self, epoch: str) -> set[str]:
        """`epoch` and those that it renewed: it may declare what they gave up."""
        found, unseen = set[str](), {epoch}
        while unseen:
            found |= unseen
            unseen = {each for one in unseen for each in self._lives.get(one, ())} - found
        return found

    def allowed(self, event: str) -> set[str]:
        """What may stand in the log under this id; nothing if it was never promised."""
        digests = {*self.standing.get(event, ()), *self._replaced.get(event, ())}
        return digests | self._changed.get(event, {}).keys()


def judge(promised: Iterable[tuple[str, ...]], received: Sequence[Received]) -> Verdict:
    """The verdict on `promised` (event id, digest, and a former id that need not arrive any more),
    or (event id, digest as changed, `~`, digest as promised).

    Events of other boxes are left aside. Two promises of one id are one promise broken.
    """
    promises = _Promises(promised)
    epochs = promises.epochs()
    ours = [row for row in received if row.epoch in epochs]
    first: dict[str, Received] = {}
    for row in ours:
        first.setdefault(row.id, row)
    created = sum(map(len, promises.standing.values()))
    kept = sum(1 for event, digests in promises.standing.items() if digests and event in first)
    gaps = [(life, gap) for epoch, gap in _gaps(ours) for life in promises.lives(epoch)]
    missing = [event for event in promises.standing if event not in first]
    declared = sum(len(promises.standing[e]) for e in missing if _covered(e, gaps))
    allowed = [(row, promises.allowed(row.id)) for row in ours]
    return Verdict(
        created=created,
        acknowledged=kept,
        declared=declared,
        lost=created - kept - declared,
        duplicated=len(ours) - len(first),
        altered=sum(1 for row, digests in allowed if digests and row.digest not in digests),
        disordered=_disordered(first.values()),
        unpromised=sum(1 for _, digests in allowed if not digests),
        miscounted=_miscounted(_gaps(first.values()), promises),
    )


def _miscounted(gaps: Sequence[tuple[str, Gap]], promises: _Promises) -> int:
    """Each number counts once in its epoch, in whichever of the gap records it stands.

    A renewed epoch takes some records along and tells others anew; what it leaves out, the epochs
    before have declared.
    """
    off = 0
    for epoch, stream in {(epoch, gap.stream) for epoch, gap in gaps}:
        own = [gap for life, gap in gaps if (life, gap.stream) == (epoch, stream)]
        former = promises.lives(epoch) - {epoch}
        before = [_span(gap) for life, gap in gaps if life in former and gap.stream == stream]
        most = spans.size(map(_span, own))
        least = spans.size([*map(_span, own), *before]) - spans.size(before)
        counted = sum(gap.count for gap in own)
        off += max(0, counted - most, least - counted)
    return off


def _span(gap: Gap) -> spans.Span:
    return gap.first, gap.last


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
