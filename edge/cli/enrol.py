"""`storebox enrol`: gives this box its certificate, with a code from the platform.

It writes the private key, the certificates and the platform's public key beside the configuration,
and prints the lines to add there; it changes no configuration itself.
"""

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import CONFIG_FILE, ConfigFile

BROKER = """\
tls = true
ca_file = "{folder}/ca.crt"
cert_file = "{folder}/box.crt"
key_file = "{folder}/box.key"
"""
PLATFORM = """\
key_file = "{folder}/platform.pub"
"""


def enrol(
    url: Annotated[str, typer.Option(help="The platform's page: https://...")],
    code: Annotated[str, typer.Option(help="From `storebox platform claim`.")],
    config: ConfigFile = CONFIG_FILE,
) -> None:
    """Enrol this box: make a key, and have the platform certify it."""
    from edge.config import load
    from edge.errors import ConfigError
    from sync import enrolling

    folder = config.resolve().parent
    box, present = "", frozenset[str]()
    if config.exists():
        section = load(config).box
        box = f"{section.tenant}/{section.store}/{section.box}"
        present = frozenset(tomllib.loads(config.read_text(encoding="utf-8")))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        granted = enrolling.enrol(url, code, folder, box=box)
    except OSError as error:
        raise ConfigError(
            f"Nothing can be written to {folder}: {error.strerror}.",
            "Try it with sudo, or name another place with --config; the code is still good if the"
            " platform was not asked yet.",
        ) from error
    print(f"This box is {granted.box}. Add to {config}:\n")
    blocks = (("broker", BROKER), ("platform", PLATFORM))
    shown = [_block(name, keys, folder, there=name in present) for name, keys in blocks]
    print("\n".join(shown), end="")


def _block(name: str, keys: str, folder: Path, *, there: bool) -> str:
    """A whole section, or keys for the one that is there: TOML allows no second one."""
    head = f"Put these keys into your [{name}]:" if there else f"[{name}]"
    return f"{head}\n{keys.format(folder=folder)}"
