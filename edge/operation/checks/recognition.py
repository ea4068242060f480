"""Faces can be decided: there is a calibration of the model in use, and members are enrolled."""

from edge.errors import StorageError
from edge.operation import recognition
from edge.operation.finding import Context, Finding, bad, good
from edge.presence.face_calibration import BadCalibration
from edge.sections import RecognitionMode
from edge.storage import templates
from edge.storage.inspection import open_known

_ANEW = "will be recognised again after enrolling anew"


def check(context: Context) -> Finding:
    """Whether the calibration fits the model, and whose templates are of another one."""
    config = context.config
    if config.recognition.mode is RecognitionMode.OFF:
        return good(__name__, "Faces are not recognised.")
    model = recognition.model_of(config)
    try:
        table = recognition.calibration_of(config, model)
    except BadCalibration as error:
        return bad(__name__, f"{error.what} No face is matched.", error.remedy)
    measured = "with" if table.cohort is not None else "without"
    said = f"Faces are decided by a table of {model}, {measured} the level of strangers"
    return good(__name__, f"{said}; {_enrolled(context, model)}.")


def _enrolled(context: Context, model: str) -> str:
    try:
        connection = open_known(context.state)
    except StorageError:
        return "how many members are enrolled is not known"
    try:
        counts = templates.counts(connection)
    finally:
        connection.close()
    others = sum(count for other, count in counts.items() if other != model)
    enrolled = f"{counts.get(model, 0)} members are enrolled"
    return f"{enrolled}, and {others} under another model: they {_ANEW}" if others else enrolled
