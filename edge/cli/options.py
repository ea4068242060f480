"""Options that many commands share, so that they are spelled the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from edge.config import DEFAULT_PATH

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="STOREBOX_CONFIG", help="The configuration file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the facts as one JSON object.")]

CONFIG_FILE = DEFAULT_PATH
