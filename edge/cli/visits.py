"""`storebox visits`: who the box believes to be in the shop, and why."""

from typing import Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

app = typer.Typer(help="Visits to the shop.", no_args_is_help=True)


@app.command("list")
def list_(
    ended: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=500)] = 100,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show the open visits, with the probability and the reasons of each recognition."""
    from edge.cli.reaching import from_anywhere
    from edge.config import load
    from edge.operation import facts

    found = from_anywhere(
        load(config),
        tuple[facts.VisitRow, ...],
        lambda connection, _: facts.visit_rows(connection, ended=ended, limit=limit),
        "visits",
        ended=ended,
        limit=limit,
    )
    if json:
        printing.as_json({"visits": found})
        return
    printing.table(
        ("visit", "state", "opened", "last seen", "sensor", "member", "probability", "why"),
        (
            (
                visit.id,
                visit.state,
                printing.local_time(visit.opened_ms),
                printing.local_time(visit.last_seen_ms),
                visit.sensor,
                visit.member,
                f"{visit.posterior:.1%}" if visit.member else "-",
                "; ".join(visit.reasons),
            )
            for visit in found
        ),
        empty="Nobody is in the shop." if not ended else "There has been no visit.",
    )
