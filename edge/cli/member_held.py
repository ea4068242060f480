"""All that the box holds on one member: shown table by table, or written to a file.

Called by `storebox members show`. What is shown comes from the daemon, or from its files while it
is dead. The export reads the files itself either way, so that the daemon never makes a text of a
face: the copy that a person may ask for holds their face template, too (GDPR art. 15(3)).
"""

from contextlib import closing
from pathlib import Path

import msgspec

from edge.cli import printing
from edge.config import Config, load
from edge.errors import Refused
from edge.operation.people import held
from edge.storage.holdings import Everything, Held
from edge.storage.inspection import open_known
from edge.storage.vault import Vault
from edge.whole_file import write_whole

ONLY_OWNER = 0o600


def tell(member: str, config: Path, *, json: bool) -> None:
    """Print it."""
    from edge.cli.reaching import from_anywhere

    found = from_anywhere(
        _primary(config),
        Everything,
        lambda connection, vault: held(connection, vault, member),
        "member.held",
        id=member,
    )
    if json:
        printing.as_json(found)
        return
    for each in found.held:
        _print(each)


def _print(each: Held) -> None:
    print(f"{each.name}: {_count(each)}")
    for row in each.rows:
        printing.pairs([(f"  {name.removesuffix('_ms')}", _said(row, name)) for name in row])
    if each.left_out:
        print(f"  {each.left_out} more: --export writes them all")
    print()


def _count(each: Held) -> str:
    return str(len(each.rows) + each.left_out) if each.rows else "nothing"


def _said(row: dict[str, object], name: str) -> object:
    value = row[name]
    if name.endswith("_ms") and isinstance(value, int):
        return printing.local_time(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


def write(member: str, path: Path, config: Path) -> None:
    """Write it whole, for its owner's eyes alone. Refused if there is such a file already."""
    if path.exists():
        raise Refused(f"There is a file {path} already.", "Name another one, or remove it.")
    directory = Path(_primary(config).state.directory)
    with closing(open_known(directory)) as connection:
        vault = Vault.open(directory / "master.key")
        found = held(connection, vault, member, whole=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode(found), indent=2), ONLY_OWNER)
    printing.say(f"Everything on member {member} is in {path}; hand it to nobody else.")


def _primary(path: Path) -> Config:
    from edge.operation.primary import refuse_at_satellite

    config = load(path)
    refuse_at_satellite(config.satellite.primary)
    return config
