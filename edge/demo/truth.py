"""Was it true? Compares whom the box said it recognised with who was there, by the story.

Pure. The events are those in the platform's log, so that what is judged is what the chain was told.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from sensors.scenario.story import Expected, Scan, Story
from sync.ingest.log import Received

ENTRANCE_MS = 90_000
"""A track that begins so long after somebody came in is theirs."""
SCAN_MS = 5_000
"""A card counts so long after its scan."""


class Recognitions(Struct, frozen=True):
    """How many visits there were, whom the box recognised truly, and how often it was wrong.

    `missed` says whom it should have recognised and did not: by their face as they came in, or
    when they scanned their card.
    """

    visits_opened: int
    members: frozenset[str]
    false: int
    false_reasons: tuple[str, ...]
    missed: tuple[str, ...]


class _Opened(Struct):
    visit: str
    sensor: str


class _Identified(Struct):
    visit: str
    member: str


class _Right(Struct, frozen=True):
    """A true recognition: of whom, in a visit that began when, and when it was made."""

    member: str
    opened_ms: int
    at_ms: int


def recognitions(received: Sequence[Received], story: Story, cards: dict[str, str]) -> Recognitions:
    """The verdict. `cards` gives the member of each card number."""
    opened: dict[str, tuple[str, int]] = {}
    right: list[_Right] = []
    wrong: list[str] = []
    for row in received:
        if row.type == "visit.opened.v1":
            began = msgspec.json.decode(row.body, type=_Opened)
            opened[began.visit] = (began.sensor, row.event_ms)
        elif row.type == "visit.identified.v1":
            named = msgspec.json.decode(row.body, type=_Identified)
            # a platform that lost the beginning of a visit still has when it was identified
            sensor, at_ms = opened.get(named.visit, ("door", row.event_ms))
            if _was_there(named.member, sensor, at_ms, story, cards):
                right.append(_Right(named.member, at_ms, row.event_ms))
            else:
                wrong.append(f"{named.member} at {sensor}, {(at_ms - story.start_ms) // 1000} s")
    members = frozenset(one.member for one in right)
    missed = (*_missed_faces(right, story), *_missed_cards(right, story, cards))
    return Recognitions(len(opened), members, len(wrong), tuple(wrong), missed)


def _was_there(member: str, sensor: str, at_ms: int, story: Story, cards: dict[str, str]) -> bool:
    """Whether the visit that began at `sensor` at `at_ms` was this member's."""
    if sensor == "door":
        past = [walk for walk in story.visits if walk.at_ms <= at_ms]
        return bool(past) and past[-1].member == member and at_ms - past[-1].at_ms < ENTRANCE_MS
    scans = (act for act in story.acts if isinstance(act, Scan) and act.expected is Expected.CARD)
    return any(
        cards.get(scan.text) == member for scan in scans if abs(scan.at_ms - at_ms) < SCAN_MS
    )


def _missed_faces(right: Sequence[_Right], story: Story) -> list[str]:
    """Walk-ins whose face the camera should know, without a recognition as they came in."""
    return [
        f"{walk.member} by face, {(walk.at_ms - story.start_ms) // 1000} s"
        for walk in story.visits
        if walk.by_face
        and not any(
            one.member == walk.member and 0 <= one.opened_ms - walk.at_ms < ENTRANCE_MS
            for one in right
        )
    ]


def _missed_cards(right: Sequence[_Right], story: Story, cards: dict[str, str]) -> list[str]:
    """Cards scanned by whom the box did not know soon afterwards, in that stay, by any sign."""
    missed = []
    for scan in story.acts:
        if not (isinstance(scan, Scan) and scan.expected is Expected.CARD):
            continue
        member = cards.get(scan.text)
        came_ms = max(
            (w.at_ms for w in story.visits if w.member == member and w.at_ms <= scan.at_ms),
            default=scan.at_ms,
        )
        known = (one for one in right if one.member == member)
        if not any(came_ms <= one.at_ms < scan.at_ms + SCAN_MS for one in known):
            missed.append(f"{member} by card, {(scan.at_ms - story.start_ms) // 1000} s")
    return missed
