"""What the command line shows, as frozen records, and how they are read from the database.

The daemon's answers (`edge/operation/answers.py`) read them through its own connection; the
command line through a read-only one while the daemon is dead. Face templates are never read here,
and names only for one member at a time. Nothing here writes or decides.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge.errors import Refused
from edge.records import Consent, Member, SensorStatus, Stream
from edge.storage import bindings, members, outbox, templates, visits
from edge.storage.backlog import Backlog
from edge.storage.outbox import Executes
from edge.storage.vault import Vault
from edge.visiting import Visit

ROWS_MAX = 500
"""Rows of one answer; `after` asks for what follows."""
BODY_CHARACTERS_MAX = 400
"""An event's body is shown to be recognised, not to be archived."""

Limit = Annotated[int, Meta(ge=1, le=ROWS_MAX)]


class ClockState(Struct, frozen=True):
    """What time the daemon believes it is."""

    source: str
    wall_ms: int
    trusted: bool


class LinkState(Struct, frozen=True):
    """The line to the platform: since when, and when the platform last acknowledged something.

    `silent`: connected, and the platform owes an answer for too long. `alarms` are sentences about
    what somebody has to look at.
    """

    connected: bool
    reason: str = ""
    remedy: str = ""
    since_ms: int | None = None
    last_ack_ms: int | None = None
    silent: bool = False
    alarms: tuple[str, ...] = ()


class StreamDepth(Struct, frozen=True):
    """One queue of the outbox: produced, acknowledged up to, waiting, and how old the oldest is."""

    stream: Stream
    last_seq: int
    upto: int
    waiting: int
    oldest_wall_ms: int | None = None


class BoxStatus(Struct, frozen=True):
    """The answer to `status`. `box` is tenant/store/box, `recognition` the mode in force.

    `datasets` are the versions of what the platform has sent down so far.
    """

    version: str
    box: str
    uptime_s: int
    clock: ClockState
    recognition: str
    sensors: tuple[SensorStatus, ...]
    link: LinkState
    outbox: tuple[StreamDepth, ...]
    datasets: dict[str, int]
    counters: dict[str, int]
    visits_open: int
    members: int
    kiosk: str
    memory_rss_bytes: int


class EventRow(Struct, frozen=True):
    """One waiting event; `body` is the beginning of its JSON."""

    id: str
    type: str
    wall_ms: int
    body: str


class OutboxFacts(Struct, frozen=True):
    """The answer to `outbox`: how full it is and the oldest events of each stream."""

    streams: tuple[StreamDepth, ...]
    events: tuple[EventRow, ...]


class MemberRow(Struct, frozen=True):
    """One member in a list: no name, no card."""

    id: str
    tier: str
    segment: str
    consents: tuple[str, ...]
    has_template: bool


class MemberFacts(Struct, frozen=True):
    """One member in full, with the visit they are on, if any.

    `wifi_until_ms`: until when a phone of theirs is known to the Wi-Fi; None if none is.
    """

    id: str
    name: str
    card: str
    tier: str
    segment: str
    consents: tuple[Consent, ...]
    has_template: bool
    visit: "VisitRow | None"
    wifi_until_ms: int | None = None


class VisitRow(Struct, frozen=True):
    """One visit. `posterior` is the probability that it is `member`'s, `reasons` say why; `state`
    is how sure it is, `stage` how far it came (`reached`: at most), `counted` that it is in the
    figures.
    """

    id: str
    state: str
    opened_ms: int
    last_seen_ms: int
    sensor: str
    member: str | None
    posterior: float
    reasons: tuple[str, ...]
    stage: str = "arrived"
    reached: str = "arrived"
    counted: bool = True


def streams(source: Backlog | Executes) -> tuple[StreamDepth, ...]:
    """How full each stream is, in order of priority. Only a backlog knows how old bulk is."""
    depths = source.depth() if isinstance(source, Backlog) else outbox.depth(source)
    return tuple(
        StreamDepth(depth.stream, depth.last_seq, depth.upto, depth.waiting, depth.oldest_wall_ms)
        for depth in depths
    )


def waiting(backlog: Backlog, limit: int) -> OutboxFacts:
    """Depths, and at most `limit` of the oldest events of each stream."""
    depths = streams(backlog)
    events = [
        EventRow(event.id, event.type, event.moment.wall_ms, _beginning(event.body))
        for depth in depths
        for event in backlog.events(depth.stream, depth.upto, limit)
    ]
    return OutboxFacts(depths, tuple(events))


def member_rows(
    connection: Executes, vault: Vault, *, after: str, limit: int
) -> tuple[MemberRow, ...]:
    """At most `limit` members by id, beginning behind the id `after`."""
    enrolled = templates.owners(connection)
    return tuple(
        MemberRow(
            member.id,
            member.tier,
            member.segment,
            tuple(consent.kind.value for consent in member.consents),
            member.id in enrolled,
        )
        for member in members.page(connection, vault, after, limit)
    )


def member_facts(connection: Executes, vault: Vault, member_id: str) -> MemberFacts:
    """One member. Refused if the box does not know them."""
    member = members.get(connection, vault, member_id)
    if member is None:
        raise Refused(
            f"This box knows no member '{member_id}'.",
            "`storebox members list` shows who it knows.",
        )
    enrolled = member_id in templates.owners(connection)
    bound_until_ms = bindings.until_ms(connection, member_id)
    return _in_full(member, enrolled, bound_until_ms, visits.still_open(connection))


def _in_full(
    member: Member, enrolled: bool, bound_until_ms: int | None, open_visits: Iterable[Visit]
) -> MemberFacts:
    theirs = next((visit for visit in open_visits if visit.member == member.id), None)
    return MemberFacts(
        id=member.id,
        name=member.name,
        card=member.card,
        tier=member.tier,
        segment=member.segment,
        consents=member.consents,
        has_template=enrolled,
        visit=visit_row(theirs) if theirs else None,
        wifi_until_ms=bound_until_ms,
    )


def visit_rows(connection: Executes, *, ended: bool, limit: int) -> tuple[VisitRow, ...]:
    """The open visits, or with `ended` the newest of all; at most `limit`."""
    found = visits.latest(connection, limit) if ended else visits.still_open(connection)[:limit]
    return tuple(visit_row(visit) for visit in found)


def visit_row(visit: Visit) -> VisitRow:
    """One visit as it is listed."""
    return VisitRow(
        id=visit.id,
        state=visit.state.value,
        opened_ms=visit.opened.wall_ms,
        last_seen_ms=visit.last_seen.wall_ms,
        sensor=visit.sensor,
        member=visit.member,
        posterior=visit.posterior,
        reasons=visit.reasons,
        stage=visit.stage.value,
        reached=visit.reached.value,
        counted=visit.counted,
    )


def _beginning(body: msgspec.Raw) -> str:
    text = bytes(body).decode(errors="replace")
    return text if len(text) <= BODY_CHARACTERS_MAX else text[:BODY_CHARACTERS_MAX] + "…"
