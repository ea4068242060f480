"""How many phones a radar heard in one window.

Pure: fed by `Radar` with hashed devices, asked once at the end of the window. It holds hashes
until then and nothing afterwards. Addresses of a maker count as they are; made-up ones are
grouped by kind (`kinds`) and chained to phones (`chains`).
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, floor
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from edge.records import CountReading
from sensors.radar.habits import HABITS, Habits
from sensors.radar.kinds import Kinds
from sensors.radar.record import Heard
from sensors.radar.tracklet import SEQUENCE, Tracklet, ahead

if TYPE_CHECKING:
    from sensors.radar.chains import Chains

DEVICES_MAX = 20_000
"""A flood of invented addresses costs bounded memory; what is beyond is counted as one number."""
ALIKE_MAX = 10_000
"""Addresses with one fingerprint, or of makers: 30 phones of the labelled model that changes its
address with every frame make as many (350 each), and hundreds of any other."""
TIE_STEPS_MAX = SEQUENCE // 64
"""Two fingerprints of one address tie their kinds only if the numbers run on: addresses are hashed
to 20 bits, and two phones must not tie what is not alike."""
DOUBT = 6.0
ERROR_SHARE, ERROR_PHONES = 0.15, 1
"""The interval is what comes out if so many times fewer or more phones are expected, widened by
what the count itself errs on labelled phones; it holds the truth in nine of ten crowds of them."""


@dataclass(slots=True)
class Address:
    """One address: its tracklet and, if it was made up, the last fingerprint it showed."""

    tracklet: Tracklet
    fingerprint: bytes | None


Phone = list[Address]
"""One phone, as the addresses that it used."""


class Split(NamedTuple):
    """Phones of one kind: inside the gate, as many if fewer or more are expected, and all."""

    inside: int
    fewer: int
    more: int
    total: int


class Counter:
    """One window. Without a gate everything is inside."""

    def __init__(self, gate_dbm: int | None, habits: Habits = HABITS) -> None:
        self._gate_dbm = gate_dbm
        self._habits = habits
        self._begin()

    def _begin(self) -> None:
        self._frames = 0
        self._presence_only = 0
        self._overflow = 0
        self.addresses: dict[int, Address] = {}
        self._of_kind: Tally[bytes | None] = Tally()
        self._once: dict[int, None] = {}
        self._kinds = Kinds()

    def add(self, heard: Heard, device: int) -> None:
        """One transmission of `device` (a keyed hash of its address)."""
        self._frames += 1
        if heard.presence_only:
            self._presence_only += 1
            return
        known = self.addresses.get(device)
        if known is None:
            fingerprint = heard.fingerprint if heard.randomised else None
            if not self._has_room(fingerprint):
                self._overflow += 1
                return
            known = self.addresses[device] = Address(Tracklet.begun(heard), fingerprint)
            self._of_kind[fingerprint] += 1
            self._once[device] = None
        else:
            self._once.pop(device, None)
            if known.fingerprint is not None and heard.fingerprint != known.fingerprint:
                self._tie(known, heard)
        known.tracklet.add(heard)

    def _has_room(self, fingerprint: bytes | None) -> bool:
        """Whether one more address of this fingerprint (None: of a maker) may be kept.

        One transmitter that makes up addresses fills the room of its own kind. If it makes up
        kinds, too, whoever was heard once only, longest ago, makes room: a phone is heard twice.
        """
        if self._of_kind[fingerprint] >= ALIKE_MAX:
            return False
        if len(self.addresses) < DEVICES_MAX:
            return True
        if not self._once:
            return False
        oldest = next(iter(self._once))
        del self._once[oldest]
        gone = self.addresses.pop(oldest)
        self._of_kind[gone.fingerprint] -= 1
        self._overflow += 1
        return True

    def _tie(self, known: Address, heard: Heard) -> None:
        assert known.fingerprint is not None
        assert heard.fingerprint is not None
        assert heard.seq is not None
        last_seq = known.tracklet.last_seq  # radios differ by moments, so it may lie behind, too
        if min(ahead(last_seq, heard.seq), ahead(heard.seq, last_seq)) <= TIE_STEPS_MAX:
            self._kinds.tie(known.fingerprint, heard.fingerprint)
            self._of_kind[known.fingerprint] -= 1
            self._of_kind[heard.fingerprint] += 1
            known.fingerprint = heard.fingerprint

    def closed(
        self, from_ms: int, until_ms: int, breathe: Callable[[], None] = lambda: None
    ) -> CountReading:
        """The numbers of the window that lasted so long, and an empty window in its place.

        `breathe` is called between two kinds: a crowd takes seconds on a small box.
        """
        by_maker = [self._inside([address]) for address in self.by_maker()]
        splits = [Split(sum(by_maker), sum(by_maker), sum(by_maker), len(by_maker))]
        near = 0
        for addresses in self.made_up():
            breathe()
            splits.append(self._told_apart(addresses, (from_ms, until_ms)))
            near += sum(self._inside([address]) for address in addresses)
        devices, fewer, more, total = (sum(column) for column in zip(*splits, strict=True))
        named = splits[0].inside
        reading = CountReading(
            lasted_ms=until_ms - from_ms,
            frames=self._frames,
            addresses=len(self.addresses),
            devices=devices,
            devices_low=named + fewer_by_error(min(fewer, devices) - named),
            devices_high=named + more_by_error(max(more, devices) - named),
            private=devices - named,
            private_addresses=near,
            passers=total - devices,
            presence_only=self._presence_only,
            overflow=self._overflow,
        )
        self._begin()
        return reading

    def _told_apart(self, addresses: list[Address], window: tuple[int, int]) -> Split:
        """The phones of one kind."""
        if len(addresses) == 1:
            inside = int(self._inside(addresses))
            return Split(inside, inside, inside, 1)
        chains = self.chains(addresses, window)
        usual, fewer, more = (
            [self._inside(phone) for phone in phones_of(addresses, chains.numbers(doubt))]
            for doubt in (1.0, 1 / DOUBT, DOUBT)
        )
        return Split(sum(usual), sum(fewer), sum(more), len(usual))

    def by_maker(self) -> list[Address]:
        """Addresses that a maker gave."""
        return [address for address in self.addresses.values() if address.fingerprint is None]

    def made_up(self) -> Iterator[list[Address]]:
        """Made-up addresses of each kind, in order of time."""
        groups: dict[bytes, list[Address]] = {}
        for address in sorted(self.addresses.values(), key=attrgetter("tracklet.first_ms")):
            if address.fingerprint is not None:
                groups.setdefault(self._kinds.of(address.fingerprint), []).append(address)
        yield from groups.values()

    def chains(self, addresses: list[Address], window: tuple[int, int]) -> "Chains":
        """How the addresses of one kind are chained to phones."""
        from sensors.radar.chains import Chains  # it loads numpy, which a declaration must not

        return Chains([address.tracklet for address in addresses], window, self._habits)

    def _inside(self, phone: Phone) -> bool:
        """Whether it was once as near as the gate. A radio that tells no level hears all inside."""
        peaks_dbm = [address.tracklet.peak_dbm for address in phone]
        gate_dbm = self._gate_dbm
        return gate_dbm is None or any(peak is None or peak >= gate_dbm for peak in peaks_dbm)


def fewer_by_error(phones: int) -> int:
    """The lower end of the interval; who was heard was there."""
    return max(min(1, phones), floor(phones * (1 - ERROR_SHARE)) - ERROR_PHONES)


def more_by_error(phones: int) -> int:
    """The upper end of the interval."""
    return ceil(phones * (1 + ERROR_SHARE)) + min(phones, ERROR_PHONES)


def phones_of(addresses: list[Address], numbers: list[int]) -> list[Phone]:
    """The phones that `addresses` are, by the number that each has."""
    phones: list[Phone] = [[] for _ in range(max(numbers) + 1)]
    for address, number in zip(addresses, numbers, strict=True):
        phones[number].append(address)
    return phones
