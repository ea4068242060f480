"""`storebox outbox`: what waits for the platform."""

from pathlib import Path
from typing import Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

app = typer.Typer(help="Events that wait for the platform.", no_args_is_help=True)


@app.command()
def show(
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=500, help="Events of each stream.")
    ] = 20,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show how full each stream is, and the events that have waited longest."""
    from edge.cli.reaching import from_anywhere
    from edge.cli.status import show_streams
    from edge.config import load
    from edge.operation import facts, settings
    from edge.storage.inspection import backlog
    from sync.batch import BatchSealing

    loaded = load(config)
    directory, sealing = Path(loaded.state.directory), BatchSealing(settings.address(loaded))
    found = from_anywhere(
        loaded,
        facts.OutboxFacts,
        lambda connection, _: facts.waiting(backlog(connection, directory, sealing), limit),
        "outbox",
        limit=limit,
    )
    if json:
        printing.as_json(found)
        return
    show_streams(found.streams)
    print()
    printing.table(
        ("event", "type", "made", "body"),
        ((e.id, e.type, printing.local_time(e.wall_ms), e.body) for e in found.events),
        empty="Nothing waits.",
    )
