"""What leaves the box tells no number of 1 to 4 apart, to somebody who knows the rule and has every
event: all possible numbers are gone through, and those that look alike are compared.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import product

import pytest

from edge.figures import DWELL_BUCKETS, Measure
from edge.presence.figures_told import (
    ShopDayCounted,
    as_told,
    cell_told,
    day_told,
    histogram_told,
)
from edge.presence.footfall import is_few

SPAN = (0, 300_000)
DAY = (0, 86_400_000)


def kept_open(
    worlds: Iterable[Sequence[int]], look: Callable[[Sequence[int]], Hashable]
) -> tuple[int, int]:
    """How many small numbers there are in all worlds, and how many of them a look gives away."""
    alike: dict[Hashable, list[Sequence[int]]] = defaultdict(list)
    for world in worlds:
        alike[look(world)].append(world)
    small = told = 0
    for same in alike.values():
        for place in range(len(same[0])):
            values = {world[place] for world in same}
            if any(is_few(value) for value in values):
                small += 1
                told += len(values) == 1
    return small, told


def sums(length: int, total: int) -> Iterator[tuple[int, ...]]:
    """Every way in which so many numbers make up a sum."""
    if length == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for others in sums(length - 1, total - first):
            yield first, *others


@pytest.mark.parametrize(("length", "largest"), [(2, 20), (3, 20), (4, 16), (5, 12), (8, 8)])
def test_no_bucket_of_few_is_given_away_by_the_sum(length: int, largest: int) -> None:
    for total in range(5, largest + 1):
        worlds = list(sums(length, total))
        small, told = kept_open(worlds, lambda world: tuple(histogram_told(world)))
        assert small
        assert not told


def test_a_histogram_without_small_buckets_is_told_whole() -> None:
    assert histogram_told([0, 7, 5, 0]) == [0, 7, 5, 0]
    assert histogram_told([3, 7, 9, 0]) == [None, None, 9, 0]


def whole_day(cells: Sequence[int]) -> tuple[list[object], ShopDayCounted]:
    """What was told of each cell, and of the day that they make."""
    told = [cell_told(SPAN, {(Measure.JOINED, "Olga"): value}) for value in cells]
    by_name: dict[str, list[int | None]] = defaultdict(list)
    for each in told:
        for name, value in as_told(each).items():
            by_name[name].append(value)
    day = day_told("d", DAY, {(Measure.JOINED, "Olga"): sum(cells)}, by_name)
    return [(tuple(each.numbers.items()), each.withheld) for each in told], day


@pytest.mark.parametrize(("cells", "largest"), [(1, 9), (2, 9), (3, 7), (4, 6), (5, 5)])
def test_no_cell_of_few_is_given_away_by_the_day(cells: int, largest: int) -> None:
    def look(world: Sequence[int]) -> Hashable:
        told, day = whole_day(world)
        return tuple(told), tuple(day.numbers.items()), day.short, day.withheld

    small, told = kept_open(product(range(largest + 1), repeat=cells), look)
    assert small
    assert not told


def test_a_day_tells_its_number_whole_where_that_gives_nothing_away() -> None:
    _, day = whole_day([7, 2, 3, 0, 9])
    assert day.numbers == {"joined": 21}
    assert not day.short
    _, day = whole_day([7, 2, 0, 9])
    assert day.numbers == {"joined": 16}
    assert day.short == ("joined",)


def test_no_part_of_few_is_given_away_by_the_whole() -> None:
    def look(world: Sequence[int]) -> Hashable:
        _, first, returning = world
        counted = {
            (Measure.VISITS, ""): sum(world),
            (Measure.RECOGNISED, ""): first + returning,
            (Measure.RETURNING, ""): returning,
        }
        day = day_told("d", DAY, counted, {"visits": [sum(world)]})
        assert day.numbers["visits"] == sum(world)
        return tuple(sorted(day.numbers.items())), day.withheld

    for total in range(5, 21):
        small, told = kept_open(sums(3, total), look)
        assert small
        assert not told


def test_money_and_pieces_are_withheld_with_the_orders_they_are_of() -> None:
    counted = {
        (Measure.ORDERS, "RUB"): 6,
        (Measure.ORDER_TOTAL, "RUB"): 9_000,
        (Measure.PIECES, "RUB"): 11,
        (Measure.ORDERS, "EUR"): 1,
        (Measure.ORDER_TOTAL, "EUR"): 500,
        (Measure.PIECES, "EUR"): 7,
    }
    cell = cell_told(SPAN, counted)
    assert cell.numbers == {"orders/RUB": 6, "order_total/RUB": 9_000, "pieces/RUB": 11}
    assert cell.withheld == ("order_total/EUR", "orders/EUR", "pieces/EUR")
    day = day_told("d", DAY, counted, {name: [value] for name, value in as_told(cell).items()})
    assert day.numbers == cell.numbers
    assert day.short == cell.withheld


def test_sellers_are_told_together() -> None:
    counted = {
        (Measure.ENROLMENTS, "Olga"): 3,
        (Measure.ENROLMENTS, "Ivan"): 4,
        (Measure.JOINED, "Olga"): 2,
        (Measure.QUEUE_MAX, "door/kiosk"): 6,
    }
    cell = cell_told(SPAN, counted)
    assert (cell.numbers, cell.withheld) == ({"enrolments": 7}, ("joined",))


@pytest.mark.parametrize("measure", [Measure.PEOPLE, Measure.ENTRIES, Measure.EXITS])
def test_no_sum_of_cameras_gives_away_the_window_that_one_of_them_withheld(
    measure: Measure,
) -> None:
    """Windows are told by themselves; nothing may be taken from that adds them up."""
    counted = {(measure, "door"): 44, (measure, "back"): 7, (Measure.VISITS, ""): 30}
    cell = cell_told(SPAN, counted)
    day = day_told("d", DAY, counted, {name: [value] for name, value in as_told(cell).items()})
    assert measure.value not in {*cell.numbers, *cell.withheld, *day.numbers, *day.short}


def test_a_day_without_its_visits_tells_no_lengths_of_them() -> None:
    counted = {(Measure.VISITS, ""): 12, (Measure.DWELL, "2-5"): 12, (Measure.DWELL_S, ""): 2_000}
    day = day_told("d", DAY, counted, {"visits": [9, None]})
    assert day.numbers == {"visits": 9}
    assert set(day.withheld) == {"dwell_s", *(f"dwell/{name}" for name in DWELL_BUCKETS)}
