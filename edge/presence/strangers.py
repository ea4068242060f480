"""On-site tightening: how high the strangers of this shop score, and how much stricter to be.

The presence desk adds one number when a track ends that was not recognised: how far its top score
lay above where the table expects one stranger in ten. Counts only, no vector and no time of day.
It can only raise thresholds, by at most RAISE_MAX. Pure; time is passed in.
"""

import math
from typing import Annotated

from msgspec import Meta, Struct

from edge.presence.face_calibration import Calibration
from edge.presence.gallery import Look

EXPECTED = 0.1
"""The share of strangers that the table expects above its own threshold for just this share. It is
so high that members who were missed (a few in a hundred) cannot be mistaken for a shop's tail."""
BINS = 100
BIN = 0.01
LOWEST = -0.5
"""The bins cover excesses from -0.5 to 0.5; what lies outside counts in the first or last one."""
TRACKS_MIN = 300
"""Fewer tracks say nothing: thirty of them decide."""
TRACKS_MAX = 20_000
"""Beyond it all counts are halved, so the latest weeks weigh most."""
HALF_LIFE_MS = 14 * 86_400_000
RAISE_MAX = 0.08
"""How far a threshold may be raised: a crowd that is shown on purpose must not lock members out."""

Counts = Annotated[tuple[Annotated[int, Meta(ge=0, le=TRACKS_MAX)], ...], Meta(max_length=BINS)]


class Seen(Struct, frozen=True):
    """What is kept between starts: a count per bin, and since when the counts are not halved."""

    counts: Counts = (0,) * BINS
    since_ms: Annotated[int, Meta(ge=0, le=2**53)] = 0


class Raised(Struct, frozen=True):
    """How much is added to every threshold, from how many tracks, and whether more was wanted."""

    by: float
    tracks: int
    at_limit: bool


def excess(top: Look, frames: int, calibration: Calibration, people: int) -> float:
    """How far a track's score lies above what one stranger in ten reaches by the table."""
    return top.score - calibration.threshold(top.photos, max(1, frames), people, EXPECTED)


def with_track(seen: Seen, above: float, now_ms: int) -> Seen:
    """One more track that was not recognised. Call it once for each, when it ends."""
    if not math.isfinite(above):
        return seen
    faded = _faded(seen, now_ms)
    counts = list(faded.counts)
    counts[min(BINS - 1, max(0, math.floor((above - LOWEST) / BIN)))] += 1
    if sum(counts) > TRACKS_MAX:
        counts = [count // 2 for count in counts]
    return Seen(tuple(counts), faded.since_ms)


def raised(seen: Seen) -> Raised:
    """By how much thresholds are raised so that strangers here are named no more than expected."""
    tracks = sum(seen.counts)
    if len(seen.counts) != BINS or tracks < TRACKS_MIN:
        return Raised(0.0, tracks, at_limit=False)
    left = tracks * EXPECTED
    number = BINS - 1
    while number > 0 and left >= seen.counts[number]:
        left -= seen.counts[number]
        number -= 1
    share = left / seen.counts[number] if seen.counts[number] else 0.0
    wanted = LOWEST + BIN * (number + 1 - share)
    return Raised(min(RAISE_MAX, max(0.0, wanted)), tracks, at_limit=wanted > RAISE_MAX)


def _faded(seen: Seen, now_ms: int) -> Seen:
    """Halve the counts for every half-life that has passed; a clock put back changes nothing."""
    counts = seen.counts if len(seen.counts) == BINS else (0,) * BINS
    if not any(counts):
        return Seen(counts, now_ms)
    halvings = max(0, now_ms - seen.since_ms) // HALF_LIFE_MS
    if not halvings:
        return Seen(counts, seen.since_ms)
    kept = tuple(count >> min(halvings, 63) for count in counts)
    return Seen(kept, seen.since_ms + halvings * HALF_LIFE_MS)
