"""A PIN guards the staff page."""

from edge.operation.finding import Context, Finding, bad, good
from kiosk.pin import read_pin

_SET = "Run: storebox pin set"


def check(context: Context) -> Finding:
    """Whether a hash of a PIN is there, is one, and is private."""
    path = context.config.staff_pin_path
    if not path.is_file() or path.stat().st_size == 0:
        return bad(__name__, f"No staff PIN is set ({path}): nobody gets in.", _SET)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return bad(
            __name__,
            f"The staff PIN's hash {path} can be read by others (mode {mode:o}).",
            f"Run: chmod 600 {path}",
        )
    read_pin(path)
    return good(__name__, "A staff PIN is set.")
