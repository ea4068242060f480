"""Codes by telephone for the screens: sent and checked by the platform, and whose number it is.

Made by the daemon and lent to the kiosk, which may not know the line itself. A number is looked up
only as what a member logs in to the Wi-Fi with, so only of those who agreed to that; the box keeps
no other numbers.
"""

from typing import Any

from edge import consent
from edge.storage.database import Database
from kiosk.phone import Outcome
from sync.calls import OFF_LINE, TOO_LATE, TOO_MANY, Calls
from sync.spoken import Service

AWAY = frozenset({OFF_LINE, TOO_LATE, TOO_MANY})
"""Answers that are the box's own: the platform has said nothing."""


class PhoneCodes:
    """Asks the platform, by the service `phone.verify`."""

    def __init__(self, calls: Calls, database: Database) -> None:
        self._calls = calls
        self._database = database

    async def send(self, phone: str) -> Outcome:
        """Send a code to the number, of digits alone."""
        return await self._ask({"phone": f"+{phone}"}, "sent")

    async def check(self, phone: str, code: str) -> Outcome:
        """Whether this is the code that was sent."""
        return await self._ask({"phone": f"+{phone}", "code": code}, "verified")

    def owner(self, phone: str) -> str | None:
        """The one member who logs in to the Wi-Fi with this number, and agreed to it."""
        reading, vault = self._database.reading, self._database.vault
        return consent.who_logged_in(reading, vault, phone)

    async def _ask(self, args: dict[str, Any], done: str) -> Outcome:
        answer = await self._calls.ask(Service.PHONE_VERIFY, args)
        if answer.ok:
            return Outcome.DONE if answer.value.get(done) is True else Outcome.REFUSED
        return Outcome.AWAY if answer.reason in AWAY else Outcome.REFUSED
