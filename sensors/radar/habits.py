"""What is assumed of how phones scan; the parameters of `chains`.

Pure declaration. Chosen on some labelled phones and judged on others (`make bench AREA=wifi`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """What is assumed of phones that were never met; all but `phones` of one that scans.

    `phones`: how many more of a kind are expected, before looking. `passing`: the share that
    comes or goes within a window. `edge_s`: who stays throughout is first heard so long after its
    beginning, and last so long before its end, on average.

    `silence_s`, `spread`: median and spread (ln) of the time between scans. `short`: the share of
    scans that follow the last one at once (`SHORT_S`) in kinds whose numbers run on across
    addresses, `short_reset` in those that reset them. `counting_share`: a kind is of the former if
    numbers run on to so many of its addresses, chance taken off. `regular`: the share of scans on
    the kind's own beat, if it shows one; `clear`: by so many standard deviations.

    `level_same_db`, `level_other_db`: how levels differ between two scans of one phone and of two.
    `step`: how far numbers run between scans; `halfway`: the share of links across which they jump
    by half their range besides; `lost`: the share across which they do not run on.
    """

    phones: float = 0.3
    passing: float = 0.3
    edge_s: float = 150.0
    silence_s: float = 90.0
    spread: float = 1.2
    regular: float = 0.3
    clear: float = 4.0
    level_same_db: float = 4.0
    level_other_db: float = 10.0
    step: float = 15.0
    lost: float = 0.02
    halfway: float = 0.03
    counting_share: float = 0.35
    short: float = 0.5
    short_reset: float = 0.15


HABITS = Habits()
