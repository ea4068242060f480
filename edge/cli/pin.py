"""`storebox pin`: the PIN of the staff page. It is never an argument: others could see it there."""

import os
import sys
from pathlib import Path

import typer

from edge.cli.options import CONFIG_FILE, ConfigFile

STDIN_CHARACTERS_MAX = 1024

app = typer.Typer(help="The staff's PIN.", no_args_is_help=True)


@app.command("set")
def set_(config: ConfigFile = CONFIG_FILE) -> None:
    """Set the staff's PIN, asked for without echo, or read from standard input."""
    from edge.config import load
    from edge.errors import ConfigError
    from kiosk.pin import set_pin

    path = load(config).staff_pin_path
    pin = _asked_for()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        set_pin(path, pin)
        _give_to_owner(path)
    except OSError as error:
        raise ConfigError(
            f"The PIN cannot be kept in {path}: {error.strerror}.",
            "Correct [kiosk] staff_pin_file or [state] directory, or try it with sudo.",
        ) from error
    print(f"The PIN is set ({path}). Restart storebox so that it counts.")


def _asked_for() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline(STDIN_CHARACTERS_MAX).rstrip("\r\n")
    from getpass import getpass

    pin = getpass("New PIN: ")
    if getpass("Once more: ") != pin:
        raise typer.BadParameter("The two PINs differ.")
    return pin


def _give_to_owner(path: Path) -> None:
    """Root sets it, the daemon's own user must read it: whoever owns the directory."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
