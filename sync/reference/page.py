"""The reference platform's page: its boxes, how far behind they are, and what came last.

A thread of the platform's process, on 127.0.0.1 only, with no asset from outside. `/` is for
people, `/api/platform`, `/api/boxes` and `/api/received` (JSON lines) for programs; POST `/enrol`
gives a box its certificate. All it shows stands in the database, so any worker shows the same.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import msgspec

from edge.errors import PortInUse, Refused, StorageError
from sync.enrolling import BODY_BYTES_MAX, Application
from sync.ingest.boxes import Boxes, BoxView
from sync.ingest.log import follow_log
from sync.ingest.store import Opening, Where, open_store
from sync.reference.enrolment import Registrar
from sync.reference.fleet_page import drawn

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 10


class Connected(Protocol):
    """The running platform, as the page sees it."""

    @property
    def connected(self) -> bool:
        """Whether it hears its broker."""
        ...

    @property
    def batches(self) -> int:
        """How many came to this worker."""
        ...


class Page:
    """The web server; `port` is the one it listens on. `close` ends it."""

    def __init__(
        self, port: int, database: Where, platform: Connected, *, registrar: Registrar
    ) -> None:
        class Request(_Request):
            where = database
            shown = platform
            office = registrar

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Request)
        except OSError as error:
            raise PortInUse(
                f"Port {port} is taken: {error}.", "Name another one with --port."
            ) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="platform-page", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Request(BaseHTTPRequestHandler):
    where: Where
    shown: Connected
    office: Registrar
    timeout = REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        """Answer one request."""
        try:
            self._get(urlsplit(self.path).path)
        except StorageError as error:
            log.warning("%s", error)
            self.send_error(503, "the database is not there")

    def do_POST(self) -> None:
        """Enrol a box."""
        length = self.headers.get("Content-Length", "")
        if urlsplit(self.path).path != "/enrol" or not length.isdecimal():
            self.send_error(404)
            return
        if int(length) > BODY_BYTES_MAX:
            self.send_error(413)
            return
        try:
            application = msgspec.json.decode(self.rfile.read(int(length)), type=Application)
            granted = msgspec.json.encode(self.office.grant(application))
        except msgspec.MsgspecError as error:
            self._answer("application/json", [_reason(f"This is no application: {error}.")], 400)
        except (Refused, StorageError) as error:
            log.warning("nobody was enrolled: %s", error)
            self._answer("application/json", [_reason(error.what)], 403)
        else:
            self._answer("application/json", [granted])

    def _get(self, path: str) -> None:
        if path == "/":
            page = drawn(self.where, self._boxes(), connected=self.shown.connected)
            self._answer("text/html; charset=utf-8", [page])
        elif path == "/api/boxes":
            facts = [_facts(box) for box in self._boxes()]
            self._answer("application/json", [msgspec.json.encode(facts)])
        elif path == "/api/platform":
            shown = {"connected": self.shown.connected, "batches": self.shown.batches}
            shown["boxes"] = len(self._boxes())
            self._answer("application/json", [msgspec.json.encode(shown)])
        elif path == "/api/received":
            after = parse_qs(urlsplit(self.path).query).get("after", ["0"])[0]
            if after.isdecimal() and len(after) < 19:
                self._answer("application/jsonl", _lines(self.where, int(after)))
            else:
                self.send_error(400, "after must be a position")
        else:
            self.send_error(404)

    def _boxes(self) -> list[BoxView]:
        with closing(open_store(self.where, Opening.READ)) as store:
            return Boxes(store).everybody()

    def _answer(self, kind: str, chunks: Iterable[bytes], status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(chunk)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stdout belongs to READY and stderr to what goes wrong."""


def _reason(sentence: str) -> bytes:
    return msgspec.json.encode({"reason": sentence})


def _lines(where: Where, after: int) -> Iterator[bytes]:
    """The log as JSON lines; `body` is the event's own JSON."""
    for row in follow_log(where, after=after):
        facts = {"position": row.position, "box": row.address, "id": row.id} | {
            name: getattr(row, name)
            for name in ("epoch", "stream", "seq", "type", "digest", "event_ms", "received_ms")
        }
        yield msgspec.json.encode(facts | {"body": msgspec.Raw(row.body)}) + b"\n"


def _facts(box: BoxView) -> dict[str, object]:
    hello = box.hello
    return {
        "box": box.address,
        "epoch": box.epoch,
        "online": box.online,
        "seen_ms": box.seen_ms,
        "produced": {stream.stream: stream.last for stream in box.streams},
        "committed": {stream.stream: stream.upto for stream in box.streams},
        "behind": box.behind,
        "lag_ms": box.lag_ms,
        "lags": {stream.stream: stream.lag_ms for stream in box.streams},
        "oldest_ms": box.oldest_ms,
        "datasets": hello.datasets if hello else {},
        "evicted": hello.evicted if hello else {},
        "commands": box.commands,
        "clock": hello.clock if hello else "",
        "key": hello.key if hello else "",
    }
