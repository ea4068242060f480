"""`storebox wifi`: what the radar hears, live, and where its gate belongs.

Works with the daemon and, when it is dead, by starting the radar alone. Phones appear under names
that hold for this one survey; nothing of it is written anywhere.
"""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli import exits, printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.config import Config
    from edge.operation.border import Chosen, Proposal, Walk
    from sensors.radar.survey import Survey

SECONDS_MAX = 3600
PIPED_S = 10.0
"""Nobody presses Ctrl-C in a pipe."""
CHOOSING_S_MAX = 60.0
WALK_OUT_S = 10.0
"""Time to get from the radar to the border before signals count."""

app = typer.Typer(help="The Wi-Fi radar: what it hears, and its gate.", no_args_is_help=True)
Named = Annotated[str, typer.Argument(help="The NAME of [sensors.NAME].")]
Maybe = Annotated[str, typer.Argument(help="The NAME of [sensors.NAME], if there are several.")]
Lasting = Annotated[
    float | None,
    typer.Option(min=1, max=SECONDS_MAX, help="How long; without it until Ctrl-C."),
]
Walking = Annotated[float, typer.Option(min=10, max=480, help="How long to walk.")]


@app.command("survey")
def survey(
    name: Maybe = "",
    seconds: Lasting = None,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show what a radar hears, once a second: radios, signals, and phones under pseudonyms."""
    from edge.config import load

    loaded = load(config)
    chosen = _radar(loaded, name)
    if seconds is None and not sys.stdout.isatty() and not json:
        seconds = PIPED_S
    shown = _within(_pictures(loaded, chosen), seconds)
    try:
        if json:
            for picture in shown:
                _as_line(picture)
        else:
            _show_live(shown)
    except KeyboardInterrupt:
        return


@app.command("calibrate")
def calibrate(
    name: Named,
    seconds: Walking = 60.0,
    phone: Annotated[str, typer.Option(help="Follow this name of a running survey.")] = "",
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Propose the gate: hold a phone at the radar, then walk with it along the shop's border.

    Prints the lines for the configuration and changes nothing.
    """
    from edge.config import load
    from edge.operation.border import Proposal, proposed_channels, proposed_gate

    loaded = load(config)
    pictures = _pictures(loaded, _radar(loaded, name))
    try:
        chosen = _chosen(pictures, phone)
        walk, last = _walked(pictures, chosen, seconds)
    except KeyboardInterrupt:
        raise typer.Exit(exits.FAILED) from None
    proposal = Proposal(
        sensor=name,
        phone=chosen,
        mixed=walk.mixed,
        searches=len(walk.signals),
        gate=proposed_gate(walk.signals),
        channels=proposed_channels(last.airs) if _has_channels(loaded, name) else (),
        fixed=tuple(each.name for each in last.phones if each.fixed),
    )
    if json:
        printing.as_json(proposal)
    else:
        _show_proposal(proposal, walk.signals)
    if proposal.gate is None:
        raise typer.Exit(exits.FAILED)


# --- which radar, and its pictures


def _radar(config: "Config", name: str) -> str:
    """The sensor's name: the one given, or the only radar there is."""
    from sensors.declaration import declared

    radars = [each for each, section in config.sensors.items() if declared(section.kind).is_radar]
    known = ", ".join(radars) or "none"
    if name and name not in radars:
        raise typer.BadParameter(f"There is no radar '{name}'. Configured: {known}.")
    if not name and len(radars) != 1:
        raise typer.BadParameter(f"Name one of the radars. Configured: {known}.")
    return name or radars[0]


def _has_channels(config: "Config", name: str) -> bool:
    """Whether its radios are ours to set; those of a router are set there."""
    from edge.operation import radars, settings

    spec = next(each for each in settings.sensor_specs(config) if each.name == name)
    return radars.options_of(spec).channels_of_radios is not None


def _pictures(config: "Config", name: str) -> "Iterator[Survey]":
    from edge.operation.pictures import pictures

    return pictures(config, name, printing.say)


def _within(pictures: "Iterator[Survey]", seconds: float | None) -> "Iterator[Survey]":
    """Pictures for `seconds` after the first."""
    until_s: float | None = None
    for picture in pictures:
        yield picture
        now_s = time.monotonic()
        if until_s is None and seconds is not None:
            until_s = now_s + seconds
        if until_s is not None and now_s >= until_s:
            return


# --- survey


def _show_live(pictures: "Iterator[Survey]") -> None:
    """Drawn over itself in a terminal; in a pipe the last one alone."""
    from rich.console import Console
    from rich.live import Live

    from edge.cli.airview import drawn

    if not sys.stdout.isatty():
        last = None
        for last in pictures:  # noqa: B007 - the last one is what is wanted
            pass
        if last is not None:
            Console(markup=False, highlight=False, width=printing.PIPED_COLUMNS).print(drawn(last))
        return
    with Live(auto_refresh=False, screen=False) as live:
        for picture in pictures:
            live.update(drawn(picture), refresh=True)


def _as_line(facts: Any) -> None:
    import msgspec

    print(msgspec.json.encode(facts).decode(), flush=True)


# --- calibrate


def _chosen(pictures: "Iterator[Survey]", wanted: str) -> "Chosen":
    """The phone to follow: named, or the one that is held at the radar."""
    from edge.errors import Refused
    from edge.operation.border import NEAR_DBM, Choosing, Chosen

    if not wanted:
        printing.say(
            "Hold the phone at the radar and open its Wi-Fi settings, so that it searches."
        )
    choosing, until_s = Choosing(), time.monotonic() + CHOOSING_S_MAX
    with printing.progress("looking for the phone") as progress:
        for picture in pictures:
            left_s = until_s - time.monotonic()
            named = [each for each in picture.phones if each.name == wanted]
            if named:
                return Chosen(wanted, named[0].model, named[0].randomised)
            found = None if wanted else choosing.add(picture)
            if found is not None:
                return found
            if left_s <= 0:
                break
            progress(1 - left_s / CHOOSING_S_MAX)
    if wanted:
        raise Refused(
            f"No phone is called {wanted} now.", "Names hold for one survey: keep it running."
        )
    raise Refused(
        f"No phone was the strongest by far, at {NEAR_DBM} dBm or more.",
        "Hold it nearer, switch its screen on, and keep other phones away.",
    )


def _walked(
    pictures: "Iterator[Survey]", chosen: "Chosen", seconds: float
) -> "tuple[Walk, Survey]":
    """The signals along the border, and the last picture."""
    from edge.operation.border import Walk

    printing.say(
        f"Following {chosen.name} (model {chosen.model or '-'}). Go to the border of the shop, and"
        f" in {WALK_OUT_S:.0f} s walk along it inside, with the Wi-Fi settings open."
    )
    walk, began_s = Walk(chosen), time.monotonic()
    with printing.progress("walking along the border") as progress:
        for picture in pictures:
            passed_s = time.monotonic() - began_s - WALK_OUT_S
            if passed_s >= 0:
                walk.add(picture)
            progress(max(0.0, passed_s) / seconds)
            if passed_s >= seconds:
                break
    return walk, picture


def _show_proposal(proposal: "Proposal", signals: list[int]) -> None:
    from edge.cli.airview import bars, histogram_of
    from edge.operation.border import PERCENTILE, SAMPLES_MIN

    gate = proposal.gate
    print("\n".join(bars(histogram_of(signals), gate.gate_dbm if gate else None)))
    if gate is None:
        printing.say(
            f"The phone was heard in {proposal.searches} seconds; {SAMPLES_MIN} are needed. Walk"
            " longer (--seconds) with its screen on and the Wi-Fi settings open."
        )
        return
    if proposal.mixed:
        printing.say(
            "Another phone of the same model seems to be near: its signals may be among these. Try"
            " again when the shop is empty, or with another phone."
        )
    print(
        f"\n{100 - PERCENTILE} % of {gate.searches} searches at the border were at least"
        f" {gate.gate_dbm} dBm strong (from {gate.weakest_dbm} to {gate.strongest_dbm}). A phone"
        " searches\nseveral times in each window and counts when one search passes, so hardly"
        " anybody inside\nis missed; a lower gate would let in more of the street."
    )
    if proposal.fixed:
        print(f"Known as the shop's own: {', '.join(proposal.fixed)}.")
    print(f"\n[sensors.{proposal.sensor}]\nrssi_gate_dbm = {gate.gate_dbm}")
    if proposal.channels:
        print(f"channels = {list(proposal.channels)}")
