"""`storebox privacy`: the papers that a shop owes to the people in it."""

from enum import StrEnum
from typing import Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile


class Language(StrEnum):
    """Of the tables; the sign comes in both."""

    RU = "ru"
    EN = "en"


app = typer.Typer(help="Papers on privacy, from the configuration.", no_args_is_help=True)


@app.command()
def documents(
    language: Annotated[
        Language | None, typer.Option(help="Of the tables; without it the box's own.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="A page for the printer.")] = False,
    config: ConfigFile = CONFIG_FILE,
) -> None:
    """Print the sign for the door (Russian and English), the retention table and the DPIA facts."""
    from edge.config import load
    from edge.operation.papers import papers
    from edge.operation.papers.paper import markdown, page

    loaded = load(config)
    written = papers(loaded, language or loaded.box.language)
    print(page(written) if html else markdown(written))


@app.command()
def proof(
    days: Annotated[int, typer.Option(min=1, max=4000, help="How far back it goes.")] = 365,
    language: Annotated[
        Language | None, typer.Option(help="Of the paper; without it the box's own.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="A page for the printer.")] = False,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Print the proof: consents given and withdrawn, erasures, recognition that went wrong."""
    from edge.cli.reaching import from_anywhere
    from edge.clock import SystemClock
    from edge.config import load
    from edge.operation.papers.paper import markdown, page
    from edge.operation.papers.proof import Proved, proved
    from edge.operation.papers.proof import proof as written

    loaded = load(config)
    found = from_anywhere(
        loaded,
        Proved,
        lambda connection, _: proved(connection, loaded, SystemClock().now().wall_ms, days),
        "privacy_proof",
        days=days,
    )
    if json:
        printing.as_json(found)
        return
    paper = written(found, loaded.kiosk.store_name, language or loaded.box.language)
    print(page([paper]) if html else markdown([paper]))
