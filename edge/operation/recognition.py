"""By which model and table this box matches faces: chosen at start from the configuration and from
what lies in the models' directory.

Called by the daemon's settings and by the doctor. What cannot be used closes no shop: then no face
is matched, the log says why, and so does the doctor.
"""

import logging
from pathlib import Path

from edge import face_files
from edge.config import Config
from edge.errors import BadModel, ConfigError
from edge.face_models import REID0095
from edge.presence import cohort, face_calibration
from edge.presence.cohort import Cohort
from edge.presence.face_calibration import BadCalibration, Calibration
from edge.presence.faces import Faces, FaceSettings

log = logging.getLogger(__name__)


def face_settings(config: Config) -> FaceSettings:
    """For the presence desk; without a model or a table nobody is matched, and the log says so."""
    recognition = config.recognition
    model, table = "", None
    try:
        model = model_of(config)
        table = calibration_of(config, model)
    except (BadModel, BadCalibration, ConfigError) as error:
        log.error("No face is matched: %s", error)
    return FaceSettings(
        mode=Faces(recognition.mode.value),
        model=model,
        calibration=table,
        target_fpir=recognition.target_fpir,
    )


def model_of(config: Config) -> str:
    """The id of the model in use. BadModel if the one that is named is not known."""
    return face_files.chosen(Path(config.faces.models), config.faces.model)


def calibration_of(config: Config, model: str) -> Calibration:
    """The site's own table, else the one that comes with `model`.

    BadCalibration if there is none, or it is another model's; ConfigError if it cannot be read.
    """
    own, strangers = config.recognition.calibration, cohort_of(config, model)
    if own:
        table = face_calibration.from_json(_read(Path(own)), strangers)
    else:
        shipped = face_calibration.shipped(model, strangers)
        if shipped is None:
            raise BadCalibration(
                f"There is no calibration of the face model {model}.",
                "Make one with: storebox faces calibrate; and name it in [recognition]"
                " calibration.",
            )
        table = shipped
    if table.model != model:
        raise BadCalibration(
            f"The calibration {own or 'shipped'} is of {table.model}; faces are described by"
            f" {model}.",
            "Calibrate this model with `storebox faces calibrate`, or name the other in [faces].",
        )
    return table


def cohort_of(config: Config, model: str) -> Cohort | None:
    """The strangers' statistics that come with `model`, if they are installed and whole."""
    if model != REID0095:
        return None
    try:
        return cohort.from_npz(face_files.cohort(Path(config.faces.models)))
    except (BadModel, ValueError):
        return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(face_calibration.FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"The calibration {path} cannot be read: {error.strerror}.",
            "Name the right file in [recognition] calibration, or leave it out.",
        ) from error
