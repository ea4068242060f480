"""What an uplink sends: the batches of one outbox, and what an acknowledgement does to it.

`BatchSource` is what the uplink asks for; `OutboxSource` is the box's own outbox. A relay of
another box's stored batches is the other one. Nothing here sends or decides when.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from edge import consent
from edge.clock import Clock
from edge.records import Moment, Stream
from edge.storage import outbox
from edge.storage.database import Database, Transaction
from edge.storage.segments import Sealed
from sync import acknowledging
from sync.batch import pack, pack_sealed
from sync.messages import BATCH_EVENTS_MAX, PAYLOAD_BYTES_MAX, Ack, Address


class BatchSource(Protocol):
    """Whose events an uplink sends."""

    @property
    def address(self) -> Address:
        """Under whose name."""
        ...

    @property
    def epoch(self) -> str:
        """The life of the outbox file whose numbers these are."""
        ...

    def cursors(self) -> dict[Stream, tuple[int, int]]:
        """For each stream the last number given, and up to where it was acknowledged."""
        ...

    def next_batch(self, stream: Stream, after: int, bytes_max: int) -> tuple[bytes, int] | None:
        """The batch of `stream` that begins behind number `after`, and its last number.

        None if nothing waits. EventTooLarge if not even its first event fits into `bytes_max`.
        """
        ...

    def contradiction(self, ack: Ack) -> str | None:
        """A name to count it by, if `ack` speaks of events that this outbox never had."""
        ...

    async def renew(self) -> None:
        """Begin a new epoch: these numbers were given to other events before."""
        ...

    async def acknowledged(self, uptos: dict[Stream, int]) -> None:
        """The platform has committed all this: delete it."""
        ...


class OutboxSource:
    """The box's own outbox."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        address: Address,
        restored: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._address = address
        self._restored = restored
        self.renewed: Moment | None = None
        """When a new epoch was begun last; None if that was not since the daemon was started."""

    @property
    def address(self) -> Address:
        """This box."""
        return self._address

    @property
    def epoch(self) -> str:
        """As committed last."""
        return self._database.epoch

    def cursors(self) -> dict[Stream, tuple[int, int]]:
        """As committed last."""
        return self._database.cursors()

    def next_batch(self, stream: Stream, after: int, bytes_max: int) -> tuple[bytes, int] | None:
        """Packed now, of what waits now; a sealed segment goes as it is."""
        found = self._database.waiting(stream, after, BATCH_EVENTS_MAX)
        now = self._clock.now()
        if isinstance(found, Sealed):
            payload = pack_sealed(self._address, found, (self.epoch, stream), now)
            if len(payload) <= min(bytes_max, PAYLOAD_BYTES_MAX):
                return payload, found.last
            found = self._database.backlog.events(stream, after, BATCH_EVENTS_MAX)
        return pack(self._address, found, now, bytes_max=bytes_max) if found else None

    def contradiction(self, ack: Ack) -> str | None:
        """This database was restored from a backup."""
        return acknowledging.contradiction(self._database, ack)

    async def renew(self) -> None:
        """What waits keeps its number and belongs to the new epoch; consents that no row of the
        platform's has are doubted, and `restored` is called.
        """
        now = self._clock.now()

        def change(tx: Transaction) -> None:
            outbox.renew_epoch(tx)
            consent.doubt_given(tx, now)

        await self._database.transact(change, scrub=True)
        self.renewed = now
        if self._restored is not None:
            self._restored()

    async def acknowledged(self, uptos: dict[Stream, int]) -> None:
        """Deleted with the next group commit."""
        await self._database.transact(partial(acknowledging.delete, uptos=uptos))


def waits(source: BatchSource, streams: Sequence[Stream] = tuple(Stream)) -> bool:
    """Whether anything is not yet acknowledged. A tail that was given up does not wait."""
    cursors = source.cursors()
    return any(upto < last for last, upto in (cursors[stream] for stream in streams))
