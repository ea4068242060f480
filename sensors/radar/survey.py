"""What a radar hears right now, as the technician sees it: radios, strengths, phones by pseudonym.

Pure shapes. Made by `sensors/radar/surveying.py` while the core gives leave to survey, carried by
`sensors/wire.py`, shown by `storebox wifi`. It lives in memory only, and holds no address: the
names in it are made with a key of that one survey.
"""

from typing import Annotated

from msgspec import Meta, Struct

from edge.records import Short, Whole

ROWS_MAX = 200
"""Phones in one picture, the strongest first; nobody reads more, and a frame has its limit."""
AIRS_MAX = 64
"""Radios times channels in one picture."""
BIN_DB = 5
FLOOR_DBM = -100
BINS = 16
"""Bars of the histogram: from `FLOOR_DBM` to -20 dBm; what lies outside is in the outermost."""

Dbm = Annotated[int, Meta(ge=-128, le=127)]


class Air(Struct, frozen=True):
    """One radio on one channel: what it heard since the survey began, and in its last second.

    `lost` are the frames that the kernel had no room for; it knows the radio, not the channel.
    """

    radio: Short
    channel: Whole | None
    frames: Whole
    frames_per_s: float
    lost: Whole = 0


class Phone(Struct, frozen=True):
    """One address under its pseudonym. It is a phone, or a part of one's day of new addresses.

    `model` is the same for phones that ask in the same way; `second_dbm` the strongest signal of
    the last second, None if it was silent; `inside` whether any signal passed the present gate;
    `fixed` whether it is the shop's own equipment; `silent_s` how long it has not been heard.
    """

    name: Short
    model: Short
    randomised: bool
    inside: bool
    fixed: bool
    frames: Whole
    last_dbm: Dbm | None
    strongest_dbm: Dbm | None
    second_dbm: Dbm | None
    silent_s: float


class Survey(Struct, frozen=True):
    """One picture. `number` counts them within one survey, which has run for `seconds`.

    `histogram` counts frames by signal (see `BINS`); `hidden` phones found no room in `phones`.
    """

    number: Whole
    seconds: float
    gate_dbm: Dbm | None
    airs: Annotated[tuple[Air, ...], Meta(max_length=AIRS_MAX)]
    phones: Annotated[tuple[Phone, ...], Meta(max_length=ROWS_MAX)]
    histogram: Annotated[tuple[Whole, ...], Meta(min_length=BINS, max_length=BINS)]
    hidden: Whole = 0


def bin_of(rssi_dbm: int) -> int:
    """The bar of the histogram that a signal belongs to."""
    return min(max((rssi_dbm - FLOOR_DBM) // BIN_DB, 0), BINS - 1)
