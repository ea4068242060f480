"""The box's line to the platform: sends what waits in the outbox, takes what comes down.

One task of the daemon. On each connection nothing is sent before the platform has said what it
has: if that contradicts this box, its database was restored from a backup, and it begins a new
epoch rather than give old numbers to new events. An event leaves the outbox only when the platform
says that it has committed it; a PUBACK means nothing but room for the next message. Whatever
breaks, the events stay, the status says why and what to do, and the link tries again.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, BrokerRefused, StorageError, SyncError
from edge.records import Moment, Stream
from edge.storage import outbox
from edge.storage.database import Database
from sync import acknowledging
from sync.batch import pack
from sync.lane import Lane, choose
from sync.messages import (
    BATCH_EVENTS_MAX,
    Ack,
    Address,
    ClockState,
    Greeting,
    Hello,
    Presence,
    StreamState,
    decode,
    encode,
    parse_topic,
)
from sync.mqtt import BrokerSettings, Connection, Message, Will
from sync.replica import Replica

log = logging.getLogger(__name__)

CRIT_SLOTS = 2
"""Room in the connection's window that only orders and consents may use."""
STEADY_S = 30.0
"""A connection that lasted so long, or moved events, was good: the next retry is a first one."""
GOODBYE_S = 1.5
IDLE_S = 60.0
HELLO_S, HELLO_S_MAX = 5.0, 60.0
"""A hello that nobody answers is said again after so long, and each further time twice as long."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Which box, which broker, and how patient to be."""

    address: Address
    broker: BrokerSettings
    first_retry_s: float = 1.0
    """The first retry comes after a random part of this, each further one doubles it."""
    retry_max_s: float = 300.0
    visit_flush_s: float = 1.0
    bulk_flush_s: float = 30.0
    will_delay_s: int = 30
    missing_part_s: float = 20.0
    """A snapshot without a new part for so long is asked for again."""
    seed: int | None = None
    """Of the retries' randomness; None takes one from the system, so that boxes differ."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How the line is. `reason` and `remedy` are sentences, empty while connected."""

    connected: bool
    since: Moment
    reason: str = ""
    remedy: str = ""
    acked: tuple[tuple[Stream, int], ...] = ()
    last_ack: Moment | None = None


