"""What a walk along the shop's border says about the gate and the channels.

Pure: `storebox wifi calibrate` feeds it pictures of the air and shows what it proposes. It follows
one phone, the technician's own, and knows it by pseudonym only; it changes no configuration.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from sensors.radar.survey import Air, Phone, Survey

NEAR_DBM = -55
"""A phone that is held at the radar is heard at least so strongly."""
NEAR_SEARCHES = 3
"""So often it has to be the strongest before it is believed to be the one that is held there."""
MARGIN_DB = 6
"""So much stronger than any other: two phones in one hand cannot be told apart."""
SAMPLES_MIN = 12
"""Below it one search more or less moves the tenth part by decibels."""
PERCENTILE = 10
"""See `proposed_gate`."""
GATE_DBM_MIN, GATE_DBM_MAX = -95, -30
"""A gate beyond these lets in all that a radio can hear, or nobody."""
MIXED_SHARE = 0.2
"""Of the seconds, heard under two names at once: another phone of the same model is near."""
CHANNEL_SHARE_MIN = 0.05
"""A channel with less of the frames is not worth a radio's time."""
CHANNELS_USUAL = (1, 6, 11)
"""The three of 2.4 GHz that do not overlap, on which nearly all phones search first."""
OVERLAP = 5
"""2.4 GHz channels nearer to each other hear the same frames."""


class Gate(Struct, frozen=True):
    """A proposed `rssi_gate_dbm`: `weakest`, `middle` and `strongest` of the border's searches."""

    gate_dbm: int
    searches: int
    weakest_dbm: int
    middle_dbm: int
    strongest_dbm: int


class Chosen(Struct, frozen=True):
    """The phone that is followed: its name when it was chosen, and its model."""

    name: str
    model: str
    randomised: bool

    def covers(self, phone: Phone) -> bool:
        """Whether a name is this phone's: phones that make up addresses change them on the way."""
        if phone.name == self.name:
            return True
        same = phone.model == self.model and phone.model != ""
        return self.randomised and phone.randomised and same


class Proposal(Struct, frozen=True):
    """What a walk with `phone` came to; as `storebox wifi calibrate --json` prints it.

    `mixed`: another phone's signals are probably among them. `gate` is None after too few
    `searches`, `channels` are empty if a router sets its own; `fixed` are names of the shop's
    own devices.
    """

    sensor: str
    phone: Chosen
    mixed: bool
    searches: int
    gate: Gate | None
    channels: tuple[int, ...]
    fixed: tuple[str, ...]


class Choosing:
    """Finds the phone that is held at the radar: again and again the strongest by far."""

    def __init__(self) -> None:
        self._times: Counter[Chosen] = Counter()

    def add(self, picture: Survey) -> Chosen | None:
        """The phone, once it is beyond doubt."""
        heard = sorted(
            (phone for phone in picture.phones if phone.second_dbm is not None and not phone.fixed),
            key=_second,
            reverse=True,
        )
        if not heard or _second(heard[0]) < NEAR_DBM:
            return None
        best = Chosen(heard[0].name, heard[0].model, heard[0].randomised)
        others = [_second(phone) for phone in heard[1:] if not best.covers(phone)]
        if others and _second(heard[0]) - max(others) < MARGIN_DB:
            return None
        alike = next((one for one in self._times if one.covers(heard[0])), best)
        self._times[alike] += 1
        return best if self._times[alike] >= NEAR_SEARCHES else None


class Walk:
    """The signals of the chosen phone on its way along the border: the strongest of each second."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self._mixed = 0
        self.signals: list[int] = []

    def add(self, picture: Survey) -> int | None:
        """The signal of this second, None if the phone was silent."""
        heard = [
            phone.second_dbm
            for phone in picture.phones
            if phone.second_dbm is not None and self._chosen.covers(phone)
        ]
        if not heard:
            return None
        self._mixed += len(heard) > 1
        self.signals.append(max(heard))
        return max(heard)

    @property
    def mixed(self) -> bool:
        """Whether the signals are probably of two phones of the same model."""
        return self._mixed > MIXED_SHARE * len(self.signals)


def proposed_gate(signals: Sequence[int]) -> Gate | None:
    """The gate that nine of ten searches at the border pass; None for too few of them.

    The counter takes a phone as inside if any of its transmissions in a window passes the gate.
    Phones search several times per window, so hardly anybody at the border stays out when one
    search in ten is too weak. Taking the weakest of all instead would let one shadow (a pillar, a
    hand) open the gate to the street, as 6 dB less reach twice as far.
    """
    if len(signals) < SAMPLES_MIN:
        return None
    ordered = sorted(signals)
    place = math.ceil(len(ordered) * PERCENTILE / 100) - 1  # nearest rank
    return Gate(
        gate_dbm=min(max(ordered[place], GATE_DBM_MIN), GATE_DBM_MAX),
        searches=len(ordered),
        weakest_dbm=ordered[0],
        middle_dbm=ordered[len(ordered) // 2],
        strongest_dbm=ordered[-1],
    )


def proposed_channels(airs: Iterable[Air]) -> tuple[int, ...]:
    """The three busiest channels that do not overlap: for three radios, or fewer that hop.

    Only a channel that was listened to can be busy. What remains free is filled with the usual.
    """
    frames: Counter[int] = Counter()
    for air in airs:
        if air.channel is not None:
            frames[air.channel] += air.frames
    least = CHANNEL_SHARE_MIN * frames.total()
    busy = [channel for channel, count in frames.most_common() if count >= least]
    chosen: list[int] = []
    for channel in (*busy, *CHANNELS_USUAL):
        if not any(_overlap(channel, other) for other in chosen):
            chosen.append(channel)
    return tuple(sorted(chosen[: len(CHANNELS_USUAL)]))


def _overlap(one: int, other: int) -> bool:
    both_low = one <= 14 and other <= 14
    return one == other or (both_low and abs(one - other) < OVERLAP)


def _second(phone: Phone) -> int:
    assert phone.second_dbm is not None, "only phones of this second are compared"
    return phone.second_dbm
