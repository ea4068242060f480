"""`storebox enrol`: gives this box its certificate, with a code from the platform.

It writes the private key, the certificates and the platform's public key beside the configuration,
and prints the lines to add there; it changes no configuration itself.
"""

from typing import Annotated

import typer

from edge.cli.options import CONFIG_FILE, ConfigFile

LINES = """\
This box is {box}. Add to {config}:

[broker]
tls = true
ca_file = "{folder}/ca.crt"
cert_file = "{folder}/box.crt"
key_file = "{folder}/box.key"

[platform]
key_file = "{folder}/platform.pub"
"""


def enrol(
    url: Annotated[str, typer.Option(help="The platform's page: https://...")],
    code: Annotated[str, typer.Option(help="From `storebox platform claim`.")],
    config: ConfigFile = CONFIG_FILE,
) -> None:
    """Enrol this box: make a key, and have the platform certify it."""
    from edge.errors import ConfigError
    from sync import enrolling

    folder = config.resolve().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        granted = enrolling.enrol(url, code, folder)
    except OSError as error:
        raise ConfigError(
            f"Nothing can be written to {folder}: {error.strerror}.",
            "Try it with sudo, or name another place with --config; the code is still good if the"
            " platform was not asked yet.",
        ) from error
    print(LINES.format(box=granted.box, config=config, folder=folder), end="")
