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
from edge.presence.prior import MEMBER_SHARE

FRAMES_MIN = 3
"""So many frames of the track must name the member by themselves."""
SHARE_MIN = 0.6
"""... and they are at least this share of the track's frames."""
PHOTOS_MIN = 3
"""A member enrolled with fewer is asked for the card: one photo is one light and one pose."""
MARGIN_MIN = 2.0
"""A second member this close behind makes the first one a guess. In nats of how rare the scores
are, because a unit of score means more under one model than under another: with omz-reid0095 it is
about 0.05, with dlib a tenth of it."""
ASK_FACTOR = 10
"""Where a stranger comes so many times as often as the target allows, the card is asked for."""

LLR_MAX = math.log(100_000 / 1e-3)
"""What a face may be worth: a stranger named once in a thousand among 100,000 members."""


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
    share of strangers that may get a name, `raised` (nats) how much rarer `strangers` wants it,
    `enrolled` how many members can be matched.
    """

    calibration: Calibration
    people: int
    target_fpir: float = 0.001
    raised: float = 0.0
    enrolled: int = 0

    def threshold(self, look: Look, frames: int, fpir: float) -> float:
        """The least score of `look` at which strangers are named with the chance `fpir`."""
        held = fpir * math.exp(-max(0.0, self.raised))
        return self.calibration.threshold(look.photos, frames, self.people, held)

    def worth(self, look: Look, frames: int) -> float:
        """What the look's score says of this member against anybody else, in nats, 0 to LLR_MAX.

        The member is the best of N, but that needs no correction of its own. Of all N scores, if
        member b came, s_b is drawn from f_own and the others from f_str; if a stranger came, all
        are. So L_b = f_own(s_b) / f_str(s_b) is the whole ratio of b to a stranger: that there were
        N to be the best of is paid for by the prior, which is share/N for each.

        It may also be another member who came. Fusion counts each of them with a ratio of one,
        which is right for those who are not enrolled. The runner-up r has L_r. The others who are
        enrolled, g of all members, score below r. A stranger's score s has a mean L of
        integral f_own(s) / f_str(s) f_str(s) ds = 1, and one below s_r that of F_own(s_r), the
        share of own scores below s_r, as next to all of strangers' are:

            worth = log L_b - log(1 - share g (1 - F_own(s_r)) + share/N L_r)
        """
        calibration = self.calibration
        first = calibration.ratio(look.score, look.photos, frames) - max(0.0, self.raised)
        rival = calibration.ratio(look.runner_up, look.photos, frames)
        people = max(1, self.people)
        behind = min(1.0, self.enrolled / people)
        unlikely = 1 - calibration.own_below(look.runner_up, look.photos, frames)
        others = 1 - MEMBER_SHARE * behind * unlikely
        others += MEMBER_SHARE / people * math.exp(min(LLR_MAX, rival))
        return min(LLR_MAX, max(0.0, first - math.log(others)))

    def ahead(self, look: Look, frames: int) -> float:
        """How much rarer the look's score is than that of the next other member, in nats."""
        rarity = self.calibration.rarity
        first = rarity(look.score, look.photos, frames)
        return first - rarity(look.runner_up, look.photos, frames)


def decide(
    fused: Look | None, frames: Sequence[Look | None], doubt: str, rules: Rules
) -> FaceDecision:
    """The outcome of a track: `fused` is the look of the mean of its frames, `frames` each alone.

    `doubt` is the camera's reason not to trust the picture, empty for none.
    """
    if fused is None or fused.model != rules.calibration.model:
        return NOBODY
    if not math.isfinite(fused.score) or math.isnan(fused.runner_up):
        return NOBODY
    count = max(1, len(frames))
    margin = fused.score - fused.runner_up
    asked = min(FPIR_MAX, rules.target_fpir * ASK_FACTOR)
    if not fused.score >= rules.threshold(fused, count, asked):
        return FaceDecision(Outcome.UNKNOWN, None, fused.score, margin, 0.0, len(frames))
    trusted = not doubt and rules.ahead(fused, count) >= MARGIN_MIN
    sure = fused.score >= rules.threshold(fused, count, rules.target_fpir)
    enough = fused.photos >= PHOTOS_MIN and _agree(fused, frames)
    llr = rules.worth(fused, count) if trusted else 0.0
    outcome = Outcome.MEMBER if trusted and sure and enough else Outcome.ASK
    return FaceDecision(outcome, fused.member, fused.score, margin, llr, len(frames))


def _agree(fused: Look, frames: Sequence[Look | None]) -> bool:
    """Whether enough frames name the member of the fused look by themselves."""
    same = sum(1 for look in frames if look is not None and look.member == fused.member)
    return same >= FRAMES_MIN and same >= SHARE_MIN * len(frames)
