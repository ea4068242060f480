"""What to say when something that staff asked for cannot be done.

Called by the routes of staff. A refusal speaks for itself; anything else becomes an excuse.
"""

import logging
from collections.abc import Awaitable

from edge.errors import Refused, StorageFull, StoreboxError
from kiosk.words import EXCUSE, NO_ROOM

log = logging.getLogger(__name__)


async def tried(doing: Awaitable[object]) -> tuple[str, ...]:
    """Do it. Why it could not be done, as English sentences; empty if it was."""
    try:
        await doing
    except Refused as error:
        return tuple(part for part in (error.what, error.remedy) if part)
    except StorageFull:
        return NO_ROOM
    except StoreboxError as error:
        log.error("staff: %s", error)
        return EXCUSE
    return ()
