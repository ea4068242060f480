"""Chains: which scans of one kind of phone are one phone's, and so how many phones there are.

Pure; called by `Counter` at the end of a window with the tracklets of one kind (one fingerprint). A
phone is a renewal process: it scans, is silent for a while that is typical of its kind, and scans
again under another address. Every link between two scans is weighed against the odds that one phone
left and another came; the best set of links is found exactly (an assignment), and each chain
that remains is a phone.

After Vanhoef et al. 2016 (sequence numbers), Tan & Chan 2021 (the best set of links), RateCount
2025 (the time between scans); measured on labelled phones by `make bench AREA=wifi`.
"""

import math
from collections import Counter as Tally
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sensors.radar.habits import HABITS, Habits
from sensors.radar.scans import Scan, gathered
from sensors.radar.tracklet import PLACES_MAX, SEQUENCE, Tracklet

SCANS_MAX = 400
"""Scans of one kind that are weighed against each other, a tenth of a second and some MB. Crowds of
40 phones have up to 150; a kind that has more is counted in parts, one after the other."""
PARTS_MAX = 4
"""Parts that are weighed, spread over the window: a flood must not keep a radar from listening."""
ASKED_MAX = 1000
"""Addresses of a kind that are asked whether they go on with an earlier one's numbers."""
BEFORE_MAX = 200
"""... and so many earlier ones that could be it."""
EXPECTING_ROUNDS = 4
"""It settles after two or three."""
SHORT_S = 20.0
BEAT_S_MIN, BEAT_S_MAX = 2.0, 400.0
STARTS_MAX = 1000
"""Starts of one part whose differences are taken, half a million; more say nothing new."""
NEAR_S, AROUND_S = 0.8, 15.0
"""A beat is kept to within half a second or so; what is farther off is its surroundings."""
Matrix = NDArray[np.float64]


class Chains:
    """The phones of one kind, from its tracklets in order of `first_ms`.

    `window` is its first and last moment in ms. All that can be weighed is weighed once; `numbers`
    then asks for the best chains under an expectation.
    """

    def __init__(
        self, tracklets: Sequence[Tracklet], window: tuple[int, int], habits: Habits = HABITS
    ) -> None:
        counting = keeps_counting(tracklets) >= habits.counting_share
        scans = gathered(tracklets, counting=counting)
        self._expected = habits.phones
        self._count = len(tracklets)
        parts = [scans[at : at + SCANS_MAX] for at in range(0, len(scans), SCANS_MAX)]
        step = math.ceil(len(parts) / PARTS_MAX)
        self._weighed = [
            (part, link_gain(part, window, habits, counting=counting)) for part in parts[::step]
        ]
        self._rest = [scan for at, part in enumerate(parts) if at % step for scan in part]

    def numbers(self, doubt: float = 1.0) -> list[int]:
        """For each tracklet the number of its phone, from 0, if `doubt` times as many phones are
        expected as usual.

        Who stays is in every part, so the phones of the fullest part stand for all.
        """
        numbers = [0] * self._count
        phones = 0
        for scans, gain in self._weighed:
            phone_of = _expecting(gain, self._expected * doubt)
            phones = max(phones, max(phone_of) + 1)
            _deal(numbers, scans, phone_of)
        _deal(numbers, self._rest, [at % phones for at in range(len(self._rest))])
        return numbers


def _deal(numbers: list[int], scans: Sequence[Scan], phone_of: Sequence[int]) -> None:
    for scan, phone in zip(scans, phone_of, strict=True):
        for member in scan.members:
            numbers[member] = phone


def _expecting(gain: Matrix, expected: float) -> list[int]:
    """The best chains; a kind of which there are many is expected to have more."""
    phone_of = best_chains(gain, math.log(expected))
    for _ in range(EXPECTING_ROUNDS):
        found = max(phone_of) + 1
        phone_of = best_chains(gain, math.log(expected * found))
        if max(phone_of) + 1 == found:
            break
    return phone_of


