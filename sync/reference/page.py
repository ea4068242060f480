"""The reference platform's page: its boxes, how far behind they are, and what came last.

A thread of the platform's process, on 127.0.0.1 only, with no asset from outside. `/` is for
people, `/api/platform`, `/api/boxes` and `/api/received` (JSON lines) for programs. It only reads.
"""

import threading
import time
from collections.abc import Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from edge.errors import PortInUse
from sync.ingest.log import Received, counts_by_type, follow_log, latest
from sync.reference.platform import BoxView, Platform

LATEST_SHOWN = 30
BODY_SHOWN_MAX = 160
REQUEST_TIMEOUT_S = 10

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="refresh" content="2"><title>storebox reference platform</title><style>
body{{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1c2733;background:#f6f7f9}}
h1{{font-size:1.3rem}}h2{{font-size:1.05rem;margin-top:2rem}}
table{{border-collapse:collapse;background:#fff;width:100%}}
th,td{{text-align:left;padding:.35rem .7rem;border-bottom:1px solid #e3e7ec;vertical-align:top}}
td.n{{text-align:right;font-variant-numeric:tabular-nums}}code{{font-size:.85em}}
.on{{color:#0a7a3d}}.off{{color:#b3261e}}</style></head><body>
<h1>storebox reference platform</h1><p>Line to the broker: {line}</p>
<h2>Boxes</h2><table><tr><th>box</th><th>line</th><th>committed</th><th>behind</th><th>lag</th>
<th>datasets</th></tr>{boxes}</table>
<h2>Events by type</h2><table>{counts}</table>
<h2>Last events</h2><table><tr><th>received</th><th>event</th><th>type</th><th>body</th></tr>
{events}</table></body></html>"""


class Page:
    """The web server; `port` is the one it listens on. `close` ends it."""

    def __init__(self, port: int, database: Path, platform: Platform) -> None:
        class Request(_Request):
            log_path = database
            shown = platform

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
    log_path: Path
    shown: Platform
    timeout = REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        """Answer one request."""
        url = urlsplit(self.path)
        boxes = list(self.shown.boxes.values())
        if url.path == "/":
            self._answer(
                "text/html; charset=utf-8", [_page(boxes, self.shown.connected, self.log_path)]
            )
        elif url.path == "/api/boxes":
            facts = [_box_facts(box) for box in boxes]
            self._answer("application/json", [msgspec.json.encode(facts)])
        elif url.path == "/api/platform":
            line = {"connected": self.shown.connected, "boxes": len(boxes)}
            self._answer("application/json", [msgspec.json.encode(line)])
        elif url.path == "/api/received":
            after = parse_qs(url.query).get("after", ["0"])[0]
            if after.isdecimal() and len(after) < 19:
                self._answer("application/jsonl", _lines(self.log_path, int(after)))
            else:
                self.send_error(400, "after must be a position")
        else:
            self.send_error(404)

    def _answer(self, kind: str, chunks: "list[bytes] | Iterator[bytes]") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(chunk)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stdout belongs to READY and stderr to what goes wrong."""


def _lines(path: Path, after: int) -> Iterator[bytes]:
    """The log as JSON lines; `body` is the event's own JSON."""
    for row in follow_log(path, after=after):
        facts = {"position": row.position, "box": row.address, "id": row.id} | {
            name: getattr(row, name)
            for name in ("epoch", "stream", "seq", "type", "digest", "event_ms", "received_ms")
        }
        yield msgspec.json.encode(facts | {"body": msgspec.Raw(row.body)}) + b"\n"


def _box_facts(box: BoxView) -> dict[str, object]:
    return {
        "box": str(box.address),
        "epoch": box.epoch,
        "online": box.online,
        "produced": box.produced,
        "committed": box.committed,
        "behind": box.behind,
        "lag_ms": box.lag_ms,
        "datasets": box.datasets,
    }


def _page(boxes: list[BoxView], connected: bool, path: Path) -> bytes:
    counts = "".join(
        f"<tr><td>{escape(kind)}</td><td class=n>{count}</td></tr>"
        for kind, count in counts_by_type(path).items()
    )
    events = "".join(_event_row(row) for row in latest(path, LATEST_SHOWN))
    shown = "".join(_box_row(box) for box in boxes)
    line = _line(connected)
    return _PAGE.format(line=line, boxes=shown, counts=counts, events=events).encode()


def _line(connected: bool) -> str:
    return "<b class=on>on line</b>" if connected else "<b class=off>off line</b>"


def _box_row(box: BoxView) -> str:
    committed = ", ".join(f"{stream} {upto}" for stream, upto in box.committed.items())
    return (
        f"<tr><td>{escape(str(box.address))}</td><td>{_line(box.online)}</td><td>{committed}</td>"
        f"<td class=n>{box.behind}</td><td class=n>{box.lag_ms / 1000:.1f} s</td>"
        f"<td>{escape(', '.join(box.datasets))}</td></tr>"
    )


def _event_row(row: Received) -> str:
    when = time.strftime("%H:%M:%S", time.localtime(row.received_ms / 1000))
    body = row.body.decode("utf-8", "replace")[:BODY_SHOWN_MAX]
    return (
        f"<tr><td>{when}</td><td>{escape(row.address)} {row.stream} {row.seq}</td>"
        f"<td>{escape(row.type)}</td><td><code>{escape(body)}</code></td></tr>"
    )
