"""`storebox platform`: the small reference platform, for the demo, tests and first steps.

`run` starts it; the other commands work on its database and its keys, whether it runs or not, and
so on any machine that has both.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import printing

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
    from sync.ingest.boxes import Boxes
    from sync.ingest.commands import Commands
    from sync.ingest.store import Opening, open_store
    from sync.reference.commanding import Commander
    from sync.reference.keys import open_keys

    try:
        args = msgspec.json.decode(arguments.encode(), type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise Refused(f"The arguments are no JSON object: {error}.") from error
    address = _address(box)
    with closing(open_store(database, Opening.WRITE)) as store:
        keys = open_keys(_state(database, state), make=False)
        identity = Commander(Commands(store), keys.signing).order(
            address, type_, args, valid_s=valid_h * 3600
        )
        known = Boxes(store).heard_of(address)
    print(identity)
    printing.say(f"Ordered for {address}: {type_}. A running platform sends it when it is there.")
    if not known:
        printing.say(f"The box {address} has never been heard of here. Is the name right?")


@app.command()
def claim(box: Box, database: Database = "platform.db", state: State = None) -> None:
    """Print a code with which this box can be enrolled: once, within a day."""
    from sync.reference.enrolment import Registrar
    from sync.reference.keys import open_keys

    keys = open_keys(_state(database, state), make=False)
    print(Registrar(database, keys).claim(_address(box)))


@app.command("broker-certificate")
def broker_certificate(
    host: Annotated[str, typer.Argument(help="What boxes call the broker: a name or an address.")],
    folder: Annotated[Path, typer.Option(help="Where broker.key and broker.crt are written.")],
    database: Database = "platform.db",
    state: State = None,
) -> None:
    """Make a certificate for the broker that enrolled boxes trust."""
    from sync.reference.keys import open_keys, write_broker_certificate

    keys = open_keys(_state(database, state), make=False)
    folder.mkdir(parents=True, exist_ok=True)
    write_broker_certificate(keys.authority, folder, host)
    print(folder / "broker.crt")


@app.command("client-certificate")
def client_certificate(
    folder: Annotated[Path, typer.Option(help="Where client.key and client.crt are written.")],
    name: Annotated[
        str, typer.Argument(help="What the broker's access list calls it; no box's name.")
    ] = "platform",
    database: Database = "platform.db",
    state: State = None,
) -> None:
    """Make a certificate with which the platform itself enters such a broker."""
    from edge.errors import Refused
    from sync.reference.enrolment import NAME_CHARACTERS_MAX
    from sync.reference.keys import open_keys, write_client_certificate

    if not 0 < len(name) <= NAME_CHARACTERS_MAX or "/" in name:
        raise Refused(f"{name!r} cannot be its name.", "Boxes' certificates come by enrolling.")
    keys = open_keys(_state(database, state), make=False)
    folder.mkdir(parents=True, exist_ok=True)
    write_client_certificate(keys.authority, folder, name)
    print(folder / "client.crt")


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