def keeps_counting(tracklets: Sequence[Tracklet]) -> float:
    """The share of addresses that go on with the number of an earlier one, chance taken off.

    Nine of 22 labelled models never reset their counter, eight do at each change of address.
    """
    hits = by_chance = possible = 0.0
    for at in range(0, len(tracklets), math.ceil(len(tracklets) / ASKED_MAX)):
        tracklet = tracklets[at]
        hit, miss, any_before = False, 1.0, False
        for earlier in tracklets[max(0, at - BEFORE_MAX) : at]:
            gap_s = (tracklet.first_ms - earlier.last_ms) / 1000
            if not -0.5 <= gap_s <= 300:
                continue
            any_before = True
            reach = 60 + 4 * min(max(gap_s, 0.0), 30.0)
            hit |= 0 < (tracklet.first_seq - earlier.last_seq) % SEQUENCE <= reach
            miss *= 1 - reach / SEQUENCE
        if any_before:
            possible, hits, by_chance = possible + 1, hits + hit, by_chance + 1 - miss
    room = possible - by_chance
    if room <= 0.5:
        return 1.0 if possible and hits >= 0.9 * possible else 0.0
    return (hits - by_chance) / room


def best_chains(gain: Matrix, log_phones: float) -> list[int]:
    """The chains with the greatest sum of gains; each spared phone costs `log_phones`."""
    count = len(gain)
    worth = np.maximum(gain - log_phones, 0.0)
    follows = [-1] * count
    if worth.any():
        from scipy.optimize import linear_sum_assignment

        for earlier, later in zip(*linear_sum_assignment(worth, maximize=True), strict=True):
            if worth[earlier, later] > 0:
                follows[later] = int(earlier)
    numbers: list[int] = []
    phones = 0
    for at in range(count):  # who is followed comes earlier
        if follows[at] >= 0:
            numbers.append(numbers[follows[at]])
        else:
            numbers.append(phones)
            phones += 1
    return numbers


def link_gain(
    scans: Sequence[Scan], window: tuple[int, int], habits: Habits, *, counting: bool
) -> Matrix:
    """ln of the odds that scan j is the next of scan i's phone, -inf where it cannot be."""
    first_s = np.array([scan.first_ms for scan in scans]) / 1000
    last_s = np.array([scan.last_ms for scan in scans]) / 1000
    gap_s = first_s[None, :] - last_s[:, None]
    begun_s, ended_s = window[0] / 1000, window[1] / 1000
    came = _log_edge(first_s - begun_s, ended_s - begun_s, habits)
    left = _log_edge(ended_s - last_s, ended_s - begun_s, habits) + math.log(ended_s - begun_s)
    gain = _log_silence(gap_s, scans, habits, counting=counting)
    if counting:
        gain = gain + _log_step(scans, habits)
    gain = gain + _log_level(scans, habits) - came[None, :] - left[:, None]
    order = np.arange(len(scans))
    possible = (gap_s >= -0.3) & (order[:, None] < order[None, :])
    return np.where(possible, gain, -np.inf)


def _log_edge(from_edge_s: NDArray[np.float64], window_s: float, habits: Habits) -> Matrix:
    """ln density of a phone's first (last) scan so long after the beginning (before the end)."""
    there = np.exp(-np.maximum(from_edge_s, 0) / habits.edge_s) / habits.edge_s
    edge: Matrix = np.log((1 - habits.passing) * there + habits.passing / window_s)
    return edge


def _log_silence(gap_s: Matrix, scans: Sequence[Scan], habits: Habits, *, counting: bool) -> Matrix:
    """ln density of the time from one scan of a phone to its next.

    Log-normal, with a share on the kind's own beat. Kinds that keep counting are followed from
    address to address, so that short gaps are many.
    """
    gap = np.maximum(gap_s, 0.05)
    z = np.log(gap / habits.silence_s) / habits.spread
    density = np.exp(-z * z / 2) / (gap * habits.spread * math.sqrt(2 * math.pi))
    short = habits.short if counting else habits.short_reset
    density = (1 - short) * density + short * np.exp(-gap / SHORT_S) / SHORT_S
    log: Matrix = np.log((1 - habits.regular) * density + habits.regular * _beat(scans, habits))
    return log


