"""The `storebox` command: gathers the nouns, and turns whatever goes wrong into one sentence.

The console script of the package. Each noun is a file beside this one and imports what it needs
only when it runs, so that help and completion come at once.
"""

import os
import sys

import typer

from edge.cli import config as config_command
from edge.cli import (
    demo,
    doctor,
    enrol,
    exits,
    face_picture,
    faces,
    figures,
    fleet,
    members,
    models,
    outbox,
    pin,
    platform,
    privacy,
    scanners,
    sensors,
    status,
    visit_rates,
    visits,
    wifi,
    wifi_people,
)
from edge.cli import run as run_command
from edge.cli import sync as sync_command
from edge.errors import NotReachable, StoreboxError

app = typer.Typer(
    name="storebox",
    help="The software of a small computer that stands in a shop.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
app.callback()(status.options)
app.command("run")(run_command.run)
app.command("demo")(demo.demo)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.add_typer(sensors.app, name="sensors")
app.add_typer(scanners.app, name="scanners")
wifi.app.add_typer(wifi_people.opt_out_app, name="opt-out")
wifi.app.command("access")(wifi_people.access)
app.add_typer(wifi.app, name="wifi")
app.add_typer(outbox.app, name="outbox")
app.add_typer(sync_command.app, name="sync")
app.add_typer(members.app, name="members")
visits.app.command("rates")(visit_rates.rates)
app.add_typer(visits.app, name="visits")
app.add_typer(figures.app, name="figures")
app.add_typer(config_command.app, name="config")
app.add_typer(pin.app, name="pin")
faces.app.command("picture")(face_picture.picture)
app.add_typer(faces.app, name="faces")
app.add_typer(models.app, name="models")
app.add_typer(privacy.app, name="privacy")
app.add_typer(platform.app, name="platform")
app.add_typer(fleet.app, name="fleet")
app.command("enrol")(enrol.enrol)
app.command("version")(status.version)


def main() -> int:
    """Run the command line; its exit code (see `edge/cli/exits.py`)."""
    try:
        app(prog_name="storebox")
    except NotReachable as error:
        return _failed(str(error), exits.NOT_REACHABLE)
    except StoreboxError as error:
        return _failed(str(error), exits.FAILED)
    except PermissionError as error:
        return _failed(f"{error.filename} may not be opened. Try it with sudo.", exits.FAILED)
    except Exception as error:  # the border: a person gets a sentence, never a traceback
        if os.environ.get("STOREBOX_TRACEBACK"):
            raise
        return _failed(
            f"{type(error).__name__}: {error}. This is a fault of storebox; please report it with"
            " what STOREBOX_TRACEBACK=1 shows.",
            exits.FAILED,
        )
    return exits.OK


def _failed(sentence: str, code: int) -> int:
    from edge.cli.printing import say

    say(f"storebox: {sentence}")
    return code


if __name__ == "__main__":
    sys.exit(main())
