"""What the frames of one track say together: this member, nobody known, or "show your card".

Pure and total: called by the presence desk for every fused vector, whatever it holds. A wrong
name is the costlier error, so every doubt turns a member into a question.
"""

import math
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from edge.presence.face_calibration import FPIR_MAX, Calibration
from edge.presence.gallery import Look

FRAMES_MIN = 3
"""So many frames of the track must name the member by themselves."""
SHARE_MIN = 0.6
"""... and they are at least this share of the track's frames."""
PHOTOS_MIN = 3
"""A member enrolled with fewer is asked for the card: one photo is one light and one pose."""
MARGIN_MIN = 0.05
"""A second member this close behind makes the first one a guess (in units of the score)."""
ASK_FACTOR = 10
"""Where a stranger comes so many times as often as the target allows, the card is asked for."""


class Outcome(StrEnum):
    """What to do: greet the member, ask for the card, or nothing."""

    MEMBER = "member"
    ASK = "ask"
    UNKNOWN = "unknown"


class FaceDecision(Struct, frozen=True):
    """The outcome of one track so far. `llr` (nats) is 0 where the face says nothing of whom."""

    outcome: Outcome
    member: str | None
    score: float
    margin: float
    llr: float
    frames: int


NOBODY = FaceDecision(Outcome.UNKNOWN, None, 0.0, 0.0, 0.0, 0)


class Rules(Struct, frozen=True):
    """By what a track is judged.

    `people` is how many members the shop has (at least the gallery's size), `target_fpir` the
    share of strangers that may get a name, `raised` what `strangers` adds to every threshold.
    """

    calibration: Calibration
    people: int
    target_fpir: float = 0.001
    raised: float = 0.0

    def threshold(self, look: Look, frames: int, fpir: float) -> float:
        """The least score of `look` at which strangers are named with the chance `fpir`."""
        table = self.calibration.threshold(look.photos, frames, self.people, fpir)
        return table + max(0.0, self.raised)


def decide(
    fused: Look | None, frames: Sequence[Look | None], doubt: str, rules: Rules
) -> FaceDecision:
    """The outcome of a track: `fused` is the look of the mean of its frames, `frames` each alone.

    `doubt` is the camera's reason not to trust the picture, empty for none.
    """
    calibration, count = rules.calibration, max(1, len(frames))
    if fused is None or not math.isfinite(fused.score) or fused.model != calibration.model:
        return NOBODY
    margin = fused.score - fused.runner_up
    asked = min(FPIR_MAX, rules.target_fpir * ASK_FACTOR)
    if not fused.score >= rules.threshold(fused, count, asked):
        return FaceDecision(Outcome.UNKNOWN, None, fused.score, margin, 0.0, len(frames))
    trusted = not doubt and margin >= MARGIN_MIN
    sure = fused.score >= rules.threshold(fused, count, rules.target_fpir)
    enough = fused.photos >= PHOTOS_MIN and _agree(fused, frames)
    llr = calibration.llr(fused.score - rules.raised, fused.photos, count) if trusted else 0.0
    outcome = Outcome.MEMBER if trusted and sure and enough else Outcome.ASK
    return FaceDecision(outcome, fused.member, fused.score, margin, llr, len(frames))


def _agree(fused: Look, frames: Sequence[Look | None]) -> bool:
    """Whether enough frames name the member of the fused look by themselves."""
    same = sum(1 for look in frames if look is not None and look.member == fused.member)
    return same >= FRAMES_MIN and same >= SHARE_MIN * len(frames)
