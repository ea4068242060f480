"""A technician's picture of what a camera sees: asked of the daemon, and noted who asked.

The daemon answers with `shown_questions`; `storebox faces picture` asks with `asked_picture`. The
sensor blurs every head before the picture leaves it. The daemon keeps nothing of it and writes one
line: which camera, and which user of this machine.
"""

import logging
from base64 import b64decode
from pathlib import Path

from msgspec import Struct

from edge.control import Question, ask, asker_uid, question
from edge.errors import Refused
from edge.intake import Intake
from edge.operation.pictures import survey_questions

_log = logging.getLogger(__name__)


class _Which(Struct, frozen=True, forbid_unknown_fields=True):
    sensor: str


def shown_questions(intake: Intake) -> dict[str, Question]:
    """`survey` of a radar (`edge/operation/pictures.py`), and `picture`: what one camera sees now,
    with every face blurred, as JPEG in base64.
    """

    async def picture(which: _Which) -> bytes:
        jpeg = await intake.picture(which.sensor)
        _log.warning(
            "the user with id %d was shown a blurred picture of camera %s",
            asker_uid(),
            which.sensor,
        )
        return jpeg

    return {**survey_questions(intake), "picture": question(_Which, picture)}


def asked_picture(control: Path, name: str) -> bytes:
    """The daemon's picture of one camera. Refused if there is none, NotReachable without daemon."""
    answer = ask(control, "picture", sensor=name)
    try:
        return b64decode(str(answer), validate=True)
    except ValueError as error:
        raise Refused(
            "The daemon's answer is no picture.",
            "Restart it, so that both are of the same version: systemctl restart storebox",
        ) from error
