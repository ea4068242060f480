"""Scans: what one phone sends at one go, gathered from the addresses it used for it.

Pure; called by `chains` with the tracklets of one kind of phone. Some kinds change the address
within a scan, some at each scan, some hardly ever; which it is shows in the tracklets themselves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sensors.radar.tracklet import SEQUENCE, Tracklet, ahead

WITHIN_MS = 1_000
"""Within a scan the next address follows sooner than this."""
SCAN_MS_MAX = 5_000
"""A scan of all channels takes 0.2 to 4.7 s on the labelled phones."""
LOOK_BACK_MAX = 200
"""Scans that an address may go on with; in six seconds a crowd begins far fewer."""
STEP_MAX = 40
"""Kinds that keep counting advance by 1 to 25 from one address of a scan to the next."""
CLUMP_MS = 200
"""Addresses of one scan follow each other after 30 to 120 ms."""
CLUMPED_SHARE = 0.3
"""Addresses follow each other within `CLUMP_MS` so much more often than by chance: they share
scans. Below it each is a scan of its own, and a crowd is not taken for one phone."""


@dataclass(slots=True)
class Scan:
    """One scan of one phone; `members` are positions in the sequence of tracklets."""

    members: list[int]
    first_ms: int
    last_ms: int
    first_seq: int
    last_seq: int
    peaks: dict[tuple[str, int | None], int]
    starts_ms: list[int]


def gathered(tracklets: Sequence[Tracklet], *, counting: bool) -> list[Scan]:
    """The scans of `tracklets`, which are in order of `first_ms`; `counting` kinds keep their
    sequence numbers running across addresses."""
    if not counting and not clumped(tracklets):
        return [_alone(at, tracklet) for at, tracklet in enumerate(tracklets)]
    scans: list[Scan] = []
    for at, tracklet in enumerate(tracklets):
        scan = _scan_of(scans, tracklet, counting=counting)
        if scan is None:
            scans.append(_alone(at, tracklet))
        else:
            _join(scan, at, tracklet)
    return scans


def clumped(tracklets: Sequence[Tracklet]) -> bool:
    """Whether addresses come in clumps, more than they would at random times."""
    if len(tracklets) < 3:
        return False
    lasted_ms = max(1, tracklets[-1].first_ms - tracklets[0].first_ms)
    gaps_ms = [b.first_ms - a.first_ms for a, b in pairwise(tracklets)]
    close = sum(gap_ms <= CLUMP_MS for gap_ms in gaps_ms) / len(gaps_ms)
    by_chance = 1 - math.exp(-len(gaps_ms) * CLUMP_MS / lasted_ms)
    return close - by_chance > CLUMPED_SHARE * (1 - by_chance)


def _scan_of(scans: list[Scan], tracklet: Tracklet, *, counting: bool) -> Scan | None:
    """The scan that `tracklet` goes on with: by number, or where numbers tell nothing, by time."""
    best: tuple[int, Scan] | None = None
    for scan in reversed(scans[-LOOK_BACK_MAX:]):
        if tracklet.first_ms - scan.first_ms > SCAN_MS_MAX + WITHIN_MS:
            break
        if tracklet.first_ms - scan.last_ms > WITHIN_MS or _long(scan, tracklet):
            continue
        step = ahead(scan.last_seq, tracklet.first_seq)
        if counting and not 0 < step <= STEP_MAX:
            continue
        distance = step if counting else tracklet.first_ms - scan.last_ms
        if best is None or distance < best[0]:
            best = distance, scan
    return best[1] if best else None


def _long(scan: Scan, tracklet: Tracklet) -> bool:
    """An address that stays for longer than a scan tells its phone by itself."""
    return (
        scan.last_ms - scan.first_ms > SCAN_MS_MAX
        or tracklet.last_ms - tracklet.first_ms > SCAN_MS_MAX
    )


def _alone(at: int, tracklet: Tracklet) -> Scan:
    return Scan(
        [at],
        tracklet.first_ms,
        tracklet.last_ms,
        tracklet.first_seq,
        tracklet.last_seq,
        dict(tracklet.peaks),
        tracklet.starts_ms,
    )


def _join(scan: Scan, at: int, tracklet: Tracklet) -> None:
    scan.members.append(at)
    scan.last_ms = max(scan.last_ms, tracklet.last_ms)
    if ahead(scan.last_seq, tracklet.last_seq) < SEQUENCE // 2:
        scan.last_seq = tracklet.last_seq
    for place, peak_dbm in tracklet.peaks.items():
        scan.peaks[place] = max(scan.peaks.get(place, peak_dbm), peak_dbm)
