"""Serves datasets: tells boxes which version there is, and gives them what they ask for.

Called by the platform (`Datasets` in `downward.py`), in one thread. What all boxes of a tenant have
in common is announced once for all of them; chunks and buckets go to the box that asked. It knows
nothing of a box but what it says: the version that it has.
"""

from collections.abc import Iterator, Mapping

from sync.datasets import OWN, Want
from sync.messages import Address, Dataset, DatasetVersion
from sync.reference.downward import Outgoing
from sync.reference.series import Series
from sync.reference.shelf import EVERYBODY, Box, Shelf
from sync.rows import OF_MEMBERS
from sync.signing import SigningKey

NOBODY = Address("-", "-", "-")
_NOTHING = DatasetVersion("", 0)


class DatasetServer:
    """The platform's side of datasets. `signing_key` None leaves them unsigned."""

    def __init__(self, shelf: Shelf, signing_key: SigningKey | None) -> None:
        self._shelf = shelf
        self._key = signing_key
        self._series: dict[tuple[Box, Dataset], Series] = {}
        self._boxes: dict[Box, Address] = {}
        self._tenants: dict[str, Address] = {}
        """One box of each tenant that has said hello: who is to be told of changes."""
        self._announced: dict[tuple[str, Dataset], tuple[str, int]] = {}
        self._refresh()

    def on_hello(
        self, address: Address, datasets: Mapping[Dataset, DatasetVersion]
    ) -> Iterator[Outgoing]:
        """A box has connected, or applied something, and has these versions."""
        self._tenants.setdefault(address.tenant, address)
        self._boxes[address.store, address.box] = address
        for dataset in Dataset:
            owner = self._shelf.owner(address, dataset)
            series = self._series.get((owner, dataset))
            if series is not None:
                has = datasets.get(dataset, _NOTHING)
                yield from self._up_to_date(address, dataset, series, has=has)

    def on_want(self, address: Address, want: Want) -> Iterator[Outgoing]:
        """A box asks for chunks, buckets or a manifest, or what it has missed."""
        topic = address.dataset(want.dataset)
        series = self._series.get((self._shelf.owner(address, want.dataset), want.dataset))
        if series is None:
            return
        if want.manifest:
            yield topic, series.present().manifest, False
        elif want.last >= want.first:
            known = want.generation == series.generation
            wanted = range(want.first, want.last + 1)
            chunks = series.chunks(want.version, wanted) if known else None
            found = [series.base().manifest] if chunks is None else chunks
            yield from ((topic, payload, False) for payload in found)
        else:
            deltas = series.since(want.generation, want.version)
            if deltas is None or not (deltas or want.buckets):
                yield topic, series.base().manifest, False
                return
            yield from ((topic, delta, False) for delta in deltas)
            for number in want.buckets:
                yield from ((topic, part, False) for part in series.bucket(number))

    def on_change(self) -> Iterator[Outgoing]:
        """Look at the files: what has changed since the last time."""
        for owner, dataset in self._shelf.refresh():
            rows = self._shelf.rows(owner, dataset)
            series = self._series.get((owner, dataset))
            if rows is None:
                continue
            delta = None
            if series is None:
                series = self._begin(owner, dataset)
            else:
                delta = series.change(rows)
            yield from self._spread(owner, dataset, series, delta)

    def _spread(
        self, owner: Box, dataset: Dataset, series: Series, delta: bytes | None
    ) -> Iterator[Outgoing]:
        """Tell whom it concerns."""
        if owner != EVERYBODY:
            if (address := self._boxes.get(owner)) is not None:
                yield address.dataset(dataset), delta or series.base().manifest, False
            return
        for address in self._tenants.values():
            if delta is not None:
                yield address.shared_dataset(dataset), delta, False
            else:
                yield from self._announce(address, dataset, series)

    def _up_to_date(
        self, address: Address, dataset: Dataset, series: Series, *, has: DatasetVersion
    ) -> Iterator[Outgoing]:
        own = series.generation.startswith(OWN)
        if not own and (address.tenant, dataset) not in self._announced:
            yield from self._announce(address, dataset, series)
        deltas = series.since(has.generation, has.version)
        if deltas is None:
            yield address.dataset(dataset), series.base().manifest, False
        else:
            yield from ((address.dataset(dataset), delta, False) for delta in deltas)

    def _announce(self, address: Address, dataset: Dataset, series: Series) -> Iterator[Outgoing]:
        """For all boxes of a tenant, and for those that will connect: retained."""
        base = series.base()
        announced = (series.generation, base.version)
        if self._announced.get((address.tenant, dataset)) != announced:
            self._announced[address.tenant, dataset] = announced
            yield address.shared_dataset(dataset), base.manifest, True

    def _refresh(self) -> None:
        for owner, dataset in self._shelf.refresh():
            self._begin(owner, dataset)

    def _begin(self, owner: Box, dataset: Dataset) -> Series:
        rows = self._shelf.rows(owner, dataset)
        assert rows is not None, "the shelf has just said that there are some"
        needs: dict[Dataset, str] = {}
        if dataset in OF_MEMBERS:
            members = self._series.get((owner, Dataset.MEMBERS)) or self._series.get(
                (EVERYBODY, Dataset.MEMBERS)
            )
            needs = {Dataset.MEMBERS: members.generation} if members is not None else {}
        prefix = "" if owner == EVERYBODY else OWN
        series = Series(dataset, rows, needs, key=self._key, prefix=prefix)
        self._series[owner, dataset] = series
        return series
