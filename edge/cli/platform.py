"""`storebox platform`: the small reference platform, for the demo, tests and first steps.

`run` starts it; the other commands work on its database and its keys, whether it runs or not, and
so on any machine that has both.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sync.messages import Address

app = typer.Typer(help="The reference platform.", no_args_is_help=True)

_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

Box = Annotated[str, typer.Argument(metavar="TENANT/STORE/BOX")]
Database = Annotated[
    str,
    typer.Option(
        envvar="STOREBOX_PLATFORM_DATABASE", help="The platform's: a file, or postgresql://..."
    ),
]
State = Annotated[
    Path | None,
    typer.Option(
        envvar="STOREBOX_PLATFORM_STATE", help="Folder of its keys; beside the database file."
    ),
]


@app.callback()
def platform() -> None:
    """The reference platform."""


@app.command(context_settings=_PASSED_ON)
def run(context: typer.Context) -> None:
    """Run the reference platform; its options are its own (--help shows them)."""
    from sync.reference.main import main

    raise typer.Exit(main(context.args))


@app.command()
def command(
    box: Box,
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="member.erase, box.report, ...")],
    arguments: Annotated[str, typer.Argument(metavar="JSON")] = "{}",
    database: Database = "platform.db",
    state: State = None,
    valid_h: Annotated[int, typer.Option(min=1, help="Hours; erasures never expire.")] = 24,
) -> None:
    """Tell a box to do something: a signed command, sent as soon as the box is there."""
    from contextlib import closing

    import msgspec

    from edge.errors import Refused
    from sync.ingest.commands import Commands
    from sync.ingest.store import open_store
    from sync.reference.commanding import Commander
    from sync.reference.keys import open_keys

    try:
        args = msgspec.json.decode(arguments.encode(), type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise Refused(f"The arguments are no JSON object: {error}.") from error
    with closing(open_store(database)) as store:
        commander = Commander(Commands(store), open_keys(_state(database, state)).signing)
        number = commander.order(_address(box), type_, args, valid_s=valid_h * 3600)
    print(number)


@app.command()
def claim(box: Box, database: Database = "platform.db", state: State = None) -> None:
    """Print a code with which this box can be enrolled: once, within a day."""
    from sync.reference.enrolment import Registrar
    from sync.reference.keys import open_keys

    print(Registrar(database, open_keys(_state(database, state))).claim(_address(box)))


@app.command("broker-certificate")
def broker_certificate(
    host: Annotated[str, typer.Argument(help="What boxes call the broker: a name or an address.")],
    folder: Annotated[Path, typer.Option(help="Where broker.key and broker.crt are written.")],
    database: Database = "platform.db",
    state: State = None,
) -> None:
    """Make a certificate for the broker that enrolled boxes trust."""
    from sync.reference.keys import open_keys, write_broker_certificate

    keys = open_keys(_state(database, state))
    folder.mkdir(parents=True, exist_ok=True)
    write_broker_certificate(keys.authority, folder, host)
    print(folder / "broker.crt")


def _address(text: str) -> "Address":
    from edge.errors import BadMessage, Refused
    from sync.messages import ROOT, parse_topic

    try:
        address, _ = parse_topic(f"{ROOT}/{text}/st")
    except BadMessage as error:
        raise Refused(f"{text!r} is no box.", "Write TENANT/STORE/BOX.") from error
    return address


def _state(database: str, state: Path | None) -> Path:
    from edge.errors import Refused
    from sync.ingest.store import is_postgres

    if state is None and is_postgres(database):
        raise Refused("--state is needed with PostgreSQL.", "The platform's keys lie there.")
    return state or Path(database).resolve().parent
