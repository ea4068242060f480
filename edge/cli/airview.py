"""How the air looks in a terminal: radios, a histogram of signals with the gate in it, phones.

Called by `storebox wifi`. It draws what it is given and asks nobody.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sensors.radar.survey import BIN_DB, BINS, FLOOR_DBM, bin_of

if TYPE_CHECKING:
    from sensors.radar.survey import Phone, Survey

BAR_CHARACTERS = 40
ROWS = 15
"""Phones shown in a terminal; all of them are in the JSON."""


def drawn(survey: "Survey") -> Any:
    """One picture for `rich`."""
    from rich.console import Group
    from rich.text import Text

    parts = [
        Text(_headline(survey)),
        Text(),
        _airs(survey),
        Text(),
        Text("\n".join(bars(survey.histogram, survey.gate_dbm))),
        Text(),
        _phones(survey.phones[:ROWS]),
    ]
    hidden = len(survey.phones[ROWS:]) + survey.hidden
    if hidden:
        parts.append(Text(f"and {hidden} more"))
    return Group(*parts)


def bars(histogram: Sequence[int], gate_dbm: int | None) -> list[str]:
    """One line for each 5 dB that anything was heard in, strongest first, and one for the gate."""
    heard = [place for place, count in enumerate(histogram) if count]
    if not heard:
        return ["nothing heard yet"]
    places = set(range(heard[0], heard[-1] + 1))
    gate = None if gate_dbm is None else bin_of(gate_dbm)
    most = max(histogram)
    lines = []
    for place in sorted(places | ({gate} if gate is not None else set()), reverse=True):
        low = FLOOR_DBM + BIN_DB * place
        bar = "█" * -(-histogram[place] * BAR_CHARACTERS // most)
        lines.append(f"{low:>4} dBm  {bar} {histogram[place]}")
        if place == gate:
            lines.append(f"{'-' * 8} gate {gate_dbm} dBm {'-' * 8}")
    return lines


def histogram_of(signals: Sequence[int]) -> list[int]:
    """Signals (dBm) as counts in the bins of a survey."""
    counts = [0] * BINS
    for signal in signals:
        counts[bin_of(signal)] += 1
    return counts


def _headline(survey: "Survey") -> str:
    gate = "no gate" if survey.gate_dbm is None else f"gate {survey.gate_dbm} dBm"
    inside = sum(phone.inside and not phone.fixed for phone in survey.phones)
    return (
        f"{survey.seconds:.0f} s   {gate}   {len(survey.phones) + survey.hidden} addresses, "
        f"{inside} of them inside"
    )


def _airs(survey: "Survey") -> Any:
    from rich.table import Table

    table = Table("radio", "channel", "frames/s", "frames", "lost by the kernel", box=None)
    for air in survey.airs:
        channel = "-" if air.channel is None else str(air.channel)
        table.add_row(air.radio, channel, f"{air.frames_per_s:g}", str(air.frames), str(air.lost))
    return table


def _phones(phones: Sequence["Phone"]) -> Any:
    from rich.table import Table

    heads = ("name", "model", "kind", "last dBm", "strongest", "frames", "silent s", "where")
    table = Table(*heads, box=None)
    for phone in phones:
        table.add_row(
            phone.name,
            phone.model or "-",
            "private" if phone.randomised else "global",
            _dbm(phone.last_dbm),
            _dbm(phone.strongest_dbm),
            str(phone.frames),
            f"{phone.silent_s:.0f}",
            "fixed" if phone.fixed else "inside" if phone.inside else "outside",
        )
    return table


def _dbm(signal: int | None) -> str:
    return "-" if signal is None else str(signal)
