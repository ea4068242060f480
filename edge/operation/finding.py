"""The words of a check: what it may look at, and what it found.

Every file in `edge/operation/checks/` has one `check(context) -> Finding`, found and run by
`edge/operation/doctor.py`. Findings are for a person: the cause says what is, the remedy what to
do. Nothing here looks at anything itself.
"""

from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from edge.config import Config
from edge.errors import ConfigError, NotReachable
from edge.operation.facts import BoxStatus
from edge.records import Moment

NOT_CHECKED = "Not checked: "
"""How the cause of a check begins that could not be made because of something else."""


class Finding(Struct, frozen=True):
    """What one check found. `remedy` is empty when it is ok."""

    id: str
    ok: bool
    cause: str
    remedy: str = ""

    @property
    def made(self) -> bool:
        """Whether the check could be made at all; if not, another finding says why."""
        return self.ok or not self.cause.startswith(NOT_CHECKED)


def good(module: str, cause: str) -> Finding:
    """All is well. `module` is the check's `__name__`; its last part is the finding's id."""
    return Finding(module.rsplit(".", 1)[-1], True, cause)


def bad(module: str, cause: str, remedy: str) -> Finding:
    """Something is wrong, and this is what to do."""
    return Finding(module.rsplit(".", 1)[-1], False, cause, remedy)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known when the checks begin: gathered once, so that they agree with each other.

    `configured` and `daemon` hold the error instead when there is no usable configuration or
    nobody answers on the control socket.
    """

    path: Path
    configured: Config | ConfigError
    daemon: BoxStatus | NotReachable
    now: Moment

    @property
    def config(self) -> Config:
        """The configuration. ConfigError for checks that cannot do without."""
        if isinstance(self.configured, ConfigError):
            raise ConfigError(
                f"{NOT_CHECKED}it needs a usable configuration.", "Correct the configuration first."
            )
        return self.configured

    @property
    def state(self) -> Path:
        """The state directory."""
        return Path(self.config.state.directory)

    @property
    def alive(self) -> BoxStatus | None:
        """The daemon's status, None if it does not answer."""
        return self.daemon if isinstance(self.daemon, BoxStatus) else None
