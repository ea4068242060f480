"""What a technician is shown of one sensor right now: a radar's survey, a camera's picture.

Held by `edge/intake.py` for each sensor. A survey is kept for seconds while somebody asks; a
picture goes to the one call that waits for it and nowhere else. Nothing is stored or logged here.
"""

import asyncio

from edge.errors import Refused
from sensors.radar.survey import Survey

SURVEY_S = 5.0
"""So long one question gives leave to survey, and no picture of the air is kept longer."""
PICTURE_S = 8.0
"""So long a camera has for its picture; the daemon answers within ten seconds."""


class Showing:
    """Of one sensor."""

    def __init__(self) -> None:
        self.survey: Survey | None = None
        self._survey_until_s = 0.0
        self._picture: asyncio.Future[bytes] | None = None

    def ask_survey(self, seconds: float) -> None:
        """Keep the newest survey that comes within so long."""
        self._survey_until_s = asyncio.get_running_loop().time() + seconds

    def keep(self, survey: Survey, seconds: float) -> None:
        """The newest picture of the air, in memory for some seconds and nowhere else."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._survey_until_s:
            self.survey = survey
            loop.call_later(seconds, self._forget, survey)

    def _forget(self, survey: Survey) -> None:
        if self.survey is survey:
            self.survey = None

    def expect(self, name: str) -> "asyncio.Future[bytes]":
        """A camera's next picture. Refused while another call waits for one."""
        if self._picture is not None and not self._picture.done():
            raise Refused(f"Somebody else is asking {name} for a picture.", "Ask in a moment.")
        self._picture = asyncio.get_running_loop().create_future()
        return self._picture

    def hand_over(self, jpeg: bytes) -> None:
        """A picture came: to whoever waits for it, else it is forgotten."""
        if self._picture is not None and not self._picture.done():
            self._picture.set_result(jpeg)
        self._picture = None
