"""The command line of `storebox platform run`: what can be said, and what is wrong with it.

Read by `main.py`. It looks whether the files that are named are there, so that a slip of the pen
ends at once and makes no database; it opens none of them.
"""

import argparse
import importlib
import os
from collections.abc import Sequence
from pathlib import Path

from sync.ingest import Ingest
from sync.ingest.store import is_postgres

DATABASE = os.environ.get("STOREBOX_PLATFORM_DATABASE", "platform.db")
STATE = os.environ.get("STOREBOX_PLATFORM_STATE")
PORT_MAX = 65535


def options_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options, or an end with a usage error."""
    parser = argparse.ArgumentParser(
        prog="storebox platform run", description="The small reference platform."
    )
    _add_broker(parser.add_argument_group("the broker"))
    _add_own(parser.add_argument_group("the platform"))
    options = parser.parse_args(argv)
    if options.state is None and is_postgres(options.database):
        parser.error("--state is needed with PostgreSQL: the platform's keys lie there")
    if options.key_file is not None and options.cert_file is None:
        parser.error("--key-file is the key of a certificate: name that with --cert-file")
    return options


def _add_broker(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--broker-host", default="127.0.0.1", help="its name or address (%(default)s)")
    add("--broker-port", type=_port, default=1883, help="its port (%(default)s)")
    add("--username", default="", help="how the platform logs in there (not at all)")
    add("--password-file", type=_file, help="the password of --username is read from it")
    add("--token-file", type=_file, help="a token that takes the password's place")
    add("--tls", action="store_true", help="encrypt the line, and trust what the system trusts")
    add("--ca-file", type=_file, help="trust this authority alone; turns TLS on")
    add("--cert-file", type=_file, help="the platform's certificate; turns TLS on")
    add("--key-file", type=_file, help="the key of --cert-file (it stands in the same file)")
    add("--client-id", default="", help="differs from any other client's (made up anew each time)")


def _add_own(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--database", default=DATABASE, help="a file, or postgresql://... (%(default)s)")
    add(
        "--state",
        type=Path,
        default=Path(STATE) if STATE else None,
        help="folder of its keys (that of the database file)",
    )
    add("--datasets", type=_folder, help="folder of JSON files to be served to boxes (none)")
    add("--port", type=_port, default=0, help="of its page; 0 takes a free one (%(default)s)")
    add("--workers-share", default="", help="what workers side by side have in common (alone)")
    add(
        "--ingest",
        type=_ingest,
        default="sync.ingest:Ingest",
        metavar="MODULE:CLASS",
        help="another receiver, for tests (%(default)s)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to {PORT_MAX}")
    return int(text)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return Path(text)


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return Path(text)


def _ingest(text: str) -> type[Ingest]:
    module, _, name = text.partition(":")
    if not module or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not MODULE:CLASS")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Ingest)):
        raise argparse.ArgumentTypeError(f"{text} is no sync.ingest:Ingest")
    return kind
