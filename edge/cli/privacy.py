"""`storebox privacy`: the papers that a shop owes to the people in it."""

from enum import StrEnum
from typing import Annotated

import typer

from edge.cli.options import CONFIG_FILE, ConfigFile


class Language(StrEnum):
    """Of the tables; the sign comes in both."""

    RU = "ru"
    EN = "en"


app = typer.Typer(help="Papers on privacy, from the configuration.", no_args_is_help=True)


@app.callback()
def _noun() -> None:
    """With one command typer would leave the noun out."""


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
