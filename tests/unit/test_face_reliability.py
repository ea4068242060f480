"""Of the faces that are called 70 % sure, seven of ten are right: people whom the table never saw."""

import numpy as np
import pytest
from msgspec.structs import replace

from edge.face_models import DLIB, dimensions_of
from edge.presence import evidence, fusion
from edge.presence.cohort import Vector, lengths_one
from edge.presence.face_calibration import Calibration
from edge.presence.face_decision import Rules, decide
from edge.presence.face_fitting import Draws, Person, fitted
from edge.presence.fusion import Thresholds
from edge.presence.prior import MEMBER_SHARE, even
from edge.records import Moment
from edge.storage.templates import Template
from tests.faces import gallery_of

D = dimensions_of(DLIB) or 0
NOW = Moment(1_000, 1_000, "boot", True)
PHOTOS, FRAMES = 3, 3
MEMBERS, COMINGS = 300, 12_000
TELLING = 16
"""So few of the numbers tell people apart here, so that faces are mixed up often enough to count."""
SEEDS = (1, 2)


def middles(count: int, dice: np.random.Generator) -> Vector:
    rows = np.zeros((count, D), np.float32)
    rows[:, :TELLING] = dice.standard_normal((count, TELLING))
    return rows


def pictures(middle: Vector, count: int, dice: np.random.Generator) -> Vector:
    """Some are blurred, some dark: each comes with noise of its own, on a light of the day."""
    noise = np.exp(dice.normal(-0.7, 0.3, (count, 1))) * dice.standard_normal((count, D))
    noise[:, TELLING:] *= 0.1
    light = np.zeros(D)
    light[:TELLING] = 0.35 * dice.standard_normal(TELLING)
    return lengths_one((middle + light + noise).astype(np.float32))


def table(seed: int) -> Calibration:
    dice = np.random.default_rng((seed, 0))
    people = [
        Person(
            str(number),
            np.concatenate([pictures(middle, PHOTOS, dice), pictures(middle, FRAMES, dice)]),
        )
        for number, middle in enumerate(middles(500, dice))
    ]
    return Calibration(fitted(people, DLIB, None, Draws(seed, ((PHOTOS, FRAMES),))).table)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_face_is_right_as_often_as_its_posterior_says(seed: int) -> None:
    calibration = table(seed)
    dice = np.random.default_rng((seed, 1))
    enrolled = middles(MEMBERS, dice)
    gallery = gallery_of(
        [
            Template(
                str(i), DLIB, np.ascontiguousarray(pictures(middle, PHOTOS, dice), "<f4").tobytes()
            )
            for i, middle in enumerate(enrolled)
        ],
        None,
    )
    rules = Rules(calibration, MEMBERS)
    told: list[tuple[float, bool]] = []
    for _ in range(COMINGS):
        whose = int(dice.integers(MEMBERS)) if dice.random() < MEMBER_SHARE else -1
        middle = enrolled[whose] if whose >= 0 else middles(1, dice)[0]
        frames = pictures(middle, FRAMES, dice)
        fused = gallery.nearest(lengths_one(frames.mean(axis=0)))
        found = decide(fused, [gallery.nearest(frame) for frame in frames], "", rules)
        sign = evidence.from_face(found, "door", NOW)
        if sign is not None and sign.llr > 0:
            decision = fusion.decide([sign], even(MEMBERS), Thresholds(), NOW)
            told.append((decision.guess, decision.guessed == str(whose)))
    print(calibration.table)
    reliable(told)


def reliable(told: list[tuple[float, bool]]) -> None:
    posteriors, right = np.array([p for p, _ in told]), np.array([r for _, r in told])
    for low in np.arange(0, 1, 0.1):
        within = (posteriors >= low) & (posteriors <= low + 0.1)
        if within.sum():
            print(
                f"{low:.1f} {within.sum():5d} {posteriors[within].mean():.3f} {right[within].mean():.3f}"
            )
