"""The reference platform as a program: `python -m sync.reference.main --help`.

Prints one line `READY http://127.0.0.1:PORT` on stdout when its page can be opened, whether or not
the broker is there yet; ends on SIGTERM or SIGINT. `--ingest module:Class` puts another receiver in
the place of `sync.ingest:Ingest`, which is how tests make a platform that loses rows.
"""

import argparse
import asyncio
import importlib
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import StoreboxError
from sync.ingest import Ingest
from sync.mqtt import BrokerSettings
from sync.reference.page import Page
from sync.reference.platform import Platform
from sync.reference.shelf import Shelf

EXIT_OK, EXIT_FAILED = 0, 1

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the platform until it is told to stop; its exit code."""
    options = _options(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s")
    try:
        asyncio.run(_serve(options))
    except StoreboxError as error:
        log.error("%s", error)
        return EXIT_FAILED
    return EXIT_OK


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sync.reference.main", description="The small reference platform."
    )
    parser.add_argument("--broker-host", default="127.0.0.1")
    parser.add_argument("--broker-port", type=int, default=1883)
    parser.add_argument("--username", default="")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--client-id", default="storebox-reference-platform")
    parser.add_argument("--port", type=int, default=0, help="of the page; 0 takes a free one")
    parser.add_argument("--database", type=Path, required=True, help="the append-only log")
    parser.add_argument("--datasets", type=Path, required=True, help="folder of JSON files")
    parser.add_argument("--ingest", default="sync.ingest:Ingest", help="module:Class")
    return parser.parse_args(argv)


async def _serve(options: argparse.Namespace) -> None:
    module, _, name = options.ingest.partition(":")
    kind: type[Ingest] = getattr(importlib.import_module(module), name)
    ingest = kind(options.database)
    broker = BrokerSettings(
        host=options.broker_host,
        port=options.broker_port,
        client_id=options.client_id,
        username=options.username,
        password_file=options.password_file,
    )
    platform = Platform(broker, ingest, Shelf(options.datasets))
    page = Page(options.port, options.database, platform)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(platform.run())
    stopping = asyncio.create_task(stop.wait())
    print(f"READY http://127.0.0.1:{page.port}", flush=True)
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        serving.cancel()
        ends = await asyncio.gather(serving, stopping, return_exceptions=True)
        page.close()
        ingest.close()
    for end in ends:
        if isinstance(end, Exception):
            raise end


if __name__ == "__main__":
    sys.exit(main())
