"""Runs every check there is: one file in `edge/operation/checks/` for each thing that can be wrong.

Called by `storebox doctor`. It works with a dead daemon, without a line and with a broken
configuration; a check that cannot be made is a finding too. It changes nothing on the box.
"""

import importlib
import pkgutil
from pathlib import Path

import msgspec

from edge.clock import SystemClock
from edge.config import Config, load
from edge.control import ask
from edge.errors import ConfigError, NotReachable, StoreboxError
from edge.operation import checks
from edge.operation.facts import BoxStatus
from edge.operation.finding import NOT_CHECKED, Context, Finding, bad


def gather(path: Path) -> Context:
    """Read the configuration and ask the daemon, once for all checks."""
    configured: Config | ConfigError
    try:
        configured = load(path)
    except ConfigError as error:
        configured = error
    return Context(path, configured, _daemon(configured), SystemClock().now())


def _daemon(configured: Config | ConfigError) -> BoxStatus | NotReachable:
    if isinstance(configured, ConfigError):
        return NotReachable(
            f"{NOT_CHECKED}the configuration says where the daemon listens.",
            "Correct the configuration first.",
        )
    try:
        return msgspec.convert(ask(Path(configured.state.control_socket), "status"), BoxStatus)
    except NotReachable as error:
        return error
    except (StoreboxError, msgspec.ValidationError) as error:
        return NotReachable(
            f"The daemon answers, but not as this storebox understands: {error}",
            "Restart it: systemctl restart storebox.",
        )


def names() -> tuple[str, ...]:
    """The ids of all checks, by the files there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(checks.__path__)))


def examine(context: Context) -> list[Finding]:
    """What every check found, in order of their names."""
    return [_examined(name, context) for name in names()]


def _examined(name: str, context: Context) -> Finding:
    module = importlib.import_module(f"{checks.__name__}.{name}")
    try:
        finding = module.check(context)
    except StoreboxError as error:
        return bad(name, error.what, error.remedy)
    except PermissionError as error:
        return bad(name, f"{NOT_CHECKED}{error.filename} may not be read.", "Try it with sudo.")
    assert isinstance(finding, Finding)
    return finding
