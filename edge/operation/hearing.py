"""What comes down the line to a box, put together: datasets, commands, answers, and the lease that
hearing them renews.

Called by the daemon once. Nothing is decided here.
"""

from functools import partial

from msgspec import Struct

from edge.config import Config
from edge.operation import news, settings
from edge.operation.enrolment import Ground
from edge.operation.renewal import Renewal
from edge.presence.desk import PresenceDesk
from kiosk.session import Screens
from sync.calls import Calls
from sync.commands import Commands
from sync.downward import Downward, Relays, Told
from sync.replica import Replica


class Hearing(Struct, frozen=True):
    """The parts that hear the platform, and those of them that others talk to."""

    downward: Downward
    commands: Commands
    calls: Calls


def put_together(
    config: Config,
    ground: Ground,
    presence: PresenceDesk,
    screens: Screens,
    relays: Relays | None,
) -> Hearing:
    """All of them, connected."""
    database, clock, counters = ground.database, ground.clock, ground.counters
    replica = Replica(database, clock, counters, settings=settings.replica(config, presence))
    replica.add_listener(partial(news.of_dataset, presence, screens))
    own = settings.authority(config)
    commands = Commands(database, clock, authority=own, lease=ground.lease, counters=counters)
    commands.add_listener(partial(news.of_command, presence, replica))
    calls = Calls(database, clock, address=own.address, counters=counters)
    renewal = Renewal(ground.lease, presence, replica, commands)
    told = Told(commands=lambda: commands.last, evicted=database.backlog.evicted)
    heard, restored = renewal.heard, renewal.restored
    return Hearing(
        Downward(replica, commands, calls, relays, heard, restored, told), commands, calls
    )
