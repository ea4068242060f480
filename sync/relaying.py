"""What a primary has of its satellites' events, sent on to the platform on its own connection.

One `Uplink` for each satellite, over the batches that `sync/relay.py` has taken over. A satellite
that began a new life (epoch) has its former one sent to the end first. Handed to the link as its
`relays`; it changes no batch, and deletes nothing that the platform has not acknowledged.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, EventTooLarge
from edge.records import Stream
from edge.storage import relayed
from edge.storage.database import Database, Transaction
from edge.storage.relayed import Origin
from sync.messages import ROOT, Ack, Address, ClockState, Greeting, Hello, StreamState, decode
from sync.relay import Relay
from sync.uplink import Pace, Publisher, Uplink

AT_ONCE = Pace(0.0, 0.0)
"""What is relayed has waited for its batch to fill already."""


class RelaySource:
    """The stored batches of one life of one satellite."""

    def __init__(
        self, database: Database, origin: Origin, on_delivered: Callable[[], None]
    ) -> None:
        self._database = database
        self._on_delivered = on_delivered
        self.origin = origin

    @property
    def address(self) -> Address:
        """The satellite."""
        return Address(*self.origin.box.split("/"))

    @property
    def epoch(self) -> str:
        """The satellite's."""
        return self.origin.epoch

    def cursors(self) -> dict[Stream, tuple[int, int]]:
        """Taken over from the satellite up to, and acknowledged by the platform up to."""
        return relayed.cursors(self._database.reading, self.origin)

    def next_batch(self, stream: Stream, after: int, bytes_max: int) -> tuple[bytes, int] | None:
        """A batch as the satellite packed it."""
        batch = relayed.next_batch(self._database.reading, self.origin, stream, after=after)
        if batch is not None and len(batch[0]) > bytes_max:
            raise EventTooLarge(
                f"A batch of satellite {self.address.box} is larger than the broker takes.",
                "Let the platform's broker take messages of 128 KiB.",
            )
        return batch

    def contradiction(self, ack: Ack) -> str | None:
        """None: whose numbers these are, the satellite itself finds out."""
        return None

    async def renew(self) -> None:
        """Never asked for: the epoch is the satellite's."""
        raise AssertionError("a relay contradicts nobody")

    async def acknowledged(self, uptos: dict[Stream, int]) -> None:
        """The platform has committed all this: it need not be kept."""

        def change(tx: Transaction) -> None:
            for stream, upto in uptos.items():
                relayed.delivered(tx, self.origin, stream, upto)

        await self._database.transact(change)
        self._on_delivered()


class SatelliteUplinks:
    """The uplinks of all satellites of one primary."""

    def __init__(
        self, home: Address, database: Database, clock: Clock, relay: Relay, counters: Counters
    ) -> None:
        self._home = home
        self._database = database
        self._clock = clock
        self._counters = counters
        self._uplinks: dict[str, Uplink] = {}
        self._taken = asyncio.Event()
        self._delivered = asyncio.Event()
        relay.on_taken(self._on_taken)

    @property
    def filters(self) -> tuple[str, ...]:
        """Answers to the satellites of this shop."""
        shop = f"{ROOT}/{self._home.tenant}/{self._home.store}/+"
        return f"{shop}/dn/ack", f"{shop}/dn/hello"

    async def run(self, publisher: Publisher) -> None:
        """Send what there is, satellite by satellite, until cancelled."""
        async with asyncio.TaskGroup() as group:
            known: set[str] = set()
            while True:
                self._taken.clear()
                boxes = {origin.box for origin in relayed.origins(self._database.reading)}
                for box in sorted(boxes - known):
                    group.create_task(self._send_for(box, publisher))
                known |= boxes
                await self._taken.wait()

    async def receive(self, address: Address, what: str, payload: bytes) -> None:
        """An answer of the platform to one of the satellites."""
        uplink = self._uplinks.get(str(address))
        if uplink is None:
            raise BadMessage(f"Nothing has been sent for {address}.")
        if what == "dn/ack":
            await uplink.acknowledged(decode(payload, Ack))
        elif what == "dn/hello":
            decode(payload, Greeting)
            await uplink.greeted()

    async def _send_for(self, box: str, publisher: Publisher) -> None:
        """One life of a satellite after the other, the last one for as long as we are connected."""
        while True:
            origin = self._first_unfinished(box)
            source = RelaySource(self._database, origin, self._delivered.set)
            hello = partial(self._hello, source)
            uplink = Uplink(source, hello, pace=AT_ONCE, counters=self._counters)
            self._uplinks[box] = uplink
            await uplink.begin(publisher)
            sending = asyncio.create_task(uplink.run())
            superseded = asyncio.create_task(self._superseded(origin))
            try:
                await asyncio.wait({sending, superseded}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                for task in (sending, superseded):
                    task.cancel()
                await asyncio.gather(sending, superseded, return_exceptions=True)

    def _first_unfinished(self, box: str) -> Origin:
        reading = self._database.reading
        lives = [origin for origin in relayed.origins(reading) if origin.box == box]
        return next((o for o in lives[:-1] if relayed.waiting(reading, o)), lives[-1])

    async def _superseded(self, origin: Origin) -> None:
        """Returns when another life of the satellite is to be sent."""
        while self._first_unfinished(origin.box) == origin:
            self._delivered.clear()
            await self._delivered.wait()

    def _hello(self, source: RelaySource, _again: bool) -> Hello:
        now = self._clock.now()
        return Hello(
            v=1,
            epoch=source.epoch,
            boot=now.boot,
            conn=0,
            sent=now.wall_ms,
            clock=ClockState.of(now.trusted),
            streams={stream: StreamState(*numbers) for stream, numbers in source.cursors().items()},
            datasets={},
        )

    def _on_taken(self) -> None:
        self._taken.set()
        self._delivered.set()
        for uplink in self._uplinks.values():
            uplink.wake()
