"""The question before a face is enrolled: does somebody else have it? No camera tells twins apart.

Asked at the screens (`kiosk/faces.py`) and on the staff page (`kiosk/staff_faces.py`), whose forms
send the answer. Whoever says yes is not enrolled, and nothing looks at them. The answer is kept
nowhere.
"""

from edge.errors import Refused
from kiosk.words import N_

YES, NO = "yes", "no"
ANSWER_FIRST = N_("The question about a twin must be answered first.")
NOT_ENROLLED = (
    N_("A camera cannot tell you two apart. Your card and your phone do."),
    N_("Nothing of your face was stored."),
)
NOT_ENROLLED_BY_STAFF = N_(
    "A camera cannot tell the two apart, so this face is not enrolled. The card and the phone do."
)


def has_twin(said: str) -> bool:
    """Whether they said yes. Refused if they said neither yes nor no."""
    if said not in (YES, NO):
        raise Refused(ANSWER_FIRST)
    return said == YES
