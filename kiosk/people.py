"""What the screens ask of the presence desk, and what they say when nobody was recognised.

Used all over `kiosk`; the desk itself is passed in by whoever puts the box together.
"""

from collections.abc import Callable
from typing import Protocol

from edge.presence.requests import Answer, Found
from edge.records import Member
from edge.visiting import SignKind, Visit
from kiosk.words import N_

NOT_FOUND = {
    Found.ASK: N_("We are not sure enough that it is you. Show your loyalty card, please."),
    Found.UNKNOWN: N_("We do not know your face. Your loyalty card works just as well: scan it."),
    Found.NOBODY: N_("We could not see you. Look into the camera, or scan your loyalty card."),
    Found.SEVERAL: N_(
        "We see several people here. Come to the screen alone, or scan your loyalty card, please."
    ),
    Found.OFF: N_("Faces are not recognised here at present. Scan your loyalty card, please."),
}
"""What is said when a shopper who asked was not recognised, by what came of looking."""


class Presence(Protocol):
    """What the screens ask of the presence desk."""

    def here(self) -> list[Visit]:
        """The open visits."""
        ...

    def member(self, member: str, /) -> Member | None:
        """Any member this box knows, by id."""
        ...

    async def its_me(self, screen: str) -> Answer:
        """What `screen`'s camera says of who stands there, within seconds."""
        ...

    def add_listener(self, listener: Callable[[], None], /) -> None:
        """Call `listener`, on the loop, when visits or members changed."""
        ...

    async def correct(self, visit: str, *, member: str | None, by: str) -> None:
        """Staff say whose an open visit is; None: not whose it was taken for. Refused if over."""
        ...

    async def proved(self, screen: str, member: str, kind: SignKind = ...) -> None:
        """`member` showed at `screen` who they are."""
        ...
