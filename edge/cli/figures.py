"""`storebox figures`: how many came, stayed and bought, for people and as CSV; who enrolled whom;
what a member has bought."""

from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from pathlib import Path

    from edge.operation.figure_facts import FigureFacts, PeriodFigures

app = typer.Typer(help="The figures of the shop.", no_args_is_help=True)

Day = Annotated[str, typer.Option("--day", help="The last day shown, as 2026-03-31; else today.")]
Days = Annotated[int, typer.Option("--days", min=1, max=1000, help="How many days up to then.")]


@app.command()
def show(
    day: Day = "",
    days: Days = 1,
    by: Annotated[str, typer.Option(help="cell (five minutes), hour or day.")] = "hour",
    measure: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print every number as CSV (RFC 4180).")
    ] = False,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show passers-by, visitors, visits, orders, and what they come to."""
    from edge.cli import figure_tables

    wanted = figure_tables.known_measures(measure or [])
    found = _found(config, day=day, days=days, by=by)
    if json:
        printing.as_json(found)
    elif csv:
        figure_tables.print_csv(found, wanted)
    elif wanted:
        figure_tables.print_measures(found, wanted)
    else:
        figure_tables.print_overview(found)


@app.command()
def sellers(
    day: Day = "",
    days: Days = 30,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show whom each seller won for the programme, and whose faces they enrolled."""
    from edge.figures import Measure

    total = _found(config, day=day, days=days, by="day").total
    joined, enrolled = (_of(total, each) for each in (Measure.JOINED, Measure.ENROLMENTS))
    rows = [
        {"seller": name, "joined": joined.get(name, 0), "enrolments": enrolled.get(name, 0)}
        for name in sorted({*joined, *enrolled})
    ]
    if json:
        printing.as_json({"sellers": rows})
        return
    printing.table(
        ("seller", "joined", "faces enrolled"),
        ((row["seller"] or "(nobody helped)", row["joined"], row["enrolments"]) for row in rows),
        empty="Nobody joined or was enrolled in these days.",
    )


@app.command()
def member(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show what a member has bought: what their lifetime value is computed from."""
    from edge.cli.reaching import from_anywhere
    from edge.config import load
    from edge.operation.figure_facts import purchase_facts
    from edge.ordering.purchases import Purchases

    found = from_anywhere(
        load(config),
        Purchases,
        lambda connection, vault: purchase_facts(connection, vault, member),
        "purchases",
        id=member,
    )
    if json:
        printing.as_json(found)
        return
    interval = found.mean_interval_ms
    printing.pairs(
        (
            ("orders here", found.orders),
            (
                "their sum",
                f"{found.total_minor / 100:.2f} {found.currency}" if found.orders else "",
            ),
            ("other receipts", found.receipts),
            ("first", printing.local_time(found.first_ms)),
            ("last", printing.local_time(found.last_ms)),
            ("every", printing.duration(interval / 1000) if interval is not None else ""),
        )
    )
    printing.table(
        ("bought most", "title", "pieces"),
        ((each.sku, each.title, each.quantity) for each in found.favourites),
        empty="Nothing is known of what they bought.",
    )


def _found(config: "Path", *, day: str, days: int, by: str) -> "FigureFacts":
    from edge.cli.reaching import from_anywhere
    from edge.clock import SystemClock
    from edge.config import load
    from edge.errors import Refused
    from edge.operation.figure_facts import Asked, By, FigureFacts, figure_facts

    if by not in set(By):
        raise Refused(f"Figures cannot be shown by {by}.", "Say --by cell, hour or day.")
    loaded, asked = load(config), Asked(day, days, By(by))
    return from_anywhere(
        loaded,
        FigureFacts,
        lambda connection, _: figure_facts(
            connection,
            asked,
            timezone=loaded.kiosk.timezone,
            now_ms=SystemClock().now().wall_ms,
        ),
        "figures",
        day=day,
        days=days,
        by=by,
    )


def _of(period: "PeriodFigures", measure: str) -> dict[str, int]:
    return {each.subject: each.value for each in period.numbers if each.measure == measure}
