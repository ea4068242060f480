"""Which calibration a box uses: the file that is named, else the site's own, else the package's.

Called by `recognition.py` for the daemon and the doctor, and by `storebox faces calibrate`, which
writes the site's file beside the models. It reads and writes files and measures nothing.
"""

from pathlib import Path

from edge import face_files
from edge.errors import BadModel, ConfigError
from edge.face_models import REID0095
from edge.presence.cohort import Cohort, from_npz
from edge.presence.face_calibration import (
    FILE_BYTES_MAX,
    MAKE_ONE,
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


def calibration_of(models: Path, model: str, named: str = "") -> Calibration:
    """What scores of `model` are worth here, by the file that is `named`, or by what there is.

    BadCalibration if there is none, or it is damaged or another model's; ConfigError if it cannot
    be read; BadModel if the model's cohort is not the file that it should be.
    """
    cohort = cohort_of(models, model)
    path = Path(named) if named else site_file(models, model)
    if not named and not path.is_file():
        return _shipped(model, cohort)
    found = from_json(_read(path), cohort)
    if found.model != model:
        raise BadCalibration(
            f"The calibration {path} is of {found.model}; faces are described by {model}.", MAKE_ONE
        )
    return found


def _shipped(model: str, cohort: Cohort | None) -> Calibration:
    found = shipped(model, cohort)
    if found is None:
        raise BadCalibration(f"There is no calibration of the face model {model}.", MAKE_ONE)
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"The calibration {path} cannot be read: {error.strerror}.",
            "Name the right file in [recognition] calibration, or make it readable.",
        ) from error


def write(path: Path, calibration: Calibration) -> None:
    """Write a table whole or not at all. OSError if it may not be written."""
    write_whole(path, calibration.to_json(), MODE)
