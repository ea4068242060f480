"""Figures are the events of the desks added up; what an event withholds they know all the same."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import erasure
from edge.figures import CELL_MS, Measure, cell_changes
from edge.records import (
    CodeReading,
    CountReading,
    CrossingReading,
    StayReading,
    Stream,
    TrackReading,
)
from edge.storage import figures
from tests.unit.presence_shop import CARD, Shop, opened

ALL = (0, 2**53)
SILENCE_S = 601


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    yield from opened(tmp_path)


def counted(shop: Shop) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for row in figures.cells(shop.database.reading, ALL):
        found[row.measure.value, row.subject] += row.value
    return found


async def a_morning(shop: Shop) -> None:
    """Three come in, one shows a card, and all leave by and by."""
    await shop.enrol()
    for track in (1, 2, 3):
        await shop.see(TrackReading(track), CrossingReading("door", True, track), after_s=70)
    await shop.see(CodeReading(CARD), sensor="scanner")
    await shop.see(StayReading("shelf", 42_000, 2), after_s=200)
    shop.clock.move(shop.clock.now().wall_ms + SILENCE_S * 1000)
    await shop.desk.pass_time()


async def test_they_are_what_the_events_add_up_to(shop: Shop) -> None:
    await a_morning(shop)
    added: Counter[tuple[str, str]] = Counter()
    for stream in (Stream.CRIT, Stream.VISIT):
        waiting = shop.database.backlog.events(stream, 0, 500)
        for (type_, body), event in zip(shop.events(stream), waiting, strict=True):
            for change in cell_changes(type_, body, event.moment):
                added[change.measure.value, change.subject] += change.value
    assert added["visits", ""] >= 3
    of_windows = {"people", "entries", "zone_visits", "zone_dwell_s", "queue_s"}
    found = Counter({key: n for key, n in counted(shop).items() if key[0] not in of_windows})
    assert found == added


async def test_what_an_event_withholds_the_box_counts_as_it_was(shop: Shop) -> None:
    few = CountReading(
        lasted_ms=300_000, frames=11, addresses=9, devices=3, devices_low=2, devices_high=6
    )
    await shop.see(few, sensor="radar", after_s=300)
    await shop.see(StayReading("shelf", 42_000))
    await shop.desk.close()
    told = dict(shop.events(Stream.BULK))
    assert told["footfall.counted.v1"]["phones"] == 0
    assert told["zone.counted.v1"]["visits"] == 0
    found = counted(shop)
    assert found["phones", "radar"] == 3
    assert (found["zone_visits", "door/shelf"], found["zone_dwell_s", "door/shelf"]) == (1, 42)


async def test_an_erasure_changes_no_number(shop: Shop) -> None:
    await a_morning(shop)
    before = counted(shop)
    assert before["recognised", ""] == 1
    moment = shop.clock.now()
    await shop.database.transact(lambda tx: erasure.erase(tx, "m1", moment))
    assert "outbox.tombstone.v1" in shop.types()
    assert counted(shop) == before


async def test_a_window_lies_in_the_cells_it_reached_into(shop: Shop) -> None:
    until_ms = shop.clock.now().wall_ms + 600_000
    count = CountReading(
        lasted_ms=600_000, frames=9, addresses=90, devices=80, devices_low=70, devices_high=99
    )
    await shop.see(count, sensor="radar", after_s=600)
    rows = [
        row for row in figures.cells(shop.database.reading, ALL) if row.measure is Measure.PHONES
    ]
    assert sum(row.value for row in rows) == 80
    assert rows[0].from_ms <= until_ms - 600_000 < rows[1].from_ms
    assert rows[-1].from_ms < until_ms <= rows[-1].from_ms + CELL_MS
