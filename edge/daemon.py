"""The composition root: Config -> objects -> one TaskGroup -> ready -> orderly stop.

Called by `storebox run` (and, with a configuration of its own, by the demo). Everything the core
is made of is put together here and nowhere else; nothing is decided here.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edge.clock import Clock, ScenarioClock, SystemClock
from edge.config import ClockSource, Config, RecognitionMode, load
from edge.control import ControlServer
from edge.counters import Counters
from edge.errors import StoreboxError
from edge.intake import Intake, SensorSpec
from edge.operation import answers
from edge.operation.notify import notify
from edge.operation.sensors import supervise
from edge.ordering.desk import OrderingDesk
from edge.presence.desk import Faces, PresenceDesk, PresenceSettings
from edge.presence.fusion import Thresholds
from edge.records import Stream
from edge.storage.database import Database
from kiosk import app as pages
from kiosk.server import Server
from kiosk.session import Screens
from sync.link import Link
from sync.replica import Replica

log = logging.getLogger(__name__)

DIAGNOSTICS_S = 900
SALT_LIFETIME_S = 4 * 3600
EXIT_OK, EXIT_FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Box:
    """All parts of a running box."""

    config: Config
    clock: Clock
    counters: Counters
    database: Database
    presence: PresenceDesk
    ordering: OrderingDesk
    intake: Intake
    screens: Screens
    link: Link


def run(path: Path, overlay: Path | None = None) -> int:
    """Run the daemon until SIGTERM or SIGINT; its exit code. Errors of ours become one sentence."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s", force=True
    )
    try:
        asyncio.run(serve(load(path, overlay)))
    except StoreboxError as error:
        log.error("%s", error)
        return EXIT_FAILED
    except BaseExceptionGroup as group:
        for failure in _leaves(group):
            log.error("%s", failure, exc_info=not isinstance(failure, StoreboxError) and failure)
        return EXIT_FAILED
    return EXIT_OK
