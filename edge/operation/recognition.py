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
from edge.operation import face_tables
from edge.presence import face_calibration
from edge.presence.face_calibration import BadCalibration, Calibration
from edge.presence.faces import Faces, FaceSettings

log = logging.getLogger(__name__)


def face_settings(config: Config) -> FaceSettings:
    """For the presence desk; without a model or a table nobody is matched, no face is described
    for it either, and the log says so.
    """
    recognition = config.recognition
    model, table = "", None
    try:
        model = model_of(config)
        table = calibration_of(config, model)
    except (BadModel, BadCalibration, ConfigError) as error:
        log.error("No face is matched: %s", error)
    return FaceSettings(
        mode=Faces(recognition.mode.value) if table is not None else Faces.OFF,
        model=model,
        calibration=table,
        target_fpir=recognition.target_fpir,
    )


def model_of(config: Config) -> str:
    """The id of the model in use. BadModel if the one that is named is not known."""
    return face_files.chosen(Path(config.faces.models), config.faces.model)


def calibration_of(config: Config, model: str) -> Calibration:
    """The table that the configuration names, else the site's own that `storebox faces calibrate`
    wrote beside the models, else the one that comes with `model`.

    BadCalibration if there is none, or it is another model's; BadModel if the strangers' statistics
    that belong to it are damaged; ConfigError if it cannot be read.
    """
    models, own = Path(config.faces.models), config.recognition.calibration
    if own:
        table = face_calibration.from_json(_read(Path(own)), face_tables.cohort_of(models, model))
    else:
        found = face_tables.calibration_of(models, model)
        if found is None:
            raise BadCalibration(
                f"There is no calibration of the face model {model}.", face_calibration.MAKE_ONE
            )
        table = found
    if table.model != model:
        raise BadCalibration(
            f"The calibration {own or 'shipped'} is of {table.model}; faces are described by"
            f" {model}.",
            "Calibrate this model with `storebox faces calibrate`, or name the other in [faces].",
        )
    return table


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(face_calibration.FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"The calibration {path} cannot be read: {error.strerror}.",
            "Name the right file in [recognition] calibration, or make it readable.",
        ) from error
