"""Which calibration a box uses: the site's own file beside the models, else the package's.

Called when the presence desk is set up, and by `storebox faces calibrate`, which writes the site's
file. It reads and writes files and measures nothing.
"""

from pathlib import Path

from edge import face_files
from edge.errors import BadModel
from edge.face_models import REID0095
from edge.presence.cohort import Cohort, from_npz
from edge.presence.face_calibration import (
    FILE_BYTES_MAX,
    BadCalibration,
    Calibration,
    from_json,
    shipped,
)
from edge.whole_file import write_whole

SUFFIX = ".calibration.json"
MODE = 0o644
"""Numbers about strangers in general: no secret, and read by the core under its own user."""


def site_file(models: Path, model: str) -> Path:
    """Where a site's own table of `model` lies."""
    return models / f"{model.replace(':', '-')}{SUFFIX}"


def cohort_of(models: Path, model: str) -> Cohort | None:
    """The cohort that was installed with `model`; None if it has none or it is not there."""
    if model != REID0095:
        return None
    try:
        return from_npz(face_files.cohort(models))
    except BadModel as error:
        if error.missing:
            return None
        raise
    except ValueError as error:
        raise BadModel(str(error), face_files.INSTALL_AGAIN) from None


def calibration_of(models: Path, model: str) -> Calibration | None:
    """What scores of `model` are worth here; None: nobody may be recognised by this model.

    BadCalibration when the site's file is damaged, or is for another model.
    """
    cohort = cohort_of(models, model)
    path = site_file(models, model)
    if not path.is_file():
        return shipped(model, cohort)
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadCalibration(f"{path} cannot be read: {error.strerror}.") from None
    found = from_json(raw, cohort)
    if found.model != model:
        raise BadCalibration(
            f"{path} is for {found.model}, not for {model}.", "Make one: storebox faces calibrate."
        )
    return found


def write(path: Path, calibration: Calibration) -> None:
    """Write a table whole or not at all. OSError if it may not be written."""
    write_whole(path, calibration.to_json(), MODE)
