"""Who leaves is paired with who came in: the mean length of stays is right, or there is none."""

import random
from collections.abc import Iterator

import pytest

from edge.presence.balance import AGREE_MAX, KNOWN_AFTER_H
from edge.presence.doorway import UNSEEN_MAX_S, Doorway
from edge.records import Moment

HOUR_S = 3600
OPEN_H = 12
STAY_S = 600.0


def moment(at_s: float) -> Moment:
    return Moment(round(at_s * 1000), round(at_s * 1000), "boot", True)


def passages(chance: random.Random, days: int, an_hour: int) -> Iterator[tuple[float, int, bool]]:
    """When (s), which stay, and whether it begins: strangers of exponential stays, by day."""
    found = []
    for day in range(days):
        for each in range(an_hour * OPEN_H):
            number = day * an_hour * OPEN_H + each
            at_s = day * 24 * HOUR_S + chance.uniform(0, OPEN_H * HOUR_S)
            found += [(at_s, number, True), (at_s + chance.expovariate(1 / STAY_S), number, False)]
    yield from sorted(found)


def told(seen: tuple[float, float], days: int, seed: int = 3, an_hour: int = 40) -> list[float]:
    """The lengths that the doorway tells, if this share of (arrivals, departures) is seen."""
    chance, doorway, began, lengths = random.Random(seed), Doorway(), {}, []
    for at_s, number, inwards in passages(chance, days, an_hour):
        if chance.random() > seen[0 if inwards else 1]:
            continue
        if inwards:
            began[str(number)] = at_s
            doorway.came_in(str(number), moment(at_s))
        elif (who := doorway.departed(moment(at_s), lambda visit: False)) and who.tells_dwell:
            lengths.append(at_s - began[who.visit])
    return lengths


def mean(lengths: list[float]) -> float:
    return sum(lengths) / len(lengths)


@pytest.mark.parametrize("seen", [(1.0, 1.0), (0.985, 1.0), (1.0, 0.985), (0.98, 0.98)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_nearly_everybody_is_seen_the_mean_is_right(
    seen: tuple[float, float], seed: int
) -> None:
    """By chance a few people more or less are inside than is thought: of about seven."""
    lengths = told(seen, days=20, seed=seed)
    assert len(lengths) > 0.8 * 20 * 40 * OPEN_H
    assert 0.8 < mean(lengths) / STAY_S < 1.3, mean(lengths)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_where_many_leave_unseen_hardly_any_length_is_told(share: float) -> None:
    lengths = told((1.0, share), days=10)
    assert len(lengths) < 0.01 * 10 * 40 * OPEN_H


def test_before_a_day_is_over_only_the_departure_of_the_only_one_tells() -> None:
    doorway = Doorway()
    doorway.came_in("a", moment(0))
    alone = doorway.departed(moment(60), lambda visit: False)
    assert alone is not None
    assert (alone.visit, alone.tells_dwell) == ("a", True)
    doorway.came_in("b", moment(100))
    doorway.came_in("c", moment(200))
    either = doorway.departed(moment(300), lambda visit: False)
    assert either is not None
    assert (either.visit, either.tells_dwell) == ("b", False)
    assert doorway.departed(moment(200 + UNSEEN_MAX_S + 1), lambda visit: False) is None


def test_what_is_left_of_a_difference_is_taken_out_of_the_larger_count() -> None:
    doorway = Doorway()
    for number in range(1000):
        at_s = number * KNOWN_AFTER_H * HOUR_S / 500
        doorway.came_in(str(number), moment(at_s))
        if number % 50:
            doorway.departed(moment(at_s + 60), lambda visit: False)
    ratio = doorway.balance.ratio(round(at_s * 1000))
    assert ratio is not None
    assert 0 < 1 - ratio < AGREE_MAX
    assert len(doorway.inside) <= 12, "else one more for each fifty"
