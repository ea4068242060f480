"""Windows in which both a radar and the cameras counted: what its estimates of people rest on.

Written and read by the presence desk. Numbers only; of each radar the newest are kept.
"""

from msgspec import Struct

from edge.storage.outbox import Executes

KEPT_MAX = 2000
"""Of one radar, ten minutes each: four weeks of a shop that is open twelve hours a day."""


class RadarSample(Struct, frozen=True):
    """One window of one radar: what it heard, smoothed, and how many people the cameras saw."""

    sensor: str
    wall_ms: int
    phones: float
    addresses: float
    people: float


def add(connection: Executes, sample: RadarSample) -> None:
    """Keep a sample, and let the oldest of its radar go when there are too many."""
    connection.execute(
        "INSERT OR REPLACE INTO radar_sample VALUES (?, ?, ?, ?, ?)",
        (sample.sensor, sample.wall_ms, sample.phones, sample.addresses, sample.people),
    )
    connection.execute(
        "DELETE FROM radar_sample WHERE sensor = ? AND wall_ms <= (SELECT wall_ms FROM radar_sample"
        " WHERE sensor = ? ORDER BY wall_ms DESC LIMIT 1 OFFSET ?)",
        (sample.sensor, sample.sensor, KEPT_MAX),
    )


def of(connection: Executes, sensor: str) -> list[RadarSample]:
    """Of one radar, oldest first."""
    rows = connection.execute(
        "SELECT sensor, wall_ms, phones, addresses, people FROM radar_sample WHERE sensor = ?"
        " ORDER BY wall_ms",
        (sensor,),
    ).fetchall()
    return [RadarSample(*row) for row in rows]
