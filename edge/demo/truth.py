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


class Recognitions(Struct, frozen=True):
    """How many visits there were, whom the box recognised truly, and how often it was wrong."""

    visits_opened: int
    members: frozenset[str]
    false: int
    false_reasons: tuple[str, ...]


class _Opened(Struct):
    visit: str
    sensor: str


class _Identified(Struct):
    visit: str
    member: str


def recognitions(received: Sequence[Received], story: Story, cards: dict[str, str]) -> Recognitions:
    """The verdict. `cards` gives the member of each card number."""
    opened: dict[str, tuple[str, int]] = {}
    right: set[str] = set()
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
                right.add(named.member)
            else:
                wrong.append(f"{named.member} at {sensor}, {(at_ms - story.start_ms) // 1000} s")
    return Recognitions(len(opened), frozenset(right), len(wrong), tuple(wrong))


def _was_there(member: str, sensor: str, at_ms: int, story: Story, cards: dict[str, str]) -> bool:
    """Whether the visit that began at `sensor` at `at_ms` was this member's."""
    if sensor == "door":
        past = [walk for walk in story.visits if walk.at_ms <= at_ms]
        return bool(past) and past[-1].member == member and at_ms - past[-1].at_ms < ENTRANCE_MS
    scans = (act for act in story.acts if isinstance(act, Scan) and act.expected is Expected.CARD)
    return any(cards.get(scan.text) == member for scan in scans if abs(scan.at_ms - at_ms) < 5_000)
