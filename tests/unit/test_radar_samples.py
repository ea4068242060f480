"""Samples that calibrate a radar, in the real database."""

from pathlib import Path

from edge.storage import radar_samples
from edge.storage.database import Database
from edge.storage.radar_samples import KEPT_MAX, RadarSample


async def test_the_newest_samples_of_each_radar_are_kept(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    try:
        samples = [RadarSample("radar", number, 1.5, 2.5, 3.0) for number in range(KEPT_MAX + 3)]
        await database.transact(lambda tx: [radar_samples.add(tx, one) for one in samples[:-3]])
        for one in samples[-3:]:
            await database.transact(lambda tx, one=one: radar_samples.add(tx, one))
        other = RadarSample("other", 1, 0.0, 0.0, 1.0)
        await database.transact(lambda tx: radar_samples.add(tx, other))
        kept = radar_samples.of(database.reading, "radar")
        assert len(kept) == KEPT_MAX
        assert (kept[0].wall_ms, kept[-1]) == (3, RadarSample("radar", KEPT_MAX + 2, 1.5, 2.5, 3.0))
        assert radar_samples.of(database.reading, "other") == [other]
    finally:
        database.close()