class Link:
    """The uplink and downlink of one box. `run` it; `stop` says goodbye."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        settings: LinkSettings,
        replica: Replica,
        counters: Counters,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._replica = replica
        self._counters = counters
        self._random = random.Random(settings.seed)  # noqa: S311 - spreads retries, no secret
        self._connection: Connection | None = None
        self._number = 0
        self._compared = False
        """Whether the platform has said on this connection what it has, and it is ours."""
        self._hello_s = HELLO_S
        self._hello_at_s = 0.0
        self._draining = 0
        self._lanes: list[Lane] = []
        self._woken = asyncio.Event()
        self._emptied = asyncio.Event()
        self._stopping = asyncio.Event()
        self._last_part_s = 0.0
        self._status = LinkStatus(False, clock.now(), "The link has not been started.")
        database.on_commit(self._on_commit)

    def status(self) -> LinkStatus:
        """How the line is now."""
        cursors = outbox.cursors(self._database.reading)
        return replace(self._status, acked=tuple((s, cursors[s][1]) for s in Stream))

    async def drained(self, timeout_s: float) -> bool:
        """Wait until the platform has acknowledged everything; False if it takes longer.

        Meanwhile nothing waits for its batch to fill.
        """
        self._draining += 1
        self._woken.set()
        try:
            async with asyncio.timeout(timeout_s):
                while not self._empty():
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            return False
        finally:
            self._draining -= 1
        return True

    async def run(self) -> None:
        """Keep the box connected until `stop` or cancellation."""
        retries = 0
        while not self._stopping.is_set():
            began = self._now()
            error: StorageError | SyncError | None = None
            try:
                await self._connected_once()
            except* (SyncError, StorageError) as group:
                error = _first(group)
            if error is None or self._stopping.is_set():
                break
            was_good = self._status.connected and (
                self._now() - began > STEADY_S or self._status.last_ack is not None
            )
            retries = 0 if was_good else retries
            self._note_failure(error)
            await self._pause(self._delay_s(error, retries))
            retries += 1

    async def stop(self) -> None:
        """Tell the platform that this is no accident, and disconnect. `run` returns."""
        self._stopping.set()
        connection = self._connection
        if connection is None:
            return
        with contextlib.suppress(SyncError, TimeoutError):  # the last will says it instead
            async with asyncio.timeout(GOODBYE_S):
                offline = encode(self._presence("offline"))
                await connection.publish(self._settings.address.presence, offline, retain=True)
        await connection.close()

    # --- one connection

    async def _connected_once(self) -> None:
        settings = self._settings
        self._number = await self._database.transact(lambda tx: tx.next_number("connection"))
        offline = encode(self._presence("offline"))
        will = Will(settings.address.presence, offline, settings.will_delay_s)
        connection = await Connection.open(settings.broker, will)
        self._connection = connection
        try:
            if self._stopping.is_set():
                return
            await connection.subscribe(*settings.address.down)
            online = encode(self._presence("online"))
            await connection.publish(settings.address.presence, online, retain=True)
            self._lanes = self._new_lanes()
            self._compared, self._hello_s = False, HELLO_S
            await self._say_hello(connection)
            self._status = LinkStatus(True, self._clock.now())
            log.info("connected to the broker at %s", settings.broker.host)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(connection))
                group.create_task(self._send(connection, group))
        finally:
            self._connection = None
            connection.abort()

    def _new_lanes(self) -> list[Lane]:
        flush_s = {
            Stream.CRIT: 0.0,
            Stream.VISIT: self._settings.visit_flush_s,
            Stream.BULK: self._settings.bulk_flush_s,
        }
        cursors = outbox.cursors(self._database.reading)
        return [
            Lane(stream, flush_s[stream], last=cursors[stream][0], acked=cursors[stream][1])
            for stream in Stream
        ]

    async def _say_hello(self, connection: Connection, *, again: bool = False) -> None:
        now, self._hello_at_s = self._clock.now(), self._now()
        cursors = outbox.cursors(self._database.reading)
        hello = Hello(
            v=1,
            epoch=self._database.epoch,
            boot=now.boot,
            conn=self._number,
            sent=now.wall_ms,
            clock=ClockState.of(now.trusted),
            streams={stream: StreamState(*cursors[stream]) for stream in Stream},
            datasets=self._replica.versions(),
            again=again,
        )
        await connection.publish(self._settings.address.up("hello"), encode(hello))

    def _presence(self, state: Literal["online", "offline"]) -> Presence:
        return Presence(v=1, state=state, boot=self._clock.now().boot, conn=self._number)

    # --- upward

    async def _send(self, connection: Connection, group: asyncio.TaskGroup) -> None:
        """Hand over batches as long as there are any, then sleep until something changes."""
        turn = in_flight = 0

        def confirmed(_: asyncio.Task[None]) -> None:
            nonlocal in_flight
            in_flight -= 1
            self._woken.set()

        while True:
            self._woken.clear()
            now = self._now()
            self._look(now)
            lane = choose(self._lanes_with_room(connection.window - in_flight), turn, now)
            packed = self._packed(lane, now) if lane is not None else None
            if lane is None or packed is None:
                await self._sleep(now, connection)
                continue
            turn += 1
            in_flight += 1
            topic = self._settings.address.up(lane.stream)
            group.create_task(connection.publish(topic, packed)).add_done_callback(confirmed)

    def _look(self, now: float) -> None:
        """What was produced meanwhile, and whose batches got stuck."""
        cursors = outbox.cursors(self._database.reading)
        for lane in self._lanes:
            lane.produced(cursors[lane.stream][0], now)
            if self._draining:
                lane.hurry(now)
            if lane.check_progress(now):
                self._counters.add("link.sent_again")

    def _lanes_with_room(self, free: int) -> list[Lane]:
        if free <= 0 or not self._compared:
            return []
        return self._lanes if free > CRIT_SLOTS else self._lanes[:1]

    def _packed(self, lane: Lane, now: float) -> bytes | None:
        origin = (self._settings.address.box, self._database.epoch)
        events = outbox.pending(
            self._database.reading, origin, lane.stream, after=lane.sent, limit=BATCH_EVENTS_MAX
        )
        if not events:
            return None
        payload, last = pack(self._settings.address, events, self._clock.now())
        lane.batch_sent(last, now)
        return payload

    async def _sleep(self, now: float, connection: Connection) -> None:
        dates = [at for lane in self._lanes if (at := lane.wake_at()) is not None]
        if not self._compared:
            if now >= self._hello_at_s + self._hello_s:
                self._hello_s = min(2 * self._hello_s, HELLO_S_MAX)
                await self._say_hello(connection)
            dates.append(self._hello_at_s + self._hello_s)
        if self._replica.incomplete:
            if now >= self._last_part_s + self._settings.missing_part_s:
                self._last_part_s = now
                await self._say_hello(connection, again=True)
            dates.append(self._last_part_s + self._settings.missing_part_s)
        # A date in the past waits for room in the window, and room wakes us.
        wait_s = min((at - now for at in dates if at > now), default=IDLE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._woken.wait()

    # --- downward

    async def _receive(self, connection: Connection) -> None:
        while True:
            message = await connection.receive()
            try:
                await self._take(message, connection)
            except BadMessage as error:
                self._counters.add("link.bad_message")
                log.warning("refused a message on %s: %s", message.topic, error)
            except (SyncError, StorageError):
                raise  # it comes again on the next connection
            except Exception as error:  # a border: one message must not end the daemon
                self._counters.add("link.failed_message")
                log.error("a message on %s could not be used: %r", message.topic, error)
            message.ack()

    async def _take(self, message: Message, connection: Connection) -> None:
        _, what = parse_topic(message.topic)
        if what == "dn/ack":
            await self._acknowledged(decode(message.payload, Ack))
        elif what == "dn/hello":
            decode(message.payload, Greeting)
            for lane in self._lanes:
                lane.asked_again(self._now())
            await self._say_hello(connection)
        elif what.startswith("dn/d/"):
            self._last_part_s = self._now()
            applied = await self._replica.receive(what.removeprefix("dn/d/"), message.payload)
            self._woken.set()  # the sender also minds what is incomplete
            if applied:
                await self._say_hello(connection)
        else:
            self._counters.add("link.unknown_topic")

    async def _acknowledged(self, ack: Ack) -> None:
        if ack.epoch != self._database.epoch:
            self._counters.add("link.ack_of_another_epoch")
            return
        if (wrong := acknowledging.contradiction(self._database.reading, ack)) is not None:
            self._counters.add(wrong)
            self._compared = False
            await self._database.transact(outbox.renew_epoch)
            raise SyncError(
                "The platform has events of this box that the box does not know.",
                "Its database was restored from a backup; it begins anew and sends what waits.",
            )
        self._compared = True
        cursors = outbox.cursors(self._database.reading)
        if any(upto > cursors[stream][1] for stream, upto in ack.upto.items()):
            cursors = await self._database.transact(partial(acknowledging.delete, uptos=ack.upto))
        now = self._now()
        for lane in self._lanes:
            lane.acknowledged(cursors[lane.stream][1], now)
            if lane.stream in ack.resend:
                lane.asked_again(now)
        self._status = replace(self._status, last_ack=self._clock.now())
        self._woken.set()
        if self._empty():
            self._emptied.set()

    # --- between connections

    def _note_failure(self, error: StorageError | SyncError) -> None:
        if self._status.reason != error.what:
            log.warning("%s", error)
        self._status = LinkStatus(False, self._clock.now(), error.what, error.remedy)

    def _delay_s(self, error: StorageError | SyncError, retries: int) -> float:
        """Full jitter. After a refusal nothing gets better by hurrying."""
        longest = self._settings.retry_max_s
        if isinstance(error, BrokerRefused):
            return self._random.uniform(longest / 2, longest)
        ceiling = self._settings.first_retry_s * 2.0 ** min(retries, 30)
        return self._random.uniform(0, min(longest, ceiling))

    async def _pause(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()

    def _on_commit(self, _streams: Iterable[Stream]) -> None:
        self._woken.set()

    def _empty(self) -> bool:
        return all(upto == last for last, upto in outbox.cursors(self._database.reading).values())

    def _now(self) -> float:
        """The loop's time: the network stays on real time whatever the clock of the shop."""
        return asyncio.get_running_loop().time()


def _first(group: BaseExceptionGroup[SyncError | StorageError]) -> SyncError | StorageError:
    """The one error to show: tasks of one connection end for the same reason."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SyncError | StorageError)
    return error
