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
    """The table that is named in the configuration, else the site's, else the package's.

    BadCalibration, BadModel or ConfigError as `face_tables.calibration_of`.
    """
    models, named = Path(config.faces.models), config.recognition.calibration
    return face_tables.calibration_of(models, model, named)
