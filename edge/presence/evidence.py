"""What one sign is worth: readings turned into log-likelihood ratios (nats) with their reasons.

Pure: called by the presence desk, never touches storage or a clock. A probe request is evidence
of nobody: a radar only counts.
"""

import numpy as np

from edge.presence.gallery import Match
from edge.records import REASON_BEGINS, Evidence, Moment, Strength

CARD_LLR = 20.7
"""A scanned loyalty card: about one in a thousand is a borrowed one, and that it is this very
member's has a chance of one in a million: e^20.7."""

LOGIN_LLR = 18.4
"""A login to the shop's Wi-Fi: about one in a hundred is with a number that somebody else in the
family uses, or on a phone that was lent; and this very member's by a chance of one in a million."""

PHONE_LLR = 17.7
"""A phone with which a member logged in lately: twice as often somebody else has it by now."""

TRACK_FRAMES_MIN = 3
"""A face counts as agreement only when this many frames of one track name the same member."""

TRACK_FRAMES_SHARE_MIN = 0.6
"""... and they are at least this share of the track's embedded frames."""

# Log-likelihood ratio of "same person" by Euclidean distance of dlib's descriptor. From measured
# rates on cleaned CelebA: at tolerance 0.6, 0.5, 0.45 the false match rate is 2.7e-3, 7e-5, 8e-6
# and the true accept rate 94.8, 69.7, 48.3 %. The ratio of the *differences* of those rates
# between two tolerances is the likelihood ratio of a distance between them: e^11.0 below 0.45,
# e^8.1 around 0.475, e^4.6 around 0.55, e^-3 beyond 0.6.
_DISTANCES = (0.0, 0.30, 0.45, 0.475, 0.55, 0.60, 0.65, 0.75)
_LLRS = (11.5, 11.5, 10.5, 8.2, 4.6, 1.0, -2.0, -6.0)

MARGIN_MIN = 0.05
"""A second member this close behind makes the first one a guess: the sign is worth nothing."""


def from_card(member: str, name_of_sensor: str, seen: Moment) -> Evidence:
    """A scan of the member's own card."""
    return Evidence(
        member,
        "card",
        CARD_LLR,
        Strength.EXPLICIT,
        f"{REASON_BEGINS['card']} scanned at {name_of_sensor}",
        seen,
    )


def from_login(member: str, nas: str, seen: Moment) -> Evidence:
    """The member's own login to the Wi-Fi, reported by `nas`."""
    reason = f"{REASON_BEGINS['association']} login at {nas}"
    return Evidence(member, "association", LOGIN_LLR, Strength.ASSOCIATION, reason, seen)


def from_phone(member: str, nas: str, seen: Moment) -> Evidence:
    """A phone on the Wi-Fi with which the member logged in before."""
    reason = f"{REASON_BEGINS['association']} phone known at {nas}"
    return Evidence(member, "association", PHONE_LLR, Strength.ASSOCIATION, reason, seen)


def from_track(matches: list[Match], sensor: str, seen: Moment) -> Evidence | None:
    """What all embedded frames of one track say together; None if they do not say one name.

    Frames of a track are not independent (same light, same pose), so their ratios are not added:
    the track is worth its median frame, and agreement only decides its strength.
    """
    if not matches:
        return None
    names = [match.member for match in matches]
    member = max(set(names), key=lambda name: (names.count(name), name))
    mine = [match for match in matches if match.member == member]
    share = len(mine) / len(matches)
    distance = float(np.median([match.distance for match in mine]))
    margin = float(np.median([match.runner_up for match in mine])) - distance
    agreeing = len(mine) >= TRACK_FRAMES_MIN and share >= TRACK_FRAMES_SHARE_MIN
    frames = f"{len(mine)} of {len(matches)} frames"
    reason = f"{REASON_BEGINS['face']} at {sensor}: {frames}, distance {distance:.2f}"
    return Evidence(
        member,
        "face",
        face_llr(distance) if margin >= MARGIN_MIN else 0.0,
        Strength.AGREEMENT if agreeing else Strength.WEAK,
        reason,
        seen,
    )


def face_llr(distance: float) -> float:
    """The log-likelihood ratio of one distance, linear between the measured points."""
    return float(np.interp(distance, _DISTANCES, _LLRS))
