"""`storebox run`: the daemon itself. Everything it does is in `edge/daemon.py`."""

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import CONFIG_FILE, ConfigFile

With = Annotated[
    Path | None, typer.Option("--with", help="Values of this file over those of the configuration.")
]


Dev = Annotated[
    bool, typer.Option("--dev", help="Start all sensors as children, without systemd's sockets.")
]


def run(config: ConfigFile = CONFIG_FILE, overlay: With = None, dev: Dev = False) -> None:
    """Run the daemon in the foreground, until SIGTERM or Ctrl-C."""
    from edge import daemon

    raise typer.Exit(daemon.run(config, overlay, children=dev))
