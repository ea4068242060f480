"""What is computed from the figures of a period: visitors by cameras and Wi-Fi together,
conversion, shares and means.

Pure; called by `edge/operation/figure_facts.py` for the screens of people. It stores nothing, and
what it gives adds nothing to the numbers it was given.

Visitors. A camera that counted n people is believed with a variance of CAMERA_MISS * n (each is
missed, or counted twice, with that probability) + (CAMERA_BIAS * n)^2 (all go wrong in one way).
A radar that the cameras taught gives an interval that holds COVERED of the truth: half of it is Z
standard deviations. Both estimate who came in, so they are combined by the inverse of their
variances (the best linear unbiased estimate: Bevington & Robinson, Data Reduction and Error
Analysis, ch. 4). Of several radars, which hear the same phones, the surest speaks; cameras look at
doors of their own and add up. Where no camera counts, Wi-Fi stands alone, learned or not.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from statistics import NormalDist

from msgspec import Struct

from edge.figures import DWELL_BUCKETS, Measure
from edge.presence.people import COVERED

CAMERA_MISS = 0.1
CAMERA_BIAS = 0.05
DEVIATION_MIN = 0.5
"""People are whole: nobody knows their number better."""
DWELL_KNOWN_MIN = 0.5
"""Of how large a share of the visits the length must be known before their mean is."""
Z = NormalDist().inv_cdf((1 + COVERED) / 2)
"""Standard deviations that hold COVERED of a normal distribution to both sides."""

BY_PHONES = "phones, not yet learned"
"""One phone a person in each window of ten minutes: who stays longer is counted again."""

Numbers = Mapping[tuple[Measure, str], int]
"""What was counted in a period, by measure and subject."""


class Visitors(Struct, frozen=True):
    """How many people came in, between which numbers most probably, and how that is known."""

    people: int
    low: int
    high: int
    by: str


class Derived(Struct, frozen=True):
    """What numbers come to. None: nothing to divide by, or too little known.

    `conversion` is orders by visits that ended (a shopper who buys twice counts twice),
    `recognised_share` identified ones by all, `offers_used_share` uses by times shown.
    """

    conversion: float | None = None
    recognised_share: float | None = None
    returning_share: float | None = None
    offers_used_share: float | None = None
    dwell_mean_s: float | None = None


class Estimated(Struct, frozen=True):
    """A number of people and its variance."""

    people: float
    variance: float


def total(numbers: Numbers, *measures: Measure) -> int:
    """Of all subjects together."""
    return sum(value for (measure, _), value in numbers.items() if measure in measures)


def of_measure(numbers: Numbers, measure: Measure) -> dict[str, int]:
    """By subject."""
    return {subject: value for (each, subject), value in numbers.items() if each is measure}


def derived(numbers: Numbers) -> Derived:
    """Conversion, shares, and the mean length of a visit."""
    visits = total(numbers, Measure.VISITS)
    recognised = total(numbers, Measure.RECOGNISED)
    return Derived(
        conversion=_share(total(numbers, Measure.ORDERS), visits),
        recognised_share=_share(recognised, visits),
        returning_share=_share(total(numbers, Measure.RETURNING), recognised),
        offers_used_share=_share(
            total(numbers, Measure.OFFERS_USED), total(numbers, Measure.OFFERS_SHOWN)
        ),
        dwell_mean_s=dwell_mean_s(
            total(numbers, Measure.DWELL_S), total(numbers, Measure.DWELL), visits
        ),
    )


def dwell_mean_s(seconds: int, known: int, visits: int) -> float | None:
    """The mean length of a visit, of which `known` took so many seconds together.

    None where the end of most was not seen: the few whose end was are those who soon left.
    """
    return _share(seconds, known) if known >= DWELL_KNOWN_MIN * visits else None


def dwell_histogram(numbers: Numbers) -> tuple[tuple[str, int], ...]:
    """How many visits of each bucket of length, in minutes."""
    found = of_measure(numbers, Measure.DWELL)
    return tuple((bucket, found.get(bucket, 0)) for bucket in DWELL_BUCKETS)


def queue_means(numbers: Numbers) -> dict[str, float]:
    """People who stood in each zone at a time, on the average of when it was watched."""
    lasted_s, area = of_measure(numbers, Measure.QUEUE_S), of_measure(numbers, Measure.QUEUE_AREA)
    return {zone: area.get(zone, 0) / seconds for zone, seconds in lasted_s.items() if seconds}


def with_lines(numbers: Iterable[tuple[Measure, str]]) -> frozenset[str]:
    """The cameras with a line: of them who walks in over it counts, not who comes into view."""
    return frozenset(
        subject for measure, subject in numbers if measure in (Measure.ENTRIES, Measure.EXITS)
    )


def visitors(numbers: Numbers, lined: Collection[str]) -> Visitors | None:
    """Who came in, in one hour or less (`summed` adds hours up); None if nothing counted.

    `lined` are the cameras with lines, which `with_lines` finds in a longer time.
    """
    camera, radar = _by_cameras(numbers, lined), _by_radars(numbers)
    if camera is not None and radar is not None:
        weights = 1 / camera.variance, 1 / radar.variance
        people = (camera.people * weights[0] + radar.people * weights[1]) / sum(weights)
        return _rounded(Estimated(people, 1 / sum(weights)), "cameras and Wi-Fi")
    if camera is not None:
        return _rounded(camera, "cameras")
    if radar is not None:
        return _rounded(radar, "Wi-Fi")
    phones = of_measure(numbers, Measure.PHONES)
    if not phones:
        return None
    most = max(phones, key=lambda sensor: (phones[sensor], sensor))
    least, high = (
        of_measure(numbers, each).get(most, 0)
        for each in (Measure.PHONES_LEAST, Measure.PHONES_HIGH)
    )
    return Visitors(phones[most], least, max(high, phones[most]), BY_PHONES)


def summed(parts: Iterable[Visitors | None]) -> Visitors | None:
    """Of several hours: numbers and bounds add up, as if all errors went one way. Of phones that
    nothing was learned of there were at least as many people as in any one hour.
    """
    known = [part for part in parts if part is not None]
    if not known:
        return None
    ways = dict.fromkeys(part.by for part in known)
    least = max((part.low for part in known if part.by == BY_PHONES), default=0)
    return Visitors(
        sum(part.people for part in known),
        least + sum(part.low for part in known if part.by != BY_PHONES),
        sum(part.high for part in known),
        ", ".join(ways),
    )


def _by_cameras(numbers: Numbers, lined: Collection[str]) -> Estimated | None:
    entries = of_measure(numbers, Measure.ENTRIES)
    people = of_measure(numbers, Measure.PEOPLE)
    if not entries and not people:
        return None
    seen = sum(entries.get(sensor, 0) for sensor in lined)
    seen += sum(value for sensor, value in people.items() if sensor not in lined)
    variance = CAMERA_MISS * seen + (CAMERA_BIAS * seen) ** 2
    return Estimated(seen, max(variance, DEVIATION_MIN**2))


def _by_radars(numbers: Numbers) -> Estimated | None:
    """By the surest radar that had learned all the time what its phones stand for."""
    learning = of_measure(numbers, Measure.PHONES)
    low, high = of_measure(numbers, Measure.WIFI_LOW), of_measure(numbers, Measure.WIFI_HIGH)
    found = [
        Estimated(
            people, max((high.get(sensor, 0) - low.get(sensor, 0)) / 2 / Z, DEVIATION_MIN) ** 2
        )
        for sensor, people in of_measure(numbers, Measure.WIFI).items()
        if not learning.get(sensor)
    ]
    return min(found, key=lambda each: each.variance, default=None)


def _rounded(found: Estimated, by: str) -> Visitors:
    """Whole people, the interval rounded outwards."""
    half = Z * math.sqrt(found.variance)
    low, high = max(0, math.floor(found.people - half)), math.ceil(found.people + half)
    return Visitors(round(found.people), low, high, by)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
