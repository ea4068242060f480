"""`storebox config`: whether the configuration can be used."""

from pathlib import Path
from typing import Annotated

import typer

from edge.cli import exits, printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

app = typer.Typer(help="The configuration.", no_args_is_help=True)


@app.command()
def check(
    named: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="The same as --config FILE, and goes before it."),
    ] = None,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Read the configuration and name the line of what is wrong. Opens no device."""
    from edge.config import load
    from edge.errors import ConfigError

    file = named or config
    try:
        sensors = list(load(file, files=True).sensors)
    except ConfigError as error:
        if json:
            wrong = {"ok": False, "file": str(file), "cause": error.what, "remedy": error.remedy}
            printing.as_json(wrong)
        else:
            printing.say(str(error))
        raise typer.Exit(exits.FAILED) from error
    if json:
        printing.as_json({"ok": True, "file": str(file), "sensors": sensors})
    else:
        print(f"{file} is in order. Sensors: {', '.join(sensors) or 'none'}.")
