"""Makes the package's calibration tables anew: `python -m tests.bench.face_tables`, some minutes.

From all recorded faces: nobody is left to try these tables on. How well tables made in this way
hold is what `faces_accuracy` measures, where each is made from half of the people. The cohort that
comes with omz-reid0095 was measured on the very adults in `strangers` (its mean is theirs), so each
of them is compared with the cohort without them. Models may be named; without, all are made.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from edge.face_files import cohort as cohort_file
from edge.face_models import DLIB, REID0095
from edge.presence.cohort import Cohort, from_npz
from edge.presence.face_calibration import Calibration
from edge.presence.face_fitting import Draws, Person, fitted
from tests.bench.face_vectors import people, recordings
from tests.conftest import ROOT

FOLDER = ROOT / "edge" / "presence" / "calibrations"
COHORT_VECTORS = 979
"""Adults in `strangers`."""
MADE_FROM = "CelebA (cleaned) and UTKFace adults"


def main() -> None:
    """Write a table of plain cosines for both models, and one for the cohort that is installed."""
    models = sys.argv[1:] or [REID0095, DLIB]
    for model in models:
        _write(f"{model}.json", model, None, Draws(), _everybody(model, inside=0))
    if REID0095 not in models:
        return
    cohort = from_npz(cohort_file(recordings().resolve().parent / "models"))
    draws = Draws(cohort_vectors=COHORT_VECTORS)
    _write(f"{REID0095}.cohort.json", REID0095, cohort, draws, _everybody(REID0095, inside=1))


def _everybody(model: str, inside: int) -> list[Person]:
    both = people(model)
    outside = [Person(one.name, one.vectors, one.origin, (), 0) for one in both.celebrities]
    known = [
        Person(one.name, one.vectors, one.origin, one.groups, inside) for one in both.strangers
    ]
    return outside + known


def _write(
    name: str, model: str, cohort: Cohort | None, draws: Draws, everybody: Sequence[Person]
) -> None:
    if not everybody:
        sys.exit("There are no recordings or models here.")
    found = fitted(everybody, model, cohort, draws)
    table = replace(found.table, made_from=f"{MADE_FROM}: {found.table.made_from}")
    Path(FOLDER / name).write_bytes(Calibration(table, cohort).to_json())
    for group in found.groups:
        print(name, group.name, group.people, f"{group.shift:+.3f}", group.judged)


if __name__ == "__main__":
    main()
