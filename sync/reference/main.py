"""The reference platform as a program: `storebox platform run`, or `python -m sync.reference.main`.

Prints one line `READY http://127.0.0.1:PORT` on stdout when its page can be opened, whether or not
the broker is there yet; ends on SIGTERM or SIGINT. `--ingest module:Class` puts another receiver in
the place of `sync.ingest:Ingest`, which is how tests make a platform that loses rows. Several may
run side by side on one database: give each the same `--workers-share` and `--datasets` to one.
"""

import argparse
import asyncio
import logging
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge.errors import StoreboxError
from sync.ingest import Ingest
from sync.ingest.commands import Commands
from sync.ingest.coupons import Claims
from sync.mqtt import BrokerSettings
from sync.reference.answers import Desk
from sync.reference.commanding import Commander
from sync.reference.downward import Datasets
from sync.reference.enrolment import Registrar
from sync.reference.keys import open_keys
from sync.reference.options import options_of
from sync.reference.page import Page
from sync.reference.platform import Platform, Rooms
from sync.reference.serving import DatasetServer
from sync.reference.shelf import Shelf
from sync.signing import SigningKey

EXIT_OK, EXIT_FAILED = 0, 1
SHARED_KEEPALIVE_S = 10
"""A worker that fell silent keeps its share of the messages for one and a half of it."""

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the platform until it is told to stop; its exit code."""
    options = options_of(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s")
    try:
        asyncio.run(_serve(options))
    except StoreboxError as error:
        log.error("%s", error)
        return EXIT_FAILED
    return EXIT_OK


async def _serve(options: argparse.Namespace) -> None:
    state = options.state or Path(options.database).resolve().parent
    keys = open_keys(state)
    ingest: Ingest = options.ingest(options.database)
    rooms = Rooms(
        commander=Commander(Commands(ingest.database), keys.signing),
        desk=Desk(options.datasets or state, Claims(ingest.database)),
        datasets=_datasets(options.datasets, keys.signing),
        share=options.workers_share,
    )
    platform = Platform(_broker(options), ingest, rooms)
    registrar = Registrar(options.database, keys)
    page = Page(options.port, options.database, platform, registrar=registrar)
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


def _datasets(folder: Path | None, key: SigningKey) -> Datasets | None:
    return DatasetServer(Shelf(folder), key) if folder is not None else None


def _broker(options: argparse.Namespace) -> BrokerSettings:
    """Without a client id that was given, no two runs have the same, or they would throw each
    other out; and what nobody will come back to must not live on at the broker.
    """
    group = options.workers_share or "platform"
    alone = BrokerSettings(
        host=options.broker_host,
        port=options.broker_port,
        client_id=options.client_id or f"storebox-{group}-{secrets.token_hex(4)}",
        username=options.username,
        password_file=options.password_file,
        token_file=options.token_file,
        tls=options.tls,
        ca_file=options.ca_file,
        cert_file=options.cert_file,
        key_file=options.key_file,
    )
    if not options.workers_share:
        return alone if options.client_id else replace(alone, session_expiry_s=0)
    # A session that outlives its worker would go on taking the worker's share of the messages.
    return replace(alone, session_expiry_s=0, keepalive_s=SHARED_KEEPALIVE_S)


if __name__ == "__main__":
    sys.exit(main())
