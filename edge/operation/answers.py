"""What the running daemon can be asked over its control socket, by name.

The daemon hands its parts to `questions` and the result to `edge/control.py`; the command line
knows the shapes of the answers from `edge/operation/facts.py`. Every answer only reads.
"""

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from edge.clock import Clock
from edge.config import Config
from edge.control import Nothing, Question, question
from edge.counters import Counters
from edge.lease import Lease
from edge.operation import facts, settings, syncing
from edge.operation.facts import BoxStatus, ClockState, Limit, LinkState
from edge.operation.rating import rating_questions
from edge.operation.syncing import SyncStatus
from edge.operation.version import version
from edge.records import Moment, SensorStatus
from edge.storage import datasets, members, visits
from edge.storage.backlog import Backlog
from edge.storage.outbox import Executes
from edge.storage.vault import Vault
from sync.link import LinkStatus


class Reads(Protocol):
    """The open database."""

    @property
    def reading(self) -> Executes:
        """The loop's read-only connection."""
        ...

    @property
    def backlog(self) -> Backlog:
        """What waits for the platform."""
        ...

    @property
    def vault(self) -> Vault:
        """What opens the members' names."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the daemon is asked about.

    `sensors` gives all statuses, `link` how the line is, `lease` whether the platform was heard,
    `kiosk` the address of the pages; `started` is when the daemon began.
    """

    config: Config
    clock: Clock
    counters: Counters
    database: Reads
    sensors: Callable[[], Sequence[SensorStatus]]
    link: Callable[[], LinkStatus]
    lease: Lease
    kiosk: Callable[[], str]
    started: Moment


class _Few(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 20


class _Page(Struct, frozen=True, forbid_unknown_fields=True):
    after: str = ""
    limit: Limit = 100


class _One(Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class _Visits(Struct, frozen=True, forbid_unknown_fields=True):
    ended: bool = False
    limit: Limit = 100


def questions(parts: Parts) -> dict[str, Question]:
    """`status`, `sensors`, `outbox`, `sync`, `members`, `member`, `visits` and `visit_rates`."""
    return rating_questions(
        parts.database.reading, parts.config, lambda: parts.clock.now().wall_ms
    ) | {
        "status": question(Nothing, lambda _: _status(parts)),
        "sensors": question(Nothing, lambda _: parts.sensors()),
        "outbox": question(_Few, lambda few: facts.waiting(parts.database.backlog, few.limit)),
        "sync": question(Nothing, lambda _: _sync(parts)),
        "members": question(
            _Page,
            lambda page: facts.member_rows(
                parts.database.reading, parts.database.vault, after=page.after, limit=page.limit
            ),
        ),
        "member": question(
            _One,
            lambda one: facts.member_facts(parts.database.reading, parts.database.vault, one.id),
        ),
        "visits": question(
            _Visits,
            lambda asked: facts.visit_rows(
                parts.database.reading, ended=asked.ended, limit=asked.limit
            ),
        ),
    }


def _status(parts: Parts) -> BoxStatus:
    box, now, reading = parts.config.box, parts.clock.now(), parts.database.reading
    return BoxStatus(
        version=version(),
        box=f"{box.tenant}/{box.store}/{box.box}",
        uptime_s=(now.mono_ms - parts.started.mono_ms) // 1000,
        clock=ClockState(parts.config.clock.source.value, now.wall_ms, now.trusted),
        recognition=parts.config.recognition.mode.value,
        sensors=tuple(parts.sensors()),
        link=_link(parts.link()),
        outbox=facts.streams(parts.database.backlog),
        datasets={name: version for name, (_, version) in datasets.applied(reading).items()},
        counters=parts.counters.snapshot(),
        visits_open=len(visits.still_open(reading)),
        members=members.count(reading),
        kiosk=parts.kiosk(),
        memory_rss_bytes=memory_rss_bytes(),
    )


def _sync(parts: Parts) -> SyncStatus:
    return syncing.running(
        parts.database,
        settings.identity(parts.config),
        link=parts.link(),
        lease=parts.lease,
        now=parts.clock.now(),
    )


def _link(line: LinkStatus) -> LinkState:
    last_ack_ms = line.last_ack.wall_ms if line.last_ack else None
    return LinkState(
        connected=line.connected,
        reason=line.reason,
        remedy=line.remedy,
        since_ms=line.since.wall_ms,
        last_ack_ms=last_ack_ms,
        silent=line.silent,
        alarms=line.alarms,
    )


def memory_rss_bytes() -> int:
    """What this process holds in memory: the second figure of /proc/self/statm, proc(5)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
