"""Readings of one moment reach the box in any order, and in any batches: the outcome is the same.

Through a real desk on a real database. Only what one sensor said stays in its own order, where the
batch does not put it right.
"""

import asyncio
import functools
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.records import (
    AssociationReading,
    CodeReading,
    CrossingReading,
    FaceReading,
    GoneReading,
    Observation,
    Reading,
    TrackReading,
)
from tests.unit.visits_shop import (
    DOOR,
    HALL,
    KIOSK,
    SCANNER,
    TILL,
    WIFI,
    Shop,
    login,
    looks,
    stay,
)

Said = tuple[str, Reading]
Outcome = list[object]
PEOPLE = ("anna", "boris", "vera", "stranger")


def at_the_door(track: int, who: str, inwards: bool) -> list[Said]:
    crossing = CrossingReading("entry", inwards, track)
    readings = [TrackReading(track), *looks(track, who), crossing, GoneReading(track, 2_000)]
    return [(DOOR, reading) for reading in readings]


def in_the_hall(track: int, who: str) -> list[Said]:
    return [
        (HALL, each) for each in (TrackReading(track), *looks(track, who), stay(track, "shoes", 9))
    ]


def at_the_kiosk(track: int, who: str, card: str) -> list[Said]:
    seen: list[Said] = [(KIOSK, TrackReading(track)), *((KIOSK, f) for f in looks(track, who))]
    return [*seen, (SCANNER, CodeReading(f"card-{card}"))]


def happenings() -> st.SearchStrategy[list[Said]]:
    """What happens within one window, in a shop with three members and strangers.

    One track is one body: no number stands for two people at one sensor in one window.
    """
    who, number = st.sampled_from(PEOPLE), st.integers(1, 4)
    member = st.sampled_from(PEOPLE[:3])
    one = st.one_of(
        st.builds(at_the_door, number, who, st.booleans()),
        st.builds(in_the_hall, number, who),
        st.builds(at_the_kiosk, number, who, member),
        st.builds(lambda name: [(TILL, CodeReading(f"card-{name}"))], member),
        st.builds(lambda name: [(WIFI, login(name))], member),
    )
    many = st.lists(one, min_size=1, max_size=4, unique_by=whose)
    return many.map(lambda each: [said for one in each for said in one])


def whose(said: list[Said]) -> tuple[str, str]:
    """The sensor, and the track or the sign that it speaks of."""
    sensor, first = said[0]
    return sensor, repr(first)


def outcome(shop: Shop) -> Outcome:
    """Which tracks and signs form one visit, whose it is, how sure, how far, and if it counts."""
    entries = shop.desk._book._visits.entries.values()
    here: Outcome = [
        (
            sorted(entry.tracks),
            sorted(entry.signs),
            entry.visit.state,
            entry.visit.member,
            round(entry.visit.posterior, 9),
            entry.visit.reasons,
            entry.visit.stage,
            entry.visit.counted,
            sorted(entry.visit.zones.items()),
        )
        for entry in entries
    ]
    return [*sorted(here, key=repr), shop.counted, sum(not v.left for v in shop.stored)]


async def lived(windows: Sequence[Sequence[Sequence[Said]]]) -> Outcome:
    """Each window has its batches; all readings of a window are of one moment."""
    with tempfile.TemporaryDirectory() as directory:
        shop = Shop(Path(directory))
        try:
            await shop.has(*PEOPLE[:3])
            await shop.owns("anna")  # a login from another phone only suggests
            for batches in windows:
                shop.clock.move(shop.clock.now().wall_ms + 5_000)
                now = shop.clock.now()
                for batch in batches:
                    told = [Observation(sensor, now, fresh(said)) for sensor, said in batch]
                    await shop.desk.observe(told)
            return outcome(shop)
        finally:
            shop.database.close()


def fresh(reading: Reading) -> Reading:
    """A reading whose vectors or address are not wiped yet."""
    if isinstance(reading, AssociationReading):
        return replace(reading, address=bytearray(reading.address))
    if not isinstance(reading, FaceReading):
        return reading
    vector, fused = bytearray(reading.vector), bytearray(reading.fused)
    return FaceReading(reading.track, reading.model, reading.frames, vector, fused, reading.doubt)


@settings(max_examples=15, deadline=None)
@given(st.lists(happenings(), min_size=1, max_size=3), st.integers(0, 2**32))
def test_the_order_within_a_batch_changes_nothing(windows: list[list[Said]], seed: int) -> None:
    shuffled = [random.Random(seed + n).sample(w, len(w)) for n, w in enumerate(windows)]
    first = asyncio.run(lived([[window] for window in windows]))
    other = asyncio.run(lived([[window] for window in shuffled]))
    assert first == other


def two_people() -> list[list[Said]]:
    """What each sensor says when Anna comes in with her phone, and Boris stands at the kiosk."""
    return [
        at_the_door(1, "anna", True)[:-1],
        in_the_hall(1, "anna"),
        at_the_kiosk(2, "boris", "boris")[:-1],
        [(WIFI, login("anna"))],
        [(TILL, CodeReading("card-anna"))],
    ]


def unseen_face() -> list[list[Said]]:
    """The same of Vera, whose face the door does not see: it is counted once all the same."""
    return [
        [(DOOR, TrackReading(1)), (DOOR, CrossingReading("entry", True, 1))],
        in_the_hall(1, "vera"),
        [(WIFI, login("vera"))],
        [(TILL, CodeReading("card-vera"))],
    ]


@functools.cache
def in_one_batch(people: Callable[[], list[list[Said]]]) -> Outcome:
    return asyncio.run(lived([[[said for each in people() for said in each]]]))


@pytest.mark.parametrize("people", [two_people, unseen_face])
@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False))
def test_neither_does_it_whose_readings_come_first(
    people: Callable[[], list[list[Said]]], chance: random.Random
) -> None:
    """Each reading in a batch of its own, the sensors interleaved in any way."""
    waiting = people()
    order = [n for n, said in enumerate(waiting) for _ in said]
    chance.shuffle(order)
    other = asyncio.run(lived([[[waiting[n].pop(0)] for n in order]]))
    assert in_one_batch(people) == other
