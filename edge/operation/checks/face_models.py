"""The face models that are installed are whole, and the one that is configured is there."""

from pathlib import Path

from edge.operation.finding import Context, Finding, bad, good
from edge.operation.model_files import troubles


def check(context: Context) -> Finding:
    """Whether each file of a model is what it should be, if a sensor looks for faces."""
    if not any(sensor.kind == "face" for sensor in context.config.sensors.values()):
        return good(__name__, "No sensor looks for faces.")
    section = context.config.faces
    found = troubles(Path(section.models), section.model)
    if not found:
        return good(__name__, "The face models are whole.")
    return bad(__name__, " ".join(each.what for each in found), found[0].remedy)
