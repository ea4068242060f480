"""Whether the platform owes an answer for too long, though the broker takes what is said.

Fed by the uplink: what the broker has confirmed is a question, an acknowledgement of this box's own
is an answer. While the broker itself is silent nothing is counted here; the connection notices
that. Pure: the time is passed in, and nothing is sent or logged.
"""

SILENT_S = 10.0
"""An answer takes a round trip and a commit; a long line with a full window needs two seconds."""
SILENT = "The broker is there, but the platform does not answer; nothing is lost."
SILENT_REMEDY = (
    "Ask who runs the platform whether it runs and is connected to this broker;"
    " events wait on the box until it answers."
)


class Silence:
    """Since when the platform owes an answer. Times are seconds of the loop's clock."""

    def __init__(self, silent_s: float) -> None:
        self._silent_s = silent_s
        self._since: float | None = None
        self._noticed = False
        self.answers = 0
        """How many there were: who asks looks whether one came before the broker confirmed."""

    def begin(self) -> None:
        """A new connection: nothing was said on it yet."""
        self._since, self._noticed = None, False

    def asked(self, now: float) -> None:
        """The broker has something that the platform is to answer."""
        if self._since is None:
            self._since = now

    def answered(self) -> None:
        """The platform has said something of this box's own."""
        self.answers += 1
        self.begin()

    def lasts(self, now: float) -> bool:
        """Whether the platform has been silent for too long."""
        return self._since is not None and now - self._since > self._silent_s

    def news(self, now: float) -> bool:
        """True once in each silence that lasts too long."""
        if self._noticed or not self.lasts(now):
            return False
        self._noticed = True
        return True
