"""The made-up town, its cameras and its days are what they say: like the figures they come from."""

from itertools import pairwise

import numpy as np
import pytest

from edge.records import ConsentKind, CrossingReading, FaceReading, TrackReading
from tests.shop.cameras import Model, faces_of, fused, labelled, stretch
from tests.shop.people import CHILDREN, GROUPS, TWIN_SAYS_SO, TWIN_SHARE, Town, town
from tests.shop.play import START_MS
from tests.shop.scenes import DOOR, Act
from tests.shop.shop import Size, story
from tests.shop.story import CLOSES_H, HOUR_MS, OPENS_H, Story

SIZE = Size(adults=600, visits=200)


@pytest.fixture(scope="module")
def somewhere() -> Town:
    return town(np.random.default_rng(1), 3000)


def test_faces_score_as_in_the_measurements() -> None:
    """facts/faces.md 4.3: 94 to 98 % of pairs of one person lie above 1 in 1000 of two people."""
    people = labelled(Model(), np.random.default_rng(5), 800, 4)
    first = np.stack([one.vectors[0] for one in people])
    strangers = (first @ first.T)[np.triu_indices(len(first), 1)]
    same = np.concatenate([one.vectors[0] @ one.vectors[1:].T for one in people])
    assert 0.94 <= (same >= np.quantile(strangers, 0.999)).mean() <= 0.985
    assert 0.88 <= (same >= np.quantile(strangers, 0.9999)).mean() <= 0.965
    assert 0.10 <= strangers.std() <= 0.13


def test_strangers_of_some_groups_and_children_are_nearer_to_each_other() -> None:
    """facts/faces.md 4.6."""
    model, dice = Model(), np.random.default_rng(6)
    nearness = {}
    for group in (*GROUPS, CHILDREN):
        rows = np.stack([model.face(group, model.own(dice)) for _ in range(400)])
        nearness[group] = (rows @ rows.T)[np.triu_indices(400, 1)].mean()
    assert nearness["a"] < min(nearness["b"], nearness["c"], nearness["d"])
    assert max(nearness["b"], nearness["c"], nearness["d"]) < nearness[CHILDREN]


def test_twins_share_most_of_a_face(somewhere: Town) -> None:
    faces = faces_of(somewhere, Model(), np.random.default_rng(7))
    alike = [
        float(faces[one.number] @ faces[one.twin])
        for one in somewhere.people
        if one.twin is not None
    ]
    assert len(alike) >= 2
    assert min(alike) > 0.8


def test_who_says_that_they_have_a_twin_has_no_face_enrolled() -> None:
    towns = [town(np.random.default_rng((9, seed)), 3000).adults for seed in range(5)]
    adults = [one for some in towns for one in some]
    saying = [one for one in adults if one.says_twin]
    expected = TWIN_SHARE * TWIN_SAYS_SO * len(adults)
    assert abs(len(saying) - expected) < 4 * expected**0.5, "wherever the other lives"
    assert not any(one.has_face or ConsentKind.FACE in one.consents for one in saying)
    assert any(one.is_member for one in saying), "only of their face they say no"
    assert sum(one.twin is not None for one in saying) < len(saying) / 2


def test_frames_of_one_stretch_hang_together() -> None:
    model, dice = Model(), np.random.default_rng(8)
    base = model.face("a", model.own(dice))
    frames = [stretch(model, base, dice, 2, 1.0) for _ in range(200)]
    together = np.mean([one[0] @ one[1] for one in frames])
    apart = np.mean([one[0] @ other[0] for one, other in pairwise(frames)])
    assert together > apart + 0.03
    assert np.allclose(np.linalg.norm(fused(frames[0]), axis=1), 1, atol=1e-5)


def test_the_town_agrees_in_the_stated_shares(somewhere: Town) -> None:
    adults = somewhere.adults
    members = [one for one in adults if one.is_member]
    assert 0.31 < len(members) / len(adults) < 0.39
    assert 0.25 < sum(one.has_face for one in members) / len(members) < 0.35
    assert not any(one.consents or one.photos for one in somewhere.of_kind("child"))
    assert all(
        somewhere.people[one.partner].partner == one.number
        for one in adults
        if one.partner is not None
    )


def day(seed: int) -> tuple[Story, list[Act]]:
    tale = story(SIZE, seed)
    return tale, list(tale.day(START_MS))


def test_a_day_is_told_in_order_and_the_same_each_time() -> None:
    tale, acts = day(3)
    times = [act.at_ms for act in acts]
    assert all(one < other for one, other in pairwise(times))
    again, same = day(3)
    assert [(act.at_ms, act.sensor, act.who) for act in acts] == [
        (act.at_ms, act.sensor, act.who) for act in same
    ]
    assert tale.truth == again.truth
    assert day(4)[0].truth != tale.truth


def test_nobody_is_twice_in_the_shop_at_once() -> None:
    tale, _ = day(5)
    until: dict[int, int] = {}
    for stay in sorted(tale.truth, key=lambda one: one.in_ms):
        if stay.kind in ("visit", "delivery"):
            assert until.get(stay.who, 0) <= stay.in_ms
            until[stay.who] = stay.out_ms


def test_all_kinds_of_people_come_and_sensors_make_mistakes() -> None:
    tale, acts = day(6)
    stays = [stay for stay in tale.truth if stay.kind == "visit"]
    assert 150 < len(stays) < 260
    assert {stay.kind for stay in tale.truth} >= {"visit", "staff", "passing", "delivery"}
    assert {tale.town.people[stay.who].kind for stay in stays} == {"adult", "child"}
    opens, closes = START_MS + OPENS_H * HOUR_MS, START_MS + CLOSES_H * HOUR_MS
    assert all(opens <= stay.in_ms <= closes + 60_000 for stay in stays)
    seen = {mark for stay in tale.truth for mark in stay.marks}
    assert {"unseen", "broken", "exit seen"} <= seen
    inwards = sum(isinstance(act.reading, CrossingReading) and act.reading.inwards for act in acts)
    came = sum(stay.kind in ("visit", "staff", "delivery") for stay in tale.truth)
    assert 0.93 < inwards / came < 1.03


def test_every_face_is_of_a_track_that_was_told() -> None:
    _, acts = day(7)
    tracks = {act.reading.track for act in acts if isinstance(act.reading, TrackReading)}
    faces = [act for act in acts if isinstance(act.reading, FaceReading)]
    assert faces
    assert all(act.reading.track in tracks for act in faces)
    at_door = [act for act in acts if act.sensor == DOOR and isinstance(act.reading, TrackReading)]
    staff = {stay.who for stay in day(7)[0].truth if stay.kind == "passing"}
    assert sum(act.who in staff for act in at_door) > 100
