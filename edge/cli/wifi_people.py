"""`storebox wifi opt-out` and `storebox wifi access`: what people may ask of those who run radars.

An address is asked for without echo or read from standard input, so that it need not stand in the
list of processes; it never leaves this command, which makes keyed hashes of it.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.config import Config
    from edge.operation.opt_outs import OptOutChange
    from edge.storage.vault import Vault

STDIN_CHARACTERS_MAX = 1024

opt_out_app = typer.Typer(help="People who asked not to be counted.", no_args_is_help=True)

Address = Annotated[
    str | None,
    typer.Argument(
        metavar="[ADDRESS]",
        help="The phone's address. Better leave it out: it is then asked for, or read from standard"
        " input, and does not stand in the list of processes.",
    ),
]


@opt_out_app.command()
def add(address: Address = None, config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Count the phone with this address no more. The daemon must be running."""
    change = _asked_to("opt_out.add", address, config)
    words = "It is not counted any more" if change.changed else "It was not counted already"
    _show(change, words, json=json)


@opt_out_app.command()
def remove(address: Address = None, config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Take an address off the list again. The daemon must be running."""
    change = _asked_to("opt_out.remove", address, config)
    words = "It is off the list" if change.changed else "It was not on the list"
    _show(change, words, json=json)


def _show(change: "OptOutChange", words: str, *, json: bool) -> None:
    if json:
        printing.as_json(change)
    else:
        print(f"{words}; {change.total} on it.")


@opt_out_app.command("list")
def list_(config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """How many opted out, and when. Nobody can be shown: the list holds keyed hashes."""
    from edge.cli.reaching import from_anywhere
    from edge.operation import opt_outs

    found = from_anywhere(
        _primary(config),
        opt_outs.OptOutList,
        lambda connection, _: opt_outs.listed(connection),
        "opt_outs",
    )
    if json:
        printing.as_json({"total": len(found.since_ms), "since_ms": found.since_ms})
        return
    rows = ((number, printing.local_time(ms)) for number, ms in enumerate(found.since_ms, 1))
    printing.table(("", "opted out"), rows, empty="Nobody has opted out.")


def access(address: Address = None, config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Say what this box holds on the phone with this address: usually nothing."""
    from edge.cli.reaching import from_anywhere
    from edge.operation.access import KEEPERS, AccessAnswer, looked_up, marks

    loaded = _primary(config)
    marked = marks(_vault(loaded), _parsed(address))
    found = from_anywhere(
        loaded,
        AccessAnswer,
        lambda connection, _: looked_up(connection, marked),
        "access",
        marks=marked,
    )
    if json:
        printing.as_json(found)
        return
    for each in found.held:
        print(printing.printable(f"{each.place}: {each.what}"))
    if not found.held:
        print("We hold nothing on that address.")
    print("\nWhere it was looked for:")
    printing.pairs([(f"  {keeper.name}", keeper.keeps) for keeper in KEEPERS])


def _asked_to(question: str, address: str | None, config: Path) -> "OptOutChange":
    from edge.cli.reaching import from_daemon
    from edge.operation.opt_outs import OptOutChange
    from sensors.radar.marks import opt_out_mark

    loaded = _primary(config)
    mark = opt_out_mark(_parsed(address), _vault(loaded).opt_out_key)
    return from_daemon(loaded, OptOutChange, question, mark=mark)


def _primary(path: Path) -> "Config":
    """The configuration. Refused on a satellite, whose list and holdings are the primary's."""
    from edge.config import load
    from edge.operation.primary import refuse_at_satellite

    config = load(path)
    refuse_at_satellite(config.satellite.primary)
    return config


def _vault(config: "Config") -> "Vault":
    from edge.storage.vault import Vault

    return Vault.open(Path(config.state.directory) / "master.key")


def _parsed(address: str | None) -> bytes:
    from edge.operation.access import parsed_address

    return parsed_address(address or _asked_for())


def _asked_for() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline(STDIN_CHARACTERS_MAX).strip()
    from getpass import getpass

    return getpass("Address of the phone (not shown): ").strip()
