"""Calibration from labelled vectors: what it promises holds for strangers that it did not see."""

import numpy as np
import pytest

from edge.face_models import DLIB, dimensions_of
from edge.presence.cohort import Cohort, lengths_one
from edge.presence.face_calibration import Calibration
from edge.presence.face_fitting import (
    PEOPLE_MIN,
    Draws,
    Person,
    TooFewPeople,
    cohort_from,
    fitted,
    vectors_in_cohort,
)

D = dimensions_of(DLIB)
CELLS = ((1, 1), (3, 3))
SEED = 11


def crowd(count: int, seed: int, *, near: float = 0.0, group: str = "") -> list[Person]:
    """People with two to six pictures each; `near` makes them alike to one another."""
    dice = np.random.default_rng(seed)
    common = np.ones(D) * near
    people = []
    for number in range(count):
        middle = dice.standard_normal(D) + common
        rows = middle + 0.5 * dice.standard_normal((int(dice.integers(2, 7)), D))
        groups = (group,) if group else ()
        people.append(
            Person(f"{seed}-{number}", lengths_one(rows.astype(np.float32)), "here", groups)
        )
    return people


def named(calibration: Calibration, members: list[Person], strangers: list[Person]) -> float:
    """The share of strangers who get a name at the 2 % target, one picture each."""
    rows = np.stack([one.vectors[0] for one in members])
    probes = np.stack([one.vectors[0] for one in strangers])
    scores = probes @ rows.T
    if calibration.cohort is not None:
        scores -= calibration.cohort.levels(rows)[None, :] / 2
        scores -= calibration.cohort.levels(probes)[:, None] / 2
    tops = scores.max(axis=1)
    return float(np.mean(tops >= calibration.threshold(1, 1, len(members), 0.02)))


@pytest.mark.parametrize("related", [False, True])
def test_strangers_who_were_not_seen_are_named_as_often_as_aimed_at(related: bool) -> None:
    people = crowd(400, SEED)
    cohort: Cohort | None = cohort_from(people) if related else None
    draws = Draws(SEED, CELLS[:1], cohort_vectors=vectors_in_cohort(people) if related else 0)
    table = fitted(people, DLIB, cohort, draws).table
    share = named(Calibration(table, cohort), crowd(200, SEED + 1), crowd(2000, SEED + 2))
    assert 0.01 <= share <= 0.04


def test_the_same_people_and_seed_give_the_same_table() -> None:
    people = crowd(PEOPLE_MIN, SEED)
    first, again = (fitted(people, DLIB, None, Draws(3, CELLS)) for _ in range(2))
    assert first == again
    assert first != fitted(people, DLIB, None, Draws(4, CELLS))


def test_the_worst_group_that_is_large_enough_moves_the_thresholds() -> None:
    people = [*crowd(330, SEED, group="many"), *crowd(320, SEED + 1, near=0.35, group="alike")]
    judged = fitted(people, DLIB, None, Draws(SEED, CELLS[:1]))
    unjudged = fitted(people, DLIB, None, Draws(SEED, CELLS[:1], group_min=321))
    assert judged.table.group == "alike"
    shifts = {one.name: one.shift for one in judged.groups}
    assert shifts["alike"] > 0 > shifts["many"]
    for strict, plain in zip(judged.table.cells, unjudged.table.cells, strict=True):
        assert strict.shift > 0
        assert strict.shift >= plain.shift
    told = {one.name: (one.people, one.judged) for one in unjudged.groups}
    assert told == {"origin: here": (650, True), "many": (330, True), "alike": (320, False)}


def test_progress_is_told_to_the_end() -> None:
    heard: list[float] = []
    fitted(crowd(PEOPLE_MIN, SEED), DLIB, None, Draws(0, CELLS), heard.append)
    assert heard == [0.5, 1.0]


def test_too_few_people_are_refused() -> None:
    with pytest.raises(TooFewPeople, match=f"{PEOPLE_MIN - 1} people"):
        fitted(crowd(PEOPLE_MIN - 1, SEED), DLIB, None)


def test_pictures_that_are_all_the_same_have_no_tail() -> None:
    row = crowd(1, SEED)[0].vectors[:1]
    people = [Person(str(number), row) for number in range(PEOPLE_MIN)]
    with pytest.raises(TooFewPeople, match="no tail"):
        fitted(people, DLIB, None, Draws(0, CELLS))
