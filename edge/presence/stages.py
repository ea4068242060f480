"""How far a visit has come: arrived, browsing, at the kiosk, browsing again.

Pure; asked by the book of visits when something of a visit is seen, and when its time is due.
"""

from edge.presence.open_visit import OpenVisit, TrackState, age_s
from edge.presence.places import Places
from edge.records import Moment
from edge.visiting import Stage

BROWSING_S = 60.0
"""Whoever is here for so long looks around."""
KIOSK_S = 60.0
"""So long after the last sign at a screen nobody stands there, unless a camera still sees them."""
TRACK_LIVES_S = 600.0
"""A track of which nothing was heard for so long is over, though nobody said so."""
RANK = {Stage.ARRIVED: 0, Stage.BROWSING: 1, Stage.AT_KIOSK: 2, Stage.LEFT: 3}


def stage(entry: OpenVisit, places: Places, now: Moment) -> Stage:
    """The stage of an open visit now. It never goes back to having just arrived."""
    if _at_kiosk(entry, places, now):
        return Stage.AT_KIOSK
    if entry.visit.stage is not Stage.ARRIVED:
        return Stage.BROWSING
    elsewhere = any(track[0] != entry.visit.sensor for track in entry.tracks)
    looks = elsewhere or entry.visit.zones or age_s(entry.visit.opened, now) >= BROWSING_S
    return Stage.BROWSING if looks else Stage.ARRIVED


def next_ms(entry: OpenVisit, now: Moment) -> int | None:
    """When its stage may change though nothing is seen (ms of the steady clock); None: never."""
    visit = entry.visit
    if visit.stage is Stage.AT_KIOSK:
        seen = entry.kiosk_seen
        since_ms = seen.mono_ms if seen is not None and seen.boot == now.boot else now.mono_ms
        return max(since_ms, now.mono_ms) + round(KIOSK_S * 1000)
    if visit.stage is Stage.ARRIVED:
        return visit.opened.mono_ms + round(BROWSING_S * 1000)
    return None


def lives(track: TrackState, now: Moment) -> bool:
    """Whether somebody is still in view there."""
    return not track.gone and age_s(track.seen, now) < TRACK_LIVES_S


def _at_kiosk(entry: OpenVisit, places: Places, now: Moment) -> bool:
    seen = entry.kiosk_seen
    if seen is not None and age_s(seen, now) < KIOSK_S:
        return True
    return any(
        places.screen_of(track.track[0]) and lives(track, now) for track in entry.tracks.values()
    )
