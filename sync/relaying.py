"""What a primary has of its satellites' events, sent on to the platform on its own connection.

One `Uplink` for each satellite, over the batches that `sync/relay.py` has taken over. A satellite
that began a new life (epoch) has its former one sent to the end first. Handed to the link as its
`relays`; it changes no batch, and deletes nothing that the platform has not acknowledged. A broker
that refuses a satellite's messages does not end the primary's own line.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, EventTooLarge, PublishRefused
from edge.racing import first_of
from edge.records import Stream
from edge.storage import relayed
from edge.storage.database import Database, Transaction
from edge.storage.relayed import Origin
from sync.complaints import Complaints
from sync.messages import ROOT, Ack, Address, ClockState, Greeting, Hello, StreamState, decode
from sync.relay import Relay
from sync.uplink import Pace, Publisher, Uplink

log = logging.getLogger(__name__)

AT_ONCE = Pace(0.0, 0.0)
"""What is relayed has waited for its batch to fill already."""
OWN_SLOTS = 4
"""Of the connection's unconfirmed publishes, kept free of satellites: for this box's own orders."""
REFUSED_S, REFUSED_S_MAX = 1.0, 300.0
"""A satellite whose messages the broker refuses is tried again after so long, then twice that."""


class SharedSlots:
    """The part of a connection that all satellites together may use: a `Publisher`."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._slots = asyncio.Semaphore(self.window)

    @property
    def window(self) -> int:
        """How many publishes of all satellites may be unconfirmed."""
        return max(1, self._publisher.window - OWN_SLOTS)

    def payload_max(self, topic: str) -> int:
        """As the connection's."""
        return self._publisher.payload_max(topic)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """As the connection's, when it is this one's turn."""
        async with self._slots:
            await self._publisher.publish(topic, payload, retain=retain)


class RelaySource:
    """The stored batches of one life of one satellite."""

    def __init__(
        self, database: Database, origin: Origin, on_delivered: Callable[[], None]
    ) -> None:
        self._database = database
        self._on_delivered = on_delivered
        self._told: dict[Stream, int] = {}
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

    def standing(self) -> dict[Stream, StreamState]:
        """For the hello. What was lost here counts as deleted, so that the platform declares it."""
        cursors = self.cursors()
        self._told = relayed.floors(self._database.reading, self.origin)
        return {stream: StreamState(cursors[stream][0], self._told[stream]) for stream in Stream}

    @property
    def lost(self) -> bool:
        """Whether the platform waits for something that is lost, and has not been told."""
        reading = self._database.reading
        delivered = relayed.cursors(reading, self.origin)
        return any(
            floor > max(delivered[stream][1], self._told.get(stream, 0))
            for stream, floor in relayed.floors(reading, self.origin).items()
        )

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
        self._complaints = Complaints(log, counters)
        self._uplinks: dict[str, Uplink] = {}
        """Of the present connection, by satellite."""
        self._conn = 0
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
        self._conn = await self._database.transact(lambda tx: tx.next_number("connection"))
        shared = SharedSlots(publisher)
        try:
            async with asyncio.TaskGroup() as group:
                known: set[str] = set()
                while True:
                    self._taken.clear()
                    boxes = {origin.box for origin in relayed.origins(self._database.reading)}
                    for box in sorted(boxes - known):
                        group.create_task(self._send_for(box, shared))
                    known |= boxes
                    await self._taken.wait()
        finally:
            self._uplinks.clear()  # they would speak on a connection that has ended

    async def receive(self, address: Address, what: str, payload: bytes) -> None:
        """An answer of the platform to one of the satellites."""
        uplink = self._uplinks.get(str(address))
        try:
            if what == "dn/hello":
                decode(payload, Greeting)
                if uplink is not None:  # else it will say hello anyway
                    await uplink.greeted()
            elif what == "dn/ack":
                if uplink is None:
                    raise BadMessage(f"Nothing has been sent for {address}.")
                await uplink.acknowledged(decode(payload, Ack))
        except PublishRefused as error:
            self._refused(str(address), error)

    async def _send_for(self, box: str, publisher: Publisher) -> None:
        """One life of a satellite after the other, the last one for as long as we are connected."""
        pause_s = REFUSED_S
        while True:
            refused = False
            try:
                await self._send_life(self._first_unfinished(box), publisher)
            except* PublishRefused as group:
                refused = True
                self._refused(box, group.exceptions[0])
            if refused:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, REFUSED_S_MAX)

    async def _send_life(self, origin: Origin, publisher: Publisher) -> None:
        """Send one life, until another one's turn has come."""
        source = RelaySource(self._database, origin, self._delivered.set)
        hello = partial(self._hello, source)
        uplink = Uplink(source, hello, pace=AT_ONCE, counters=self._counters)
        self._uplinks[origin.box] = uplink
        try:
            await uplink.begin(publisher)
            await first_of(uplink.run(), self._watch(source, uplink))
        finally:
            self._uplinks.pop(origin.box, None)

    def _refused(self, box: str, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        text = f"What satellite {box} sends cannot be passed on: {error}"
        self._complaints.say("relay.refused_by_broker", text, asyncio.get_running_loop().time())

    def _first_unfinished(self, box: str) -> Origin:
        reading = self._database.reading
        lives = [origin for origin in relayed.origins(reading) if origin.box == box]
        return next((o for o in lives[:-1] if relayed.waiting(reading, o)), lives[-1])

    async def _watch(self, source: RelaySource, uplink: Uplink) -> None:
        """Tell the platform what is lost; returns when another life is to be sent."""
        while self._first_unfinished(source.origin.box) == source.origin:
            self._delivered.clear()
            if source.lost:
                self._counters.add("relay.declared_lost")
                await uplink.say_hello()
            else:
                await self._delivered.wait()

    def _hello(self, source: RelaySource, _again: bool) -> Hello:
        now = self._clock.now()
        return Hello(
            v=1,
            epoch=source.epoch,
            boot=now.boot,
            conn=self._conn,
            sent=now.wall_ms,
            clock=ClockState.of(now.trusted),
            streams=source.standing(),
            datasets={},
            relayed=True,
        )

    def _on_taken(self) -> None:
        self._taken.set()
        self._delivered.set()
        for uplink in self._uplinks.values():
            uplink.wake()
