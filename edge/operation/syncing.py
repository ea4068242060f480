"""How the box stands with its platform: what `storebox sync status` shows on one screen.

The daemon answers from its parts (`running`); while it is dead the command reads the same from the
database (`stopped`). Nothing here writes or decides, and nobody is named.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import Struct

from edge.lease import HEARD, MET, Lease, elapsed_ms, started
from edge.operation import facts
from edge.operation.facts import ClockState, StreamDepth
from edge.records import Moment, Stream
from edge.storage import commanded, datasets, erased, stopwatches
from edge.storage.backlog import Backlog
from edge.storage.commanded import Commanded
from edge.storage.outbox import Executes
from sync.link import LinkStatus

NOT_RUNNING = "The daemon does not run."
HOW_TO_RUN = "Start it: systemctl start storebox"


class LineFacts(Struct, frozen=True):
    """The connection. Times are wall times in ms; `protocol` is the version of MQTT.

    `rtt_ms` is from sending a batch to the platform's acknowledgement, `window` how many batches
    may be on their way, `refused` why a stream is not accepted now, `silent` whether the platform
    owes an answer for too long. `alarms` are sentences about what somebody has to look at. Without
    a running `daemon` nothing of this is known.
    """

    connected: bool
    reason: str = ""
    remedy: str = ""
    since_ms: int | None = None
    last_ack_ms: int | None = None
    protocol: str = ""
    rtt_ms: int | None = None
    window: int = 0
    refused: dict[Stream, str] = {}
    alarms: tuple[str, ...] = ()
    silent: bool = False
    daemon: bool = True


class Lag(Struct, frozen=True):
    """One stream: how full it is, and how many events were ever given up."""

    depth: StreamDepth
    evicted: int


class DatasetFacts(Struct, frozen=True):
    """Which version of a dataset stands on the box, since when (wall time)."""

    name: str
    generation: str
    version: int
    applied_ms: int


class LeaseFacts(Struct, frozen=True):
    """How long the platform has been silent, and for how long faces may be matched so.

    `met`: it was ever heard; if not, its silence is as old as the box.
    """

    met: bool
    holds: bool
    silent_s: float
    lease_s: float


class CommandFacts(Struct, frozen=True):
    """Whether the box obeys anybody, how far commands came, and the newest of them."""

    keys: bool
    last: int
    newest: tuple[Commanded, ...]


class SyncStatus(Struct, frozen=True):
    """The answer to `sync`. `box` is tenant/store/box; `key` is how the box's keys are protected.

    `erased` counts the people who will never come back onto this box.
    """

    box: str
    epoch: str
    now_ms: int
    line: LineFacts
    streams: tuple[Lag, ...]
    datasets: tuple[DatasetFacts, ...]
    lease: LeaseFacts
    commands: CommandFacts
    erased: int
    clock: ClockState
    key: Literal["file", "tpm", "none"]


class Identity(Struct, frozen=True):
    """What the configuration says of the box."""

    box: str
    clock_source: str
    keys: bool
    lease_s: float


class Reads(Protocol):
    """The box's files, open for reading."""

    @property
    def reading(self) -> Executes:
        """The main file."""
        ...

    @property
    def backlog(self) -> Backlog:
        """What waits for the platform."""
        ...


@dataclass(frozen=True, slots=True)
class Files:
    """The same while the daemon is dead."""

    reading: Executes
    backlog: Backlog


def running(
    files: Reads, identity: Identity, *, link: LinkStatus, lease: Lease, now: Moment
) -> SyncStatus:
    """As the daemon knows it."""
    line = LineFacts(
        connected=link.connected,
        reason=link.reason,
        remedy=link.remedy,
        since_ms=link.since.wall_ms,
        last_ack_ms=link.last_ack.wall_ms if link.last_ack else None,
        protocol=link.protocol,
        rtt_ms=link.rtt_ms,
        window=link.window,
        refused=dict(link.refused),
        alarms=link.alarms,
        silent=link.silent,
    )
    leased = LeaseFacts(lease.met, lease.holds, lease.silent_s, lease.lease_s)
    return _status(files, identity, now, line=line, lease=leased)


def stopped(files: Reads, identity: Identity, now: Moment) -> SyncStatus:
    """As the database alone tells it."""
    line = LineFacts(connected=False, reason=NOT_RUNNING, remedy=HOW_TO_RUN, daemon=False)
    met = stopwatches.get(files.reading, MET) is not None
    watch = stopwatches.get(files.reading, HEARD) or started(now)
    silent_s = elapsed_ms(watch, now) / 1000
    leased = LeaseFacts(met, silent_s < identity.lease_s, silent_s, identity.lease_s)
    return _status(files, identity, now, line=line, lease=leased)


def _status(
    files: Reads,
    identity: Identity,
    now: Moment,
    *,
    line: LineFacts,
    lease: LeaseFacts,
) -> SyncStatus:
    connection = files.reading
    evicted = files.backlog.evicted()
    (epoch,) = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    return SyncStatus(
        box=identity.box,
        epoch=epoch,
        now_ms=now.wall_ms,
        line=line,
        streams=tuple(
            Lag(depth, evicted.get(depth.stream, 0)) for depth in facts.streams(files.backlog)
        ),
        datasets=tuple(DatasetFacts(*state) for state in datasets.states(connection)),
        lease=lease,
        commands=CommandFacts(
            identity.keys, commanded.last(connection), tuple(commanded.latest(connection))
        ),
        erased=erased.count(connection),
        clock=ClockState(identity.clock_source, now.wall_ms, now.trusted),
        key="file",
    )