def _beat(scans: Sequence[Scan], habits: Habits) -> Matrix:
    """Density of the time between starts, as the kind itself shows it.

    Phones of a kind scan on a beat (20, 60, 135, 160, 180, 270 s), which shows as differences that
    come again and again: of each pair, how many others lie as far apart, beyond what differences
    a little shorter or longer do.
    """
    first_s = np.array([scan.first_ms for scan in scans]) / 1000
    latest_s = np.array([_starts_s(scan)[-1] for scan in scans])
    apart_s = first_s[None, :] - latest_s[:, None]
    starts_s = np.sort(np.concatenate([_starts_s(scan) for scan in scans]))
    starts_s = starts_s[:: math.ceil(len(starts_s) / STARTS_MAX)]
    known = (starts_s[None, :] - starts_s[:, None])[np.triu_indices(len(starts_s), 1)]
    known = np.sort(known[(known > BEAT_S_MIN) & (known < BEAT_S_MAX)])
    alike = _within(known, apart_s, NEAR_S) - 1
    around = (_within(known, apart_s, AROUND_S) - alike - 1) * NEAR_S / (AROUND_S - NEAR_S)
    noise = np.maximum(around, 0)
    beyond = np.maximum(alike - noise - habits.clear * np.sqrt(np.maximum(noise, 0.25)), 0)
    density: Matrix = beyond / (2 * NEAR_S) / max(1.0, 0.7 * len(scans))
    return density


def _starts_s(scan: Scan) -> NDArray[np.float64]:
    starts = [scan.first_ms] if len(scan.members) > 1 else scan.starts_ms
    return np.array(starts) / 1000


def _within(sorted_s: NDArray[np.float64], gap_s: Matrix, reach_s: float) -> NDArray[np.int64]:
    upper = np.searchsorted(sorted_s, gap_s + reach_s)
    lower = np.searchsorted(sorted_s, gap_s - reach_s)
    return upper - lower


def _log_step(scans: Sequence[Scan], habits: Habits) -> Matrix:
    """ln odds of the step between the numbers: small steps are likely, and their scale is unknown
    (about 1/step); a stranger's is any of 4096. Some models jump by half the range as they change.
    """
    first = np.array([scan.first_seq for scan in scans])
    last = np.array([scan.last_seq for scan in scans])
    step = np.maximum((first[None, :] - last[:, None]) % SEQUENCE, 1)
    half = SEQUENCE // 2
    scale = math.log((half + habits.step) / habits.step)
    plain = np.where(step < half, (1 - habits.halfway) / ((step + habits.step) * scale), 0.0)
    beyond = np.maximum(step - half, 1)
    jumped = np.where(step > half, habits.halfway / ((beyond + habits.step) * scale), 0.0)
    log: Matrix = np.log((1 - habits.lost) * (plain + jumped) * SEQUENCE + habits.lost)
    return log


def _log_level(scans: Sequence[Scan], habits: Habits) -> Matrix:
    """ln odds of the difference in level, averaged over the places that heard both."""
    heard_at = Tally(place for scan in scans for place in scan.peaks)
    places = [place for place, _ in heard_at.most_common(PLACES_MAX)]
    total = np.zeros((len(scans), len(scans)))
    both = np.zeros_like(total)
    at_best = math.log(habits.level_other_db / habits.level_same_db)
    slope = 1 / habits.level_same_db - 1 / habits.level_other_db
    for place in places:
        level = np.array([scan.peaks.get(place, np.nan) for scan in scans])
        apart = np.abs(level[None, :] - level[:, None])
        heard = ~np.isnan(apart)
        total += np.where(heard, at_best - np.nan_to_num(apart) * slope, 0.0)
        both += heard
    log: Matrix = total / np.maximum(both, 1)
    return log
