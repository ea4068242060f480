"""The box's line to the platform: one connection after the other, until it is told to stop.

One task of the daemon. Each connection is made anew; what goes up is the uplink's work
(`sync/uplink.py`), what comes down is handed to the parts of `Downward`. An event leaves the outbox
only when the platform says that it has committed it. Whatever breaks, the events stay, the status
says why and what to do, and the link tries again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, BrokerRefused, StorageError, SyncError
from edge.records import Moment, Stream
from edge.storage.database import Database
from sync.broker import BrokerSettings, Will
from sync.complaints import Complaints
from sync.downward import Dispatch, Downward, Relays
from sync.messages import Address, ClockState, Hello, Presence, StreamState, encode
from sync.mqtt import Connection
from sync.refusals import UNKNOWN_VERSION
from sync.retries import ELSEWHERE, SENT_ON_MAX, TAKEN_OVER, Retries
from sync.silence import SILENT, SILENT_REMEDY
from sync.source import OutboxSource
from sync.twin import REMEDY, Twin
from sync.uplink import Pace, Uplink

log = logging.getLogger(__name__)

STEADY_S = 30.0
"""A connection that lasted so long, or moved events, was good: the next retry is a first one."""
GOODBYE_S = 1.5


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Which box, which broker, and how patient to be."""

    address: Address
    broker: BrokerSettings
    first_retry_s: float = 30.0
    """The first retry comes after a random part of this, each further one doubles it."""
    retry_max_s: float = 300.0
    taken_over_s: float = 300.0
    """The pause after another box has taken this one's place at the broker."""
    pace: Pace = field(default_factory=Pace)
    will_delay_s: int = 30
    missing_part_s: float = 20.0
    """A dataset of which nothing new came for so long is asked for again."""
    seed: int | None = None
    """Of the retries' randomness; None takes one from the system, so that boxes differ."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How the line is. `reason` and `remedy` are sentences, empty while connected.

    `since` is when it became so. `rtt_ms` is from sending a batch to its acknowledgement by the
    platform, `window` how many batches may be unacknowledged, `refused` tells for each stream that
    is not taken now why not. `alarms` are sentences about what somebody has to look at; one of them
    says what `silent` means: connected, and the platform does not answer.
    """

    connected: bool
    since: Moment
    reason: str = ""
    remedy: str = ""
    acked: tuple[tuple[Stream, int], ...] = ()
    last_ack: Moment | None = None
    rtt_ms: int | None = None
    window: int = 0
    refused: tuple[tuple[Stream, str], ...] = ()
    alarms: tuple[str, ...] = ()
    silent: bool = False
    protocol: str = ""
    """The version of MQTT that is spoken on this connection."""


