"""Gathers what a technician may see of the air, for as long as the core gives leave to survey.

Used by `Radar` beside the counter. Addresses are renamed at once with a key that is made for this
survey and forgotten with it, so that a name leads neither to an address nor to another survey.
It decides nothing, stores nothing and counts nobody.
"""

import hashlib
import secrets
from typing import NamedTuple

from msgspec import Struct

from sensors.radar.record import Heard
from sensors.radar.survey import AIRS_MAX, BINS, ROWS_MAX, Air, Phone, Survey, bin_of

PERIOD_S = 1.0
"""So often a picture leaves; a faster one nobody can read."""
NAMES_S_MAX = 600.0
"""So long a name holds, as long as the longest window; then key and picture begin anew."""
PHONES_MAX = 2000
"""A flood of invented addresses costs bounded memory; what is beyond is only counted."""
SILENT_S_MAX = 120.0
"""Whoever has not been heard for so long has left the picture."""
KEY_BYTES = 16
WEAKEST_DBM = -128
"""Below all that a radio can say: phones whose signal is unknown come last."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter looks like another
_NAME_CHARACTERS, _MODEL_CHARACTERS = 4, 3


class _Heard(Struct, gc=False):
    """One name's tally."""

    model: str
    randomised: bool
    inside: bool
    fixed: bool
    frames: int
    last_dbm: int | None
    strongest_dbm: int | None
    second_dbm: int | None
    at_s: float


class _Tally(Struct, gc=False):
    """One radio's on one channel."""

    frames: int = 0
    second: int = 0


class Standing(NamedTuple):
    """What the radar knows of a transmission beside the record itself."""

    inside: bool
    fixed: bool


class Surveying:
    """One survey. `now_s` is the process's steady clock, whatever a recording's time is."""

    def __init__(self, gate_dbm: int | None, now_s: float) -> None:
        self._gate_dbm = gate_dbm
        self._number = 0
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)
        self._began_s = self._second_s = now_s
        self._phones: dict[str, _Heard] = {}
        self._airs: dict[tuple[str, int | None], _Tally] = {}
        self._lost: dict[str, int] = {}
        self._histogram = [0] * BINS
        self._overflow = 0

    def add(self, heard: Heard, standing: Standing, now_s: float) -> None:
        """One transmission."""
        self._add_air(heard.radio, heard.channel)
        signal = heard.rssi_dbm
        if signal is not None:
            self._histogram[bin_of(signal)] += 1
        name = self._pseudonym(heard.source, _NAME_CHARACTERS)
        phone = self._phones.get(name)
        if phone is None:
            if len(self._phones) >= PHONES_MAX:
                self._overflow += 1
                return
            made_of = heard.fingerprint
            model = self._pseudonym(made_of, _MODEL_CHARACTERS) if made_of else ""
            phone = _Heard(
                model, heard.randomised, False, standing.fixed, 0, None, None, None, now_s
            )
            self._phones[name] = phone
        phone.frames += 1
        phone.at_s = now_s
        phone.inside |= standing.inside
        phone.last_dbm = signal
        phone.strongest_dbm = _stronger(phone.strongest_dbm, signal)
        phone.second_dbm = _stronger(phone.second_dbm, signal)

    def lost(self, radio: str, count: int) -> None:
        """The kernel had no room for `count` frames of a radio."""
        if radio in self._lost or len(self._lost) < AIRS_MAX:
            self._lost[radio] = self._lost.get(radio, 0) + count

    def picture(self, now_s: float) -> Survey | None:
        """The picture of the second that has passed; None if it has not yet."""
        passed_s = now_s - self._second_s
        if passed_s < PERIOD_S:
            return None
        self._number += 1
        shown, hidden = self._shown(now_s)
        survey = Survey(
            number=self._number,
            seconds=round(now_s - self._began_s, 1),
            gate_dbm=self._gate_dbm,
            airs=self._shown_airs(passed_s),
            phones=shown,
            histogram=tuple(self._histogram),
            hidden=hidden + self._overflow,
        )
        self._next_second(now_s)
        return survey

    def _add_air(self, radio: str, channel: int | None) -> None:
        tally = self._airs.get((radio, channel))
        if tally is None:
            if len(self._airs) >= AIRS_MAX:  # a sender of records may name any channel
                return
            tally = self._airs[radio, channel] = _Tally()
        tally.frames += 1
        tally.second += 1

    def _shown_airs(self, passed_s: float) -> tuple[Air, ...]:
        known = {radio for radio, _ in self._airs}
        unheard = [((radio, None), _Tally()) for radio in self._lost if radio not in known]
        ordered = sorted([*self._airs.items(), *unheard], key=lambda item: str(item[0]))
        return tuple(
            Air(radio, channel, tally.frames, round(tally.second / passed_s, 1), self._of(radio))
            for (radio, channel), tally in ordered[:AIRS_MAX]
        )

    def _of(self, radio: str) -> int:
        return self._lost.get(radio, 0)

    def _shown(self, now_s: float) -> tuple[tuple[Phone, ...], int]:
        """The phones heard strongest, and how many more there are."""
        everybody = sorted(self._phones.items(), key=_strength, reverse=True)
        return tuple(
            Phone(
                name=name,
                model=one.model,
                randomised=one.randomised,
                inside=one.inside,
                fixed=one.fixed,
                frames=one.frames,
                last_dbm=one.last_dbm,
                strongest_dbm=one.strongest_dbm,
                second_dbm=one.second_dbm,
                silent_s=round(now_s - one.at_s, 1),
            )
            for name, one in everybody[:ROWS_MAX]
        ), max(0, len(everybody) - ROWS_MAX)

    def _next_second(self, now_s: float) -> None:
        self._second_s = now_s
        if now_s - self._began_s >= NAMES_S_MAX:
            self._begin(now_s)
            return
        for tally in self._airs.values():
            tally.second = 0
        gone = [n for n, one in self._phones.items() if now_s - one.at_s > SILENT_S_MAX]
        for name in gone:
            del self._phones[name]
        for one in self._phones.values():
            one.second_dbm = None

    def _pseudonym(self, value: bytes, characters: int) -> str:
        """`characters` of five bits each: many addresses share one, and none can be found by it."""
        digest = hashlib.blake2b(value, digest_size=4, key=self._key).digest()
        bits = int.from_bytes(digest, "little")
        return "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(characters))


def _strength(item: tuple[str, _Heard]) -> int:
    strongest = item[1].strongest_dbm
    return WEAKEST_DBM if strongest is None else strongest


def _stronger(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
