"""How commands get at facts: from the daemon, or from its database while it is dead.

The database is opened read-only and only when nobody answers on the control socket; the person is
told so. Commands get the answer in the same shape either way.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from edge.cli.printing import say
from edge.config import Config
from edge.control import ask
from edge.errors import NotReachable

if TYPE_CHECKING:
    from edge.storage.outbox import Executes
    from edge.storage.vault import Vault

T = TypeVar("T")


def from_daemon(config: Config, shape: type[T], question: str, **with_: Any) -> T:
    """The daemon's answer. NotReachable when it is dead."""
    answer = ask(Path(config.state.control_socket), question, **with_)
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise NotReachable(
            f"The daemon answers, but not as this command understands: {error}.",
            "Restart it, so that both are of the same version: systemctl restart storebox",
        ) from error


def from_anywhere(
    config: Config,
    shape: type[T],
    read: "Callable[[Executes, Vault], T]",
    question: str,
    **with_: Any,
) -> T:
    """The daemon's answer, or what `read` finds in the database while it is dead."""
    try:
        return from_daemon(config, shape, question, **with_)
    except NotReachable as error:
        directory = Path(config.state.directory)
        if not (directory / "storebox.db").exists():
            raise
        say(f"{error.what} Reading the database instead.")
        return _from_database(directory, read)


def _from_database(directory: Path, read: "Callable[[Executes, Vault], T]") -> T:
    from edge.storage.inspection import open_known
    from edge.storage.vault import Vault

    with closing(open_known(directory)) as connection:
        return read(connection, Vault.open(directory / "master.key"))
