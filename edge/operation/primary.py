"""What only the primary of a shop answers: whom its radars leave out, and what is held of a phone.

A satellite's radars and logins work for the primary and obey the primary's list alone, so that an
answer from the satellite would be no answer. Asked by the daemon of a satellite, and by `storebox
wifi` before it asks anybody. It reads nothing but the configuration's word for the primary.
"""

from typing import Any

from edge.control import Question
from edge.errors import Refused


def refuse_at_satellite(primary: str | None) -> None:
    """Refused, with the name of the box to ask, if this one is a satellite of `primary`."""
    if primary is not None:
        raise Refused(
            f"This box is a satellite: its sensors work for {primary} and obey the list there.",
            f"Run this command on {primary}, the primary of this shop.",
        )


def asked_of(primary: str | None, questions: dict[str, Question]) -> dict[str, Question]:
    """`questions` as they are on a box of its own or a primary; each refused on a satellite."""
    if primary is None:
        return questions

    async def refused(_: dict[str, Any]) -> None:
        refuse_at_satellite(primary)

    return dict.fromkeys(questions, refused)