class Link:
    """The uplink and downlink of one box. `run` it; `stop` says goodbye."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        settings: LinkSettings,
        downward: Downward,
        counters: Counters,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._downward = downward
        self._counters = counters
        self._complaints = Complaints(log, counters)
        self._retries = _retries(settings)
        self._twin = Twin(settings.taken_over_s)
        self._dismissed, self._connected_at = False, 0.0
        self._source = OutboxSource(database, clock, settings.address, downward.restored)
        self._uplink = Uplink(self._source, self._hello, pace=settings.pace, counters=counters)
        self._dispatch = Dispatch(
            settings.address,
            self._uplink,
            downward,
            acknowledged=self._note_ack,
            unknown=lambda kind, text: self._complaints.say(kind, text, _now()),
        )
        self._broker = settings.broker
        self._understands_5 = False
        self._sent_on = 0
        self._connection: Connection | None = None
        self._number = 0
        self._stopping = asyncio.Event()
        self._part_s = 0.0
        self._relays_alarm = ""
        self._alarm = ""
        self._last_ack: Moment | None = None
        """On any connection, unlike that of `_status`."""
        self._status = LinkStatus(False, clock.now(), "The link has not been started.")
        database.on_commit(self._on_commit)

    def status(self) -> LinkStatus:
        """How the line is now."""
        cursors = self._database.cursors()
        refused = self._uplink.refused
        rtt_s = self._uplink.rtt_s
        return replace(
            self._status,
            acked=tuple((stream, cursors[stream][1]) for stream in Stream),
            last_ack=self._last_ack,
            rtt_ms=None if rtt_s is None else round(rtt_s * 1000),
            window=self._uplink.window,
            refused=tuple(refused.items()),
            alarms=tuple(self._alarms()),
            silent=self._silent,
        )

    @property
    def _silent(self) -> bool:
        return self._status.connected and self._uplink.silent

    def _alarms(self) -> list[str]:
        """What somebody has to look at, most urgent first."""
        lasted_s = _now() - self._connected_at if self._status.connected else 0.0
        alarms = [f"{SILENT} {SILENT_REMEDY}"] if self._silent else []
        alarms += [REMEDY] if self._twin.suspected(lasted_s) else []
        alarms += [alarm for alarm in (self._alarm, self._relays_alarm) if alarm]
        if (restored := self._source.renewed) is not None:
            alarms.append(_restored(restored))
        refused = self._uplink.refused.items()
        return alarms + [f"The stream {stream} is not accepted: {why}" for stream, why in refused]

    async def drained(self, timeout_s: float) -> bool:
        """Wait until the platform has acknowledged everything; False if it takes longer.

        Meanwhile nothing waits for its batch to fill.
        """
        return await self._uplink.drained(timeout_s)

    async def run(self) -> None:
        """Keep the box connected until `stop` or cancellation."""
        while not self._stopping.is_set():
            began = _now()
            error: StorageError | SyncError | None = None
            self._dismissed = False
            try:
                await self._connected_once()
            except* (SyncError, StorageError) as group:
                error = _first(group)
            except* Exception as group:  # the task's border: a fault of ours must not end the box
                log.exception("the connection ended by a fault", exc_info=group)
                error = SyncError(
                    f"A fault of storebox ended the connection: {group.exceptions[0]!r}.",
                    "It connects again; please report this with the log.",
                )
            if error is None or self._stopping.is_set():
                break
            lasted = self._status.connected and _now() - began > STEADY_S
            if lasted or self._status.last_ack is not None:
                self._retries.succeeded()
                self._complaints.forget("link.ended_")
                self._sent_on = 0
            error = self._twin.ended(_now() - began, dismissed=self._dismissed) or error
            self._note_failure(error)
            if not self._follow(error):
                await self._pause(self._retries.pause_s(error))

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
        address = self._settings.address
        self._number = await self._database.transact(lambda tx: tx.next_number("connection"))
        offline = encode(self._presence("offline"))
        will = Will(address.presence, offline, self._settings.will_delay_s)
        connection = await Connection.open(self._broker, will)
        self._connection = connection
        try:
            if self._stopping.is_set():
                return
            relays = self._downward.relays
            online = encode(self._presence("online"))
            async with asyncio.TaskGroup() as said:  # in this order, and in one round trip
                said.create_task(connection.subscribe(*address.down))
                said.create_task(connection.publish(address.presence, online, retain=True))
                said.create_task(self._uplink.begin(connection))
            if relays is not None and not await self._subscribed_for(relays, connection):
                relays = None
            for part in self._downward.speaking:
                part.attach(connection.publish)
            self._note_connected(connection)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(connection))
                group.create_task(self._uplink.run())
                group.create_task(self._ask_again())
                if relays is not None:
                    group.create_task(relays.run(connection))
        finally:
            self._connection = None
            self._dismissed = connection.dismissed
            for part in self._downward.speaking:
                part.detach()
            connection.abort()

    async def _subscribed_for(self, relays: Relays, connection: Connection) -> bool:
        """Whether the broker lets us hear what is for others; if not, our own line stays up."""
        try:
            await connection.subscribe(*relays.filters)
        except BrokerRefused as error:
            self._relays_alarm = str(error)
            self._complaints.say("link.relays_refused", error, _now())
            return False
        self._relays_alarm = ""
        return True

    def _hello(self, again: bool) -> Hello:
        now = self._clock.now()
        cursors = self._source.cursors()
        return Hello(
            v=1,
            epoch=self._database.epoch,
            boot=now.boot,
            conn=self._number,
            sent=now.wall_ms,
            clock=ClockState.of(now.trusted),
            streams={stream: StreamState(*cursors[stream]) for stream in Stream},
            datasets=self._downward.datasets.versions(),
            again=again,
            commands=self._downward.told.commands(),
            key=self._downward.told.key(),
            evicted=self._downward.told.evicted(),
        )

    def _presence(self, state: Literal["online", "offline"]) -> Presence:
        return Presence(v=1, state=state, boot=self._clock.now().boot, conn=self._number)

    async def _receive(self, connection: Connection) -> None:
        while True:
            message = await connection.receive()
            if "/dn/d/" in message.topic:
                self._part_s = _now()
            try:
                await self._dispatch.take(message.topic, message.payload, retained=message.retained)
            except BadMessage as error:
                text = f"A message on {message.topic[:100]!r} was refused: {error}"
                self._complaints.say("link.bad_message", text, _now())
            except (SyncError, StorageError):
                raise  # it comes again on the next connection
            except Exception as error:  # a border: one message must not end the daemon
                text = f"A message on {message.topic[:100]!r} could not be used: {error!r}"
                self._complaints.say("link.failed_message", text, _now())
            message.ack()
            self._uplink.wake()

    async def _ask_again(self) -> None:
        """If the next part of a dataset does not come, or a command was not kept: ask once more."""
        wait_s = self._settings.missing_part_s
        while True:
            await asyncio.sleep(max(0.01, self._part_s + wait_s - _now()))
            if _now() < self._part_s + wait_s:
                continue
            self._part_s = _now()
            if self._downward.incomplete:
                await self._uplink.say_hello(again=True)

    # --- between connections

    def _note_connected(self, connection: Connection) -> None:
        self._status = LinkStatus(True, self._clock.now(), protocol=connection.protocol)
        self._alarm = ""
        self._part_s = self._connected_at = _now()
        self._understands_5 = connection.protocol == "5"
        log.info("connected to the broker at %s", self._broker.host)

    def _note_ack(self) -> None:
        self._last_ack = self._clock.now()
        self._status = replace(self._status, last_ack=self._last_ack)

    def _note_failure(self, error: StorageError | SyncError) -> None:
        code = error.code if isinstance(error, BrokerRefused) else 0
        self._complaints.say(f"link.ended_{type(error).__name__}_{code:02x}", error, _now())
        if isinstance(error, BrokerRefused):
            self._alarm = str(error) if error.code != TAKEN_OVER else ""
            if error.code == TAKEN_OVER:
                self._twin.told()
                self._counters.add("link.taken_over")
        self._status = LinkStatus(False, self._clock.now(), error.what, error.remedy)

    def _follow(self, error: StorageError | SyncError) -> bool:
        """Go where the broker sends us, if that is safe. Else back to the one configured."""
        refused = error if isinstance(error, BrokerRefused) and error.code in ELSEWHERE else None
        wanted = refused.elsewhere.strip() if refused is not None else ""
        # Without TLS nobody vouches for the one who says so.
        if wanted and self._broker.encrypted and self._sent_on < SENT_ON_MAX:
            self._sent_on += 1
            self._counters.add("link.sent_elsewhere")
            self._broker = self._broker.at(wanted)
            return True
        self._broker, self._sent_on = self._settings.broker, 0
        unknown = isinstance(error, BrokerRefused) and error.code == UNKNOWN_VERSION
        if self._understands_5 and self._broker.protocol == "auto" and not unknown:
            self._broker = replace(self._broker, protocol="5")  # no need to try the other one
        return False

    async def _pause(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()

    def _on_commit(self, _streams: Iterable[Stream]) -> None:
        self._uplink.wake()


def _retries(settings: LinkSettings) -> Retries:
    return Retries(
        settings.first_retry_s,
        settings.retry_max_s,
        taken_over_s=settings.taken_over_s,
        seed=settings.seed,
    )


def _restored(moment: Moment) -> str:
    at = datetime.fromtimestamp(moment.wall_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    return (
        f"This box's database was restored from a backup, as was noticed at {at};"
        " it began anew and sent what waited. Look for what else was restored, and why."
    )


def _now() -> float:
    """The loop's time: the network stays on real time whatever the clock of the shop."""
    return asyncio.get_running_loop().time()


def _first(group: BaseExceptionGroup[SyncError | StorageError]) -> SyncError | StorageError:
    """The one error to show: tasks of one connection end for the same reason."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SyncError | StorageError)
    return error
