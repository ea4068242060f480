"""What a box asks its platform for, and when: chunks within a window, buckets, what it missed.

Pure bookkeeping for `sync/replica`: it is told what is missing and what has come, and says which
wishes to send now. Nothing that was asked for is asked for again while anything comes; on a slow
line a second copy of everything would be the end of it.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from sync.datasets import WANTED_MAX, Manifest, Want
from sync.messages import Dataset, DatasetVersion

WINDOW = 8
"""Chunks under way: 720 KB at most, six seconds of a line of 1 Mbit/s."""
WRONG_MAX = 3
"""A chunk that was damaged more often is asked for only when nothing else comes."""
NOTHING = DatasetVersion("", 0)


class Plan(Struct):
    """One snapshot under way. `missing` is None until the datasets that it needs are there."""

    manifest: Manifest
    missing: set[int] | None = None
    buckets: frozenset[int] = frozenset()
    """Those that differ from what the box has: the others stay as they are."""

    @property
    def version(self) -> DatasetVersion:
        """Where it leads."""
        return DatasetVersion(self.manifest.generation, self.manifest.version)


class Asking:
    """What was asked for and has not come."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._asked: dict[tuple[Dataset, str, int], float] = {}
        self._wrong: Counter[tuple[Dataset, int]] = Counter()
        self._heard_s = 0.0
        self.behind: set[Dataset] = set()
        """Datasets of which something was missed, or not kept."""

    def begin(self) -> None:
        """A new connection: nothing has been asked for on it."""
        self._asked.clear()
        self._wrong.clear()

    def heard(self, now_s: float) -> None:
        """Something came."""
        self._heard_s = now_s

    def came(self, dataset: Dataset, chunk: int) -> None:
        """This chunk is here."""
        self._asked.pop((dataset, "chunk", chunk), None)

    def was_wrong(self, dataset: Dataset, chunk: int) -> None:
        """It came, and was not what the manifest says."""
        self._wrong[dataset, chunk] += 1
        if self._wrong[dataset, chunk] <= WRONG_MAX:
            self._asked.pop((dataset, "chunk", chunk), None)

    def again(self, dataset: Dataset) -> None:
        """Whatever was asked for of this dataset counts no more."""
        for asked in [asked for asked in self._asked if asked[0] is dataset]:
            del self._asked[asked]

    def caught_up(self, dataset: Dataset) -> None:
        """What was missed of it came, or is on its way by a plan."""
        self.again(dataset)
        self.behind.discard(dataset)

    def wake_at_s(self) -> float | None:
        """When something may have to be asked for again."""
        if not self._asked:
            return None
        return max(min(self._asked.values()), self._heard_s) + self._patience_s

    def wants(
        self,
        now_s: float,
        versions: Mapping[Dataset, DatasetVersion],
        plans: Mapping[Dataset, Plan],
        *,
        broken: Mapping[Dataset, tuple[int, ...]],
    ) -> list[Want]:
        """What to ask for now; it counts as asked for."""
        for asked, at_s in list(self._asked.items()):
            if max(at_s, self._heard_s) + self._patience_s <= now_s:
                del self._asked[asked]
        wants: list[Want] = []
        for dataset in Dataset:
            has = versions.get(dataset, NOTHING)
            plan = plans.get(dataset)
            if plan is not None and plan.missing:
                wants += self._chunks(dataset, plan.missing, plan.version, now_s=now_s)
            elif (
                plan is None and broken.get(dataset) and self._first_time(dataset, "buckets", now_s)
            ):
                wants.append(_want(dataset, has, buckets=broken[dataset][:WANTED_MAX]))
            elif dataset in self.behind and self._first_time(dataset, "all", now_s):
                wants.append(_want(dataset, has))
        return wants

    def _chunks(
        self, dataset: Dataset, missing: set[int], version: DatasetVersion, *, now_s: float
    ) -> list[Want]:
        under_way = sum(1 for _, what, _ in self._asked if what == "chunk")
        room = max(0, WINDOW - under_way)
        asked = {chunk for name, what, chunk in self._asked if (name, what) == (dataset, "chunk")}
        wanted = sorted(missing - asked)[:room]
        self._asked.update({(dataset, "chunk", chunk): now_s for chunk in wanted})
        return [
            Want(1, dataset, *_of(version), first=first, last=last)
            for first, last in _ranges(wanted)
        ]

    def _first_time(self, dataset: Dataset, what: str, now_s: float) -> bool:
        asked = (dataset, what, 0)
        if asked in self._asked:
            return False
        self._asked[asked] = now_s
        return True


def _want(dataset: Dataset, has: DatasetVersion, buckets: tuple[int, ...] = ()) -> Want:
    return Want(1, dataset, *_of(has), buckets=buckets)


def _of(version: DatasetVersion) -> tuple[str, int]:
    return version.generation, version.version


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as closed ranges."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
