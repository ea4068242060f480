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


def filmed(count: int, seed: int, *, told: bool) -> list[Person]:
    """Everybody on two occasions of five pictures, whose light is all that they differ in."""
    dice = np.random.default_rng(seed)
    people = []
    for number in range(count):
        middle = dice.standard_normal(D)
        light = np.repeat(dice.standard_normal((2, D)), 5, axis=0)
        rows = middle + 0.8 * light + 0.05 * dice.standard_normal((10, D))
        occasions = (0,) * 5 + (1,) * 5 if told else ()
        vectors = lengths_one(rows.astype(np.float32))
        people.append(Person(f"{number}", vectors, "here", (), 0, occasions))
    return people


def test_pictures_that_were_taken_together_say_less_than_as_many_of_other_days() -> None:
    draws = Draws(SEED, ((3, 3),))
    (told,) = fitted(filmed(200, SEED, told=True), DLIB, None, draws).table.cells
    (mixed,) = fitted(filmed(200, SEED, told=False), DLIB, None, draws).table.cells
    middle = 1 / (1 + 0.8**2)  # cosine of two pictures that share the face, and no light
    assert told.own[4] < middle + 0.02 < told.own[9]
    assert mixed.own[4] > middle + 0.1, "light is shared by who was enrolled and who came"


def test_of_single_pictures_nobody_knows_what_a_tracks_frames_would_share() -> None:
    """So own scores lie between those of copies of one picture and those of as many days."""
    draws = Draws(SEED, ((1, 1), (3, 3)))
    people = [
        Person(str(n), rows, "here", (), 0)
        for n, rows in enumerate(
            lengths_one((m + dice_rows).astype(np.float32)) for m, dice_rows in singles(200, SEED)
        )
    ]
    one, many = fitted(people, DLIB, None, draws).table.cells
    assert one.own[5] < many.own[5]
    assert many.own[0] < one.own[4], "half of them are taken for copies"


def singles(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    dice = np.random.default_rng(seed)
    return [(dice.standard_normal(D), 0.8 * dice.standard_normal((8, D))) for _ in range(count)]
