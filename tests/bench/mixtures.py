"""Crowds with a known number of phones, made from recordings of single ones.

Each phone of a crowd is a slice of a recorded session that no other phone of it uses. Its addresses
and the offset of its sequence numbers are drawn anew, so that slices of one model are phones of
one model. Seeded: the same seed gives the same crowd.
"""

import random
from collections import Counter as Tally
from collections.abc import Callable, Hashable, Iterable
from itertools import pairwise
from math import log
from typing import NamedTuple

import msgspec

from sensors.radar.counter import Counter
from sensors.radar.habits import HABITS, Habits
from sensors.radar.record import Heard
from sensors.radar.tracklet import SEQUENCE
from tests.bench.wifi_recordings import Session, labelled_phones

WINDOW_MS = 600_000
SESSION_MS = 1_200_000
LATE_MS_MAX = 120_000
"""Recordings begin with a scan; phones of a crowd do not begin together."""
RADIOS = ("r1", "r6", "r11")


class Crowd(NamedTuple):
    """What was heard, in order, and whose each record is; `phones` were heard at all."""

    heard: list[Heard]
    owners: list[int]
    phones: int

    @property
    def addresses(self) -> int:
        """The first baseline: distinct addresses."""
        return len({one.source for one in self.heard})

    @property
    def fingerprints(self) -> int:
        """The second baseline: distinct fingerprints."""
        return len({one.fingerprint for one in self.heard})


def crowd(
    dice: random.Random,
    phones: int,
    radios: Iterable[str] = RADIOS,
    *,
    different: bool = False,
    models: Iterable[str] | None = None,
) -> Crowd:
    """`phones` phones for one window; `different`: no two of one model."""
    slices = [part for session in labelled_phones() for part in _slices(session)]
    dice.shuffle(slices)
    records: list[tuple[Heard, int]] = []
    taken: list[str] = []
    for model, heard in slices:
        mine = [one for one in heard if one.radio in radios]
        wanted = models is None or model in models
        if len(taken) < phones and mine and wanted and not (different and model in taken):
            records += [(one, len(taken)) for one in _as_another(dice, mine)]
            taken.append(model)
    assert len(taken) == phones, f"the recordings make {len(taken)} such phones, not {phones}"
    records.sort(key=lambda record: record[0].at_ms)
    owners = [owner for _, owner in records]
    return Crowd([one for one, _ in records], owners, len(set(owners)))


def _slices(session: Session) -> list[tuple[str, list[Heard]]]:
    started_ms = session.heard[0].at_ms
    edges = range(started_ms, started_ms + SESSION_MS + 1, WINDOW_MS)
    parts = []
    for begins_ms, ends_ms in pairwise(edges):
        part = [
            msgspec.structs.replace(one, at_ms=one.at_ms - begins_ms)
            for one in session.heard
            if begins_ms <= one.at_ms < ends_ms
        ]
        if part:
            parts.append((session.phone, part))
    return parts


def _as_another(dice: random.Random, heard: list[Heard]) -> list[Heard]:
    """The same behaviour under other addresses and numbers, a little later."""
    offset = dice.randrange(SEQUENCE)
    late_ms = dice.randrange(LATE_MS_MAX)
    addresses: dict[bytes, bytes] = {}
    redrawn = []
    for one in heard:
        if one.source not in addresses:
            drawn = bytearray(dice.randbytes(6))
            drawn[0] = drawn[0] & ~3 | one.source[0] & 3
            addresses[one.source] = bytes(drawn)
        assert one.seq is not None
        if one.at_ms + late_ms < WINDOW_MS:
            redrawn.append(
                msgspec.structs.replace(
                    one,
                    at_ms=one.at_ms + late_ms,
                    source=addresses[one.source],
                    seq=(one.seq + offset) % SEQUENCE,
                )
            )
    return redrawn


class Counted(NamedTuple):
    """What the counter made of a crowd; `labels` is the phone that it gave to each address."""

    devices: int
    low: int
    high: int
    labels: dict[bytes, Hashable]


def counted(heard: list[Heard], habits: Habits = HABITS) -> Counted:
    """Count as the radar does. Addresses are told apart by number instead of by hash."""
    counter = Counter(None, habits)
    numbers: dict[bytes, int] = {}
    for one in heard:
        counter.add(one, numbers.setdefault(one.source, len(numbers)))
    window = 0, WINDOW_MS
    names = {id(counter.addresses[number]): source for source, number in numbers.items()}
    labels: dict[bytes, Hashable] = {
        names[id(one)]: ("maker", id(one)) for one in counter.by_maker()
    }
    for kind, addresses in enumerate(counter.made_up()):
        for address, number in zip(
            addresses, counter.chains(addresses, window).numbers(), strict=True
        ):
            labels[names[id(address)]] = kind, number
    reading = counter.closed(*window)
    return Counted(reading.devices, reading.devices_low, reading.devices_high, labels)


def v_measure(owners: Iterable[Hashable], labels: Iterable[Hashable]) -> float:
    """How well two partitions of the same records agree, 0..1: the harmonic mean of homogeneity
    and completeness (Rosenberg & Hirschberg 2007)."""
    pairs = Tally(zip(owners, labels, strict=True))
    total = sum(pairs.values())

    def entropy(of: Callable[[tuple[Hashable, Hashable]], Hashable]) -> float:
        sizes: Tally[Hashable] = Tally()
        for pair, size in pairs.items():
            sizes[of(pair)] += size
        return -sum(size / total * log(size / total) for size in sizes.values())

    owned, labelled = entropy(lambda pair: pair[0]), entropy(lambda pair: pair[1])
    both = entropy(lambda pair: pair)
    homogeneity = 1 - (both - labelled) / owned if owned else 1.0
    completeness = 1 - (both - owned) / labelled if labelled else 1.0
    return 2 * homogeneity * completeness / (homogeneity + completeness)
