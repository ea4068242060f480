"""What each radar of this box is allowed to hear: for the audit record, and for the documents.

The daemon puts one `radar.declared.v1` per radar into crit before the first sensor runs, so that
the platform can tell later under which hours, gate and channels a count was made. From the
configuration alone; no radar is asked.
"""

import logging
from functools import partial

import msgspec
from msgspec import Struct

from edge.clock import Clock
from edge.config import Config
from edge.counters import Counters
from edge.errors import StorageError
from edge.intake import SALT_LIFETIME_S
from edge.operation import settings
from edge.records import Moment, Stream
from edge.sensor_spec import SensorSpec
from edge.storage.database import Database
from edge.storage.transaction import Transaction
from sensors.declaration import declared
from sensors.radar.hours import MARGIN_S
from sensors.radar.marks import HASH_BITS
from sensors.radar.options import RadarOptions

log = logging.getLogger(__name__)

DECLARED = "radar.declared.v1"


class RadarDeclaration(Struct, frozen=True):
    """The settings of one radar that decide whom it can hear, and how it hides them.

    Without `rssi_gate_dbm` there is no gate, without `hours` it counts always; `timezone` is empty
    for the machine's own. `channels` are those of its radios, empty where a router decides.
    """

    sensor: str
    kind: str
    rssi_gate_dbm: int | None
    channels: tuple[int, ...]
    hours: tuple[str, ...]
    hours_margin_s: int
    timezone: str
    window_s: int
    hash_bits: int
    key_lifetime_s: int


def declarations(config: Config) -> tuple[RadarDeclaration, ...]:
    """Of all radars of this box. A satellite's are declared by the satellite itself."""
    return tuple(
        _declaration(spec)
        for spec in settings.sensor_specs(config)
        if declared(spec.kind).is_radar and not spec.remote
    )


def options_of(spec: SensorSpec) -> RadarOptions:
    """How a radar is configured, in the type of its kind."""
    options = msgspec.convert(spec.options, declared(spec.kind).options)
    assert isinstance(options, RadarOptions)
    return options


def _declaration(spec: SensorSpec) -> RadarDeclaration:
    options = options_of(spec)
    return RadarDeclaration(
        sensor=spec.name,
        kind=spec.kind,
        rssi_gate_dbm=options.rssi_gate_dbm,
        channels=options.channels_of_radios or (),
        hours=options.hours,
        hours_margin_s=MARGIN_S,
        timezone=options.timezone,
        window_s=options.window_s,
        hash_bits=HASH_BITS,
        key_lifetime_s=SALT_LIFETIME_S,
    )


async def declare(config: Config, database: Database, clock: Clock, counters: Counters) -> None:
    """Put the radars' settings on record. What the database refuses is counted and said.

    At every start, changed or not: settings change by a restart only.
    """
    radars = declarations(config)
    if not radars:
        return
    try:
        await database.transact(partial(_emit, radars=radars, moment=clock.now()), reserve=True)
    except StorageError as error:  # the shop opens all the same; status shows the counter
        counters.add("radars_not_declared", len(radars))
        log.error("the settings of the radars could not be put on record: %s", error)


def _emit(tx: Transaction, radars: tuple[RadarDeclaration, ...], moment: Moment) -> None:
    for radar in radars:
        tx.emit(Stream.CRIT, DECLARED, radar, moment)
