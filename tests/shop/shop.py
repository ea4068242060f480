"""A whole made-up shop from one seed: town, cameras, story, the box's settings, and days played.

The table of scores is made by the product's own fitting of labelled pictures of other people.
"""

from functools import cache
from pathlib import Path

import numpy as np
from msgspec import Struct

from edge.presence.desk import PresenceSettings
from edge.presence.face_calibration import Calibration, with_cohort
from edge.presence.face_fitting import Draws, cohort_from, fitted, vectors_in_cohort
from edge.presence.faces import Faces, FaceSettings
from edge.presence.places import SensorPlace
from tests.shop.cameras import MODEL, Cameras, Model, labelled
from tests.shop.judge import Verdict, judge
from tests.shop.people import Town, town
from tests.shop.play import Stage
from tests.shop.scenes import DOOR, KIOSK, SCANNER
from tests.shop.story import Story

CELLS = ((3, 3), (5, 3), (3, 5), (5, 5))
"""Photos and frames for which the table is fitted; a track of fewer frames names nobody anyway."""
PLACES = {
    DOOR: SensorPlace(entrance=True),
    KIOSK: SensorPlace(screen="main"),
    SCANNER: SensorPlace(screen="main"),
}
COMINGS = 2
"""Of each labelled person, at the door, after the enrolment."""


class Size(Struct, frozen=True):
    """How large a shop: the adults around it, the people who come on a day, and how many days."""

    adults: int = 4000
    visits: int = 500
    days: int = 1
    labelled: int = 2000
    """Other people, of whom the table of scores is made."""


@cache
def calibration(people: int, seed: int) -> Calibration:
    """As `storebox faces calibrate --own-cohort` makes it."""
    others = labelled(Model(), np.random.default_rng((seed, 1)), people, COMINGS)
    cohort = cohort_from(others)
    draws = Draws(seed=seed, cells=CELLS, cohort_vectors=vectors_in_cohort(others))
    table = fitted(others, MODEL, cohort, draws).table
    return Calibration(with_cohort(table, cohort), cohort)


def settings(size: Size, table_seed: int) -> PresenceSettings:
    """Faces are matched at the marked entrance, by the fitted table."""
    faces = FaceSettings(Faces.ZONE, MODEL, calibration(size.labelled, table_seed))
    return PresenceSettings(faces=faces, sensors=PLACES)


def story(size: Size, seed: int) -> Story:
    """The town and what happens in its shop."""
    made: Town = town(np.random.default_rng((seed, 2)), size.adults)
    cameras = Cameras(made, np.random.default_rng((seed, 3)))
    return Story(made, cameras, np.random.default_rng((seed, 4)), size.visits)


async def played(directory: Path, size: Size, seed: int, table_seed: int = 0) -> Verdict:
    """Some days in a shop of this seed, and the figures of all of them. People of `table_seed`
    taught the box its table.
    """
    tale = story(size, seed)
    stage = Stage(directory, settings(size, table_seed), np.random.default_rng((seed, 5)))
    whole = Verdict()
    try:
        await stage.move_in(tale)
        for day in range(size.days):
            told = await stage.play(tale, day)
            whole.join(judge(tale.town, tale.truth, told))
    finally:
        stage.close()
    return whole
