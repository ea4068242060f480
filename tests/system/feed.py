"""The platform's side of datasets without a line: its messages go straight into a box's replica."""

from types import SimpleNamespace

import msgspec

from edge.storage import staging
from sync.datasets import Want
from sync.messages import Dataset
from sync.reference.series import Base, Series
from sync.reference.shelf import Rows, Stored
from sync.rows import bucket_of, row_hash, row_key


class Feed:
    """One dataset of one box. A row is a dict, or (key, bytes) for whatever no platform sends."""

    def __init__(self, box, dataset, needs=None, key=None):
        self._box, self.dataset, self._needs, self._key = box, dataset, needs or {}, key
        self.series: Series | None = None

    async def __call__(self, *rows) -> bool:
        """A snapshot of these rows, in a generation of its own, whole; whether it was applied."""
        base = self.begin(*rows)
        applied = await self.send(base.manifest)
        for chunk in base.chunks:
            applied |= await self.send(chunk)
        return applied

    def begin(self, *rows) -> Base:
        """A new generation, of which nothing has been sent."""
        self.series = Series(self.dataset, stored(self.dataset, rows), self._needs, key=self._key)
        return self.series.base()

    def delta(self, *rows) -> bytes:
        """The delta to these rows."""
        message = self.series.change(stored(self.dataset, rows))
        assert message is not None
        return message

    async def send(self, message: bytes) -> bool:
        """Hand over one message."""
        return await self._box.replica.receive(self.dataset, message)

    async def answer(self, want: Want) -> None:
        """Give what is asked for, as the platform does."""
        assert want.dataset is self.dataset
        if want.last >= want.first:
            numbers = range(want.first, want.last + 1)
            messages = self.series.chunks(want.version, numbers) or []
        else:
            messages = self.series.since(want.generation, want.version)
            for number in want.buckets:
                messages += self.series.bucket(number)
        for message in messages:
            await self.send(message)

    def is_whole(self) -> bool:
        """Whether the box's state hashes are the platform's."""
        return state(self._box, self.dataset) == self.series.state()


def stored(dataset: Dataset, rows) -> Rows:
    """Rows as the platform keeps them."""
    found = {}
    for row in rows:
        if isinstance(row, tuple):
            key, text = row
        else:
            text = msgspec.json.encode(row)
            key = row_key(dataset, SimpleNamespace(**row))
        found[key] = Stored(text, row_hash(key, text), bucket_of(key))
    return found


def state(box, dataset):
    """The box's state hashes."""
    sums = staging.sums(box.database.reading, dataset)
    return {str(number): value for number, value in sums.items()}
