"""`storebox faces picture`: what a camera sees, with every face blurred, to draw lines and zones.

Joined to the noun `faces` in `edge/cli/main.py`. The picture goes into one file that only its owner
reads; the daemon notes in its log who asked.
"""

from pathlib import Path
from typing import Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, ConfigFile

FILE_MODE = 0o600


def picture(
    sensor: Annotated[str, typer.Argument(help="The NAME of [sensors.NAME], of kind face.")],
    out: Annotated[Path, typer.Option("--out", help="The JPEG file to write.")],
    config: ConfigFile = CONFIG_FILE,
) -> None:
    """Take one picture of a camera: faces are blurred, its lines and zones drawn in."""
    from edge.config import load
    from edge.errors import Refused
    from edge.operation.viewing import asked_picture
    from edge.whole_file import write_whole

    loaded = load(config)
    if out.is_dir() or not out.parent.is_dir():
        raise Refused(f"{out} cannot be written.", "Name a file in a folder that exists.")
    if out.exists():
        typer.confirm(f"{out} exists. Overwrite it?", abort=True)
    jpeg = asked_picture(Path(loaded.state.control_socket), sensor)
    try:
        write_whole(out, jpeg, FILE_MODE)
    except OSError as error:
        raise Refused(
            f"{out} cannot be written: {error.strerror}.", "Name another file."
        ) from error
    printing.say(f"{len(jpeg):,} bytes in {out}; faces are blurred, and it was noted who asked.")
